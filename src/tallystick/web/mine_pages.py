"""What the person that a decision is about reads, in plain words."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

import msgspec

from tallystick.affected import AnswerSeen, DecisionSeen, RequestSeen
from tallystick.affected.asking import WORDS_LETTERS_MAX
from tallystick.affected.seeing import PartySeen
from tallystick.statement.governance import StatementType
from tallystick.web.answers import Answer
from tallystick.web.call import Call
from tallystick.web.pages import base_of, page, table, tag
from tallystick.web.schemas import HeldBody

TITLE: Final = "A decision about you"
KINDS: Final = {
    StatementType.EXPLANATION_REQUEST: "Explain it: how it came about, and what part AI had in it",
    StatementType.REVIEW_REQUEST: "Let a human being look at it again",
    StatementType.APPEAL: "I appeal: it is wrong. Until that is answered, nothing of it is erased",
}
_RECEIPT: Final = (
    '<textarea id="receipt" name="receipt" required rows="4" spellcheck="false" '
    'autocomplete="off"></textarea>'
)
_FILE: Final = (
    '<p id="choose" hidden><label for="file">Or choose the file</label>'
    '<input id="file" type="file"></p>'
)
_ASKED: Final = {
    StatementType.EXPLANATION_REQUEST: "You asked for an explanation",
    StatementType.REVIEW_REQUEST: "You asked for human review",
    StatementType.APPEAL: "You appealed",
}
_OUTCOMES: Final = {
    "upheld": "the decision stays as it is",
    "changed": "the decision was changed",
}
_KNOWN: Final = {
    "asserted": "by the word of who signed it alone",
    "api-key": "by the key of an account",
    "key": "by a key of their own",
    "passkey": "by a passkey, which they unlocked themselves",
    "credential": "by a credential",
}


def held_page(call: Call) -> Answer:
    """Ask for what the person holds."""
    base = base_of(call)
    parts = [
        tag("p", "Was something decided about you, and were you given a receipt? Here you see what "
            "was decided, by whom, and with which AI. You can ask for an explanation, ask that a "
            "human being look at it again, and appeal."),
        f'<form id="mine" action="{escape(base)}/mine" method="post">',
        tag("label", "Your receipt, the whole record, or the id in your letter", for_="receipt"),
        _RECEIPT,
        _FILE,
        tag("label", "The code that came with it", for_="code"),
        '<input id="code" name="code" autocomplete="off" spellcheck="false">',
        "<button>Show the decision</button>",
        "</form>",
        tag("p", "The code shows that the decision is about you; without it you see only what "
            "everybody may know. If you have the whole record, no code is needed. That you read it "
            "is noted, without a name.", class_="note"),
    ]  # fmt: skip
    return page(call, TITLE, parts, forms="'self'")


def decision_page(call: Call, seen: DecisionSeen, held: HeldBody, *, done: bool) -> Answer:
    """Show a decision, and what can be done about it."""
    parts: list[str] = []
    if done:
        parts.append(tag("p", "It is registered, and stands below.", role="status"))
    parts += [
        tag("p", f"Entry {seen.index} of the log {seen.log}, since {_day(seen.registered_at)}."),
        table(_facts(seen)),
        tag("h2", "What it says"),
        *_content(seen),
    ]
    if seen.requests:
        parts.append(tag("h2", "What you asked, and what came of it"))
        parts += [line for one in seen.requests for line in _request(call, one, held)]
    if seen.may:
        parts += [tag("h2", "What you can do"), *_asking(call, seen, held)]
    parts += [tag("h2", "How to check this yourself"), *_checking(call, seen)]
    return page(call, TITLE, parts, 201 if done else 200, forms="'self'")


def _facts(seen: DecisionSeen) -> dict[str, Any]:
    model = seen.model
    facts = {
        "decided by": _party(seen.by),
        "known": _KNOWN.get(seen.by.known_by, seen.by.known_by),
        "that is": seen.by.basis,
        "signed by": None if seen.signed_by is None else _party(seen.signed_by),
        "with AI": "no model is named" if model is None else _model(model),
        "your receipt": seen.proven,
        "verifies": "yes" if seen.verdict == "verified" else f"{seen.verdict}: "
        + "; ".join(seen.faults),
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value is not None}


def _party(party: PartySeen) -> str:
    kind = {"ai": "an AI", "person": "a person", "organisation": "an organisation",
            "machine": "a machine"}.get(party.kind or "", "somebody")  # fmt: skip
    return f"{party.name}, {kind}" if party.name else f"{kind}, {party.did}"


def _model(model: Mapping[str, Any]) -> str:
    name = model.get("name", "a model")
    if model["index"] is None:
        return f"{name} with the digest {model['digest']}, which nobody registered"
    return f"{name}, registered at index {model['index']}, digest {model['digest']}"


def _content(seen: DecisionSeen) -> Iterator[str]:
    if seen.content is None:
        yield tag("p", f"Not shown: {seen.withheld}.")
    else:
        yield _said(seen.content)


def _said(content: Mapping[str, Any]) -> str:
    return table({name: _words(value) for name, value in content.items()}, class_="said")


def _request(call: Call, one: RequestSeen, held: HeldBody) -> Iterator[str]:
    yield "<article>"
    yield tag("h3", f"{_ASKED[StatementType(one.type)]}, {_day(one.asked_at)}")
    yield table({"your words": one.words or "not kept", "registered at index": one.index})
    if one.state == "withdrawn":
        yield tag("p", "You withdrew it.")
    elif one.answer is not None:
        yield from _answer(one.answer)
    else:
        yield from _waiting(call, one, held)
    yield "</article>"


def _waiting(call: Call, one: RequestSeen, held: HeldBody) -> Iterator[str]:
    yield tag("p", f"An answer is due by {_day(one.due_at)}.")
    if one.overdue:
        yield tag("p", "That is past. You can complain to the supervisory authority for data "
                  "protection, or go to court.", role="alert")  # fmt: skip
    yield f'<form action="{escape(base_of(call))}/mine/withdrawals" method="post">'
    yield from _hidden({"receipt": held.receipt, "code": held.code, "request": one.id})
    yield tag("button", f"Withdraw this {one.type}", class_="second")
    yield "</form>"


def _answer(answer: AnswerSeen) -> Iterator[str]:
    content = answer.content or {}
    outcome = content.get("outcome")
    if outcome is not None:
        yield tag("p", f"Answer of {_day(answer.at)}: {_OUTCOMES.get(outcome, outcome)}.",
                  role="status")  # fmt: skip
    facts = {
        "answered by": _party(answer.by),
        "known": _KNOWN.get(answer.by.known_by, answer.by.known_by),
        "registered at index": answer.index,
        "new decision": answer.decision,
    }
    yield table({name: value for name, value in facts.items() if value is not None})
    rest = {name: value for name, value in content.items() if name != "outcome"}
    yield _said(rest) if rest else tag("p", "Its words are not kept any more.")
    if answer.decision_content:
        yield tag("p", "The new decision says:")
        yield _said(answer.decision_content)


def _asking(call: Call, seen: DecisionSeen, held: HeldBody) -> Iterator[str]:
    yield f'<form action="{escape(base_of(call))}/mine/requests" method="post">'
    yield from _hidden({"receipt": held.receipt, "code": held.code})
    yield "<fieldset><legend>What you ask</legend>"
    for kind, words in KINDS.items():
        if kind in seen.may:
            yield (
                f'<label><input type="radio" name="kind" value="{escape(kind)}" required>'
                f"{escape(words)}</label>"
            )
    yield "</fieldset>"
    yield tag("label", "In your own words", for_="words")
    yield (
        f'<textarea id="words" name="words" required rows="5" maxlength="{WORDS_LETTERS_MAX}">'
        "</textarea>"
    )
    yield "<button>Send</button>"
    yield "</form>"
    yield tag("p", "The log shows for ever that something was asked of this decision, and when. "
              "Your words are kept encrypted, for those who answer you. You are answered on this "
              "page, within a month: come back with the same receipt and code.",
              class_="note")  # fmt: skip


def _checking(call: Call, seen: DecisionSeen) -> Iterator[str]:
    yield (
        f'<p><a href="{escape(base_of(call))}/bundles/{escape(seen.id)}">The evidence, without '
        "content</a>: <code>tally verify</code> shows without this service that the log holds the "
        "decision, who signed it, and what came of an appeal.</p>"
    )
    yield tag("p", f"Its id is {seen.id}.", class_="note")


def _hidden(fields: Mapping[str, str]) -> Iterator[str]:
    for name, value in fields.items():
        yield f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def _words(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
