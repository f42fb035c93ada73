"""A report as one HTML file: nothing is loaded, no script runs, and it prints.

Works by keyboard, follows the reader's light or dark mode, and can be sent as it is.
"""

import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Final

from tallystick.lawmap.answer import Answer, Verdict
from tallystick.lawmap.articles import Law
from tallystick.lawmap.checks import Check
from tallystick.lawmap.report import CAUTION, TITLE, Answered, Report
from tallystick.lawmap.text import due

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_CODE: Final = re.compile("`(.+?)`")
_CLASS: Final = {Verdict.DOES: "does", Verdict.DOES_NOT: "does-not"}


def as_page(report: Report) -> str:
    """Return a report as HTML."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(TITLE)}: {escape(report.seen.origin)}</title>"
    style = (files("tallystick.lawmap") / "page.css").read_text("utf-8")
    yield f"<style>\n{style}</style>\n</head>\n<body>"
    yield '<a class="skip" href="#laws">To the articles</a>'
    yield from _head(report)
    yield '<main id="laws">'
    for law, articles in report.laws:
        yield from _law(law, articles)
    yield "</main>\n</body>\n</html>"


def _head(report: Report) -> Iterator[str]:
    seen = report.seen
    yield f"<header>\n<h1>{escape(TITLE)}</h1>"
    yield (
        f"<p>Ledger <strong>{escape(seen.origin)}</strong>, {seen.size} entries, "
        f"{report.when}.<br><span class=soft>root {escape(seen.root)}</span></p>"
    )
    yield f"<p>{escape(CAUTION)}</p>"
    for warning in report.warnings():
        yield f"<p class=old><strong>Old data.</strong> {escape(warning)}</p>"
    yield '<nav aria-label="Laws"><ul>'
    for law, _ in report.laws:
        yield f'<li><a href="#{law.id}">{law.jurisdiction}: {escape(law.name)}</a></li>'
    yield "</ul></nav>"
    yield (
        '<p class=filter><label><input type="checkbox" id="only"> Show only what is not done'
        "</label></p>\n</header>"
    )


def _law(law: Law, articles: tuple[Answered, ...]) -> Iterator[str]:
    yield f'<section aria-labelledby="{law.id}">'
    yield f'<h2 id="{law.id}">{law.jurisdiction}: {escape(law.name)}</h2>'
    yield f"<p class=soft>As known on {law.checked}. {escape(law.note)}</p>"
    for number, one in enumerate(articles):
        yield from _article(f"{law.id}-{number}", one)
    yield "</section>"


def _article(name: str, one: Answered) -> Iterator[str]:
    article = one.article
    since = "in force since" if one.applies else "not in force yet, from"
    yield f'<article aria-labelledby="{name}">'
    yield f'<h3 id="{name}">{escape(article.article)}: {escape(article.title)}</h3>'
    yield f"<p>{escape(article.duty)}</p>\n<dl>"
    yield f"<dt>Binds</dt><dd>{escape(article.who)}</dd>"
    yield f"<dt>Authority</dt><dd>{escape(article.authority)}; {since} {article.in_force}</dd>"
    if article.deadlines:
        yield f"<dt>Due</dt><dd>{escape(due(article))}</dd>"
    yield f"<dt>Sources</dt><dd>{escape('; '.join(article.sources))}</dd>"
    if article.doubt:
        yield f"<dt>Not verified</dt><dd class=doubt>{escape(article.doubt)}</dd>"
    yield f"<dt>Here</dt><dd>{escape(one.in_words())}</dd></dl>"
    yield "<table><thead><tr><th scope=col>asked<th scope=col>here<th scope=col>seen"
    yield "<th scope=col>evidence</tr></thead><tbody>"
    for check, answer in one.answers:
        yield _row(check, answer)
    yield "</tbody></table>\n</article>"


def _row(check: Check, answer: Answer) -> str:
    evidence = "<br>".join(escape(one.text()) for one in answer.evidence)
    step = ""
    if answer.verdict is Verdict.DOES_NOT:
        words = _CODE.sub(r"<code>\1</code>", escape(check.step))
        step = f"<span class=step>→ {words}</span>"
    style = _CLASS.get(answer.verdict, "soft")
    return (
        f"<tr><td>{escape(check.question)}</td><td class={style}>{answer.verdict}</td>"
        f"<td>{escape(answer.seen)}{step}</td><td class=soft>{evidence}</td></tr>"
    )
