"""The pages in an answer to an access request: plain words, no script, nothing from elsewhere.

What somebody wrote is escaped where it is put in. Works by keyboard, by day and by night, on paper.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Any, Final

TITLE: Final = "What is kept about you"
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_RIGHTS: Final = (
    "If something is wrong you may have it corrected; you may ask that it be erased, or that AI "
    "not read it. If a decision was made about you, you may ask for an explanation, ask that a "
    "human being look at it again, and appeal. Ask whoever sent you this file."
)
_CHECK: Final = (
    "<p>Every record here stands in a public log under a digest. The files that end in "
    "<code>.tally.json</code> prove it, without anybody's help: <code>tally verify FILE</code> "
    "checks this whole archive, and any of these files. What these pages say in words is what the "
    "keeper of the log signed for; that it is all there is about you, nobody can prove.</p>"
)
_NOBODY: Final = "Nobody, as far as is noted."


def index_page(summary: Mapping[str, Any]) -> str:
    """Return the first page: who keeps what, how AI was used, who read it."""
    keeper = summary["controller"]
    whose = (
        f"<p>In the log <strong>{_text(keeper['log'])}</strong>, {_text(_name(keeper))} keeps "
        f"{_number(summary['records'], 'record')} about you, as of {_moment(summary['made_at'])}. "
        f"Your reference is <strong>{_text(summary['reference'])}</strong>.</p>"
    )
    return _page(
        TITLE,
        [
            whose,
            *_section("records", "The records", _records(summary)),
            *_section("ai", "How AI was used", _models(summary["models"])),
            *_section("reads", "Who read it", _reads(summary)),
            *_section("erased", "What was erased", _erasures(summary["erasures"])),
            *_section("names", "Names you sign under", _pseudonyms(summary["pseudonyms"])),
            *_section("withheld", "What is left out", _withheld(summary["withheld"])),
            *_section("rights", "What you may do", [f"<p>{_text(_RIGHTS)}</p>"]),
            *_section("check", "How to check this", [_CHECK]),
        ],
    )


def records_page(records: Sequence[Mapping[str, Any]], context: Sequence[Mapping[str, Any]]) -> str:
    """Return a page of some records, each as far as it can be read."""
    parts = ['<p><a href="../index.html">Back to the first page</a></p>']
    parts += [line for one in records for line in _record(one)]
    if context:
        parts.append("<h2>What these rest on</h2>")
        parts += [line for one in context for line in _record(one)]
    return _page("Records about you", parts)


def _page(title: str, parts: Iterable[str]) -> str:
    style = (files("tallystick.evidence") / "access.css").read_text("utf-8")
    return "\n".join([
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
        '<a class="skip" href="#main">To the content</a>',
        f'<main id="main">\n<h1>{_text(title)}</h1>',
        *parts,
        "</main>\n</body>\n</html>\n",
    ])  # fmt: skip


def _section(name: str, title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f'<section id="{name}">\n<h2>{_text(title)}</h2>'
    yield from lines
    yield "</section>"


def _records(summary: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            f'<a href="{_text(one["page"])}#r{one["index"]}">{_type(one)}</a>',
            str(one["index"]),
            _moment(one["registered_at"]),
        )
        for one in summary["records"]
    ]
    yield from _table(("what", "index in the log", "since"), rows)


def _record(one: Mapping[str, Any]) -> Iterator[str]:
    yield f'<article id="r{one["index"]}">\n<h3>{_type(one)}, '
    yield f"{_moment(one['registered_at'])}</h3>"
    facts = {
        "said by": _name(one["issuer"]),
        "for": one["for"] if one["for"] != one["issuer"]["did"] else None,
        "known by": f"{one['known_by']}: {one['basis']}",
        "kept for": one["purpose"] or None,
        "kept until": _kept(one),
        "held": ", ".join(mark["reason"] for mark in one["holds"]) or None,
        "closed to AI": ", ".join(mark["reason"] for mark in one["restrictions"]) or None,
        "model": one["model"],
        "left out": ", ".join(one["withheld"]) or None,
        "index": one["index"],
        "id": one["id"],
    }
    yield _facts(facts)
    if one["content"]:
        yield _facts(one["content"], "said")
    for row in one["rows"]:
        content = row["row"]
        yield f"<p class=soft>Row {row['position']}</p>"
        yield _facts(content if isinstance(content, dict) else {"value": content}, "said")
    if not one["content"] and not one["rows"]:
        yield "<p class=soft>The content is not shown here.</p>"
    yield "</article>"


def _kept(one: Mapping[str, Any]) -> str:
    least, most = one["kept_at_least_until"], one["kept_at_most_until"]
    parts = [f"at least {_moment(least)}"] if least else []
    parts += [f"at most {_moment(most)}"] if most else []
    return ", ".join(parts) or "nobody set a time"


def _models(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not models:
        yield "<p>None of these records names a model.</p>"
    for one in models:
        if not one["registered"]:
            yield f"<p>A model with the digest {_text(one['digest'])}, which nobody registered.</p>"
            continue
        yield f"<h3>{_text(one['content'].get('name', 'A model'))}</h3>"
        yield _facts({**one["content"], "digest": one["digest"], "index": one["index"]}, "said")
        if one["used"]:
            yield f"<p>It was trained on {_number(one['used'], 'registered data set')}.</p>"
        for evaluation in one["evaluations"]:
            yield "<p>It was tried out:</p>"
            yield _facts({**evaluation["content"], "index": evaluation["index"]}, "said")


def _reads(summary: Mapping[str, Any]) -> Iterator[str]:
    reads, count = summary["reads"], summary["reads_in_all"]
    if not reads:
        yield f"<p>{_NOBODY}</p>"
        return
    if count > len(reads):
        yield f"<p>The newest {len(reads)} of {count} notes.</p>"
    rows = [
        (
            _text(one["who"]), _text(one["purpose"]), _moment(one["first"]),
            str(len(one["records"])),
        )
        for one in reads
    ]  # fmt: skip
    yield from _table(("who", "what for", "when", "records of yours"), rows)


def _erasures(erasures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not erasures:
        yield (
            "<p>Nothing that can still be told. Where all that was kept for a purpose is erased, "
            "nobody knows any more whose it was.</p>"
        )
        return
    rows = [
        (str(one["index"]), _moment(one["at"]), _text(one["reason"]), _text(one["record"][:16]))
        for one in erasures
    ]
    yield from _table(("index in the log", "when", "why", "record"), rows)


def _pseudonyms(names: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not names:
        yield "<p>None that this file knows of.</p>"
    for one in names:
        yield _facts(one)


def _withheld(withheld: Mapping[str, Sequence[str] | None]) -> Iterator[str]:
    if not withheld:
        yield "<p>Nothing was left out.</p>"
        return
    yield "<p>For the rights of others, these are not shown to you; ask why:</p>"
    for record, names in withheld.items():
        what = "all of it" if names is None else ", ".join(names)
        yield f"<p>{_text(record[:16])}: {_text(what)}</p>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table; the cells are HTML already."""
    yield "<table>\n<thead><tr>"
    yield "".join(f'<th scope="col">{_text(head)}</th>' for head in heads)
    yield "</tr></thead>\n<tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody>\n</table>"


def _facts(facts: Mapping[str, Any], look: str = "") -> str:
    inner = "".join(
        f"<dt>{_text(name)}</dt><dd>{_text(_words(value))}</dd>"
        for name, value in facts.items()
        if value is not None
    )
    return f'<dl class="{look}">{inner}</dl>'


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type(one: Mapping[str, Any]) -> str:
    return _text(one["type"] or "statement")


def _name(party: Mapping[str, Any]) -> str:
    name, kind = party["name"] or party["did"], party["kind"]
    return f"{name} ({kind})" if kind else str(name)


def _number(many: Sequence[Any], noun: str) -> str:
    return f"{len(many)} {noun}{'' if len(many) == 1 else 's'}"


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "unknown"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _text(value: object) -> str:
    return escape(str(value))
