"""A report as Markdown: readable as it is, and by every tool that reads Markdown."""

from collections.abc import Iterator

from tallystick.lawmap.answer import Verdict
from tallystick.lawmap.articles import Article
from tallystick.lawmap.report import CAUTION, TITLE, Answered, Report


def as_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def due(article: Article) -> str:
    """Return what is due when, in words; empty where the article names nothing."""
    return "; ".join(f"{one.case}: {one.within}" for one in article.deadlines)


def _lines(report: Report) -> Iterator[str]:
    seen = report.seen
    yield f"# {TITLE}"
    yield ""
    yield f"Ledger `{seen.origin}`, {seen.size} entries, root `{seen.root}`, {report.when}."
    yield ""
    yield CAUTION
    yield ""
    for warning in report.warnings():
        yield f"> **Old data.** {escaped(warning)}"
        yield ""
    for law, articles in report.laws:
        yield f"## {law.jurisdiction}: {escaped(law.name)}"
        yield ""
        yield f"As known on {law.checked}. {escaped(law.note)}"
        yield ""
        for one in articles:
            yield from _article(one)


def _article(one: Answered) -> Iterator[str]:
    article = one.article
    yield f"### {escaped(article.article)}: {escaped(article.title)}"
    yield ""
    yield escaped(article.duty)
    yield ""
    yield f"- Binds: {escaped(article.who)}"
    since = "in force since" if one.applies else "**not in force yet**, from"
    yield f"- Authority: {escaped(article.authority)}; {since} {article.in_force}"
    if article.deadlines:
        yield f"- Due: {escaped(due(article))}"
    yield f"- Sources: {escaped('; '.join(article.sources))}"
    if article.doubt:
        yield f"- Not verified: {escaped(article.doubt)}"
    yield f"- Here: {one.in_words()}"
    yield ""
    yield "| asked | here | seen | evidence |"
    yield "| --- | --- | --- | --- |"
    for check, answer in one.answers:
        evidence = "; ".join(each.text() for each in answer.evidence)
        mark = f"**{answer.verdict}**" if answer.verdict is Verdict.DOES_NOT else answer.verdict
        row = (check.question, answer.seen, evidence)
        question, seen, rests_on = map(escaped, row)
        yield f"| {question} | {mark} | {seen} | {rests_on} |"
    yield ""


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, in a table too."""
    for letter in "\\`*[]<>|":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.split())
