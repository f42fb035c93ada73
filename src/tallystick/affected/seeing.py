"""What the person that a decision is about sees of it, and of what they asked.

Whose it is and how strongly that is known, what it says, and whether it verifies. Whoever shows
only a receipt sees what the public log says. The content is shown to the person, unless the policy
calls its type sealed, or commitment-only.
"""

from typing import Any

import msgspec

from tallystick.affected.causes import model_of
from tallystick.affected.deadlines import due_at
from tallystick.affected.holding import Entitled
from tallystick.errors import ErasedError, LimitError, NotFoundError
from tallystick.evidence import Shown, build_bundle
from tallystick.evidence.access import plain
from tallystick.ledger import Found, Ledger, erasures_of
from tallystick.ledger.appeals import Requested
from tallystick.ledger.originators import known_originator
from tallystick.ledger.policy import Visibility
from tallystick.ledger.retention import Ages
from tallystick.statement import Relation, parse_erasure
from tallystick.statement.appeal import REQUESTS, read_reply
from tallystick.vault import reading_as, unsafe_unrecorded
from tallystick.verify import Verdict, examine, parse_policy

WHO = "the person it is about"
"""Who reads, as far as that is known: no name is asked for."""
PURPOSE = "own decision"
_CLOSED = frozenset({Visibility.SEALED, Visibility.COMMITMENT_ONLY})


class PartySeen(msgspec.Struct, frozen=True):
    """Somebody who signed, or for whom was acted.

    Attributes:
        did: Their DID.
        name: Their public name; null for people, and for whoever has none.
        kind: `person`, `organisation`, `machine` or `ai`.
        known_by: How strongly that is known: `asserted`, `api-key`, `key`, `passkey`, `credential`.
        basis: What that rests on, in words.
    """

    did: str
    name: str | None
    kind: str | None
    known_by: str
    basis: str


class AnswerSeen(msgspec.Struct, frozen=True):
    """What a request was answered with.

    Attributes:
        index: Where it stands.
        id: Its statement.
        type: `explanation` or `review`.
        at: When the log took it, seconds since 1970.
        by: Who answers for it.
        content: What it says: `text` of an explanation, `outcome` and `reason` of a review.
        decision: Id of the new decision, where something was changed.
        decision_content: What that says, as far as it may be shown.
    """

    index: int
    id: str
    type: str
    at: int
    by: PartySeen
    content: dict[str, Any] | None
    decision: str | None = None
    decision_content: dict[str, Any] | None = None


class RequestSeen(msgspec.Struct, frozen=True):
    """What was asked of a decision.

    Attributes:
        index: Where it stands.
        id: Its statement.
        type: `explanation-request`, `review-request` or `appeal`.
        state: `open`, `answered` or `withdrawn`.
        asked_at: When the log took it, seconds since 1970.
        due_at: By when it is to be answered.
        overdue: It is open, and that has passed.
        words: What the person said.
        answer: What it was answered with.
    """

    index: int
    id: str
    type: str
    state: str
    asked_at: int
    due_at: int
    overdue: bool
    words: str | None = None
    answer: AnswerSeen | None = None


class DecisionSeen(msgspec.Struct, frozen=True):
    """A decision as the person sees it.

    Attributes:
        log: Name of the log.
        index: Where it stands.
        id: Its statement.
        type: What kind of statement it is.
        registered_at: When the log took it, seconds since 1970.
        proven: What the receipt that was given proves here.
        verdict: What an offline verifier says of it: `verified`, `failed`, `indeterminate`.
        faults: What that verifier found wrong, in words.
        entitled: `code` or `record`, which showed that it is about the person; null where nothing
            did: then only what is public is here.
        by: Who answers for it.
        signed_by: Who signed it, where that is somebody else.
        model: The model that took part: `digest`, `index`, and what is registered of it.
        content: What it says; null where it is not shown.
        withheld: Why not, in words.
        requests: What was asked of it, the newest first.
        may: What can be asked of it now.
    """

    log: str
    index: int
    id: str
    type: str | None
    registered_at: int
    proven: str
    verdict: str
    faults: list[str]
    entitled: str | None
    by: PartySeen
    signed_by: PartySeen | None
    model: dict[str, Any] | None
    content: dict[str, Any] | None
    withheld: str | None
    requests: list[RequestSeen]
    may: list[str]


def see(ledger: Ledger, entitled: Entitled) -> DecisionSeen:
    """Return a decision as somebody may see it who holds this much."""
    found = entitled.found
    statement = found.statement
    signed, by = parties(ledger, found)
    content, withheld = _content(ledger, entitled)
    verdict, faults = _verify(ledger, found)
    asked = requests_of(ledger, found) if entitled.by else []
    return DecisionSeen(
        log=ledger.card.origin,
        index=found.index,
        id=statement.id.hex(),
        type=statement.header.type,
        registered_at=Ages(ledger.index, ledger.snapshot).at(found.index),
        proven=entitled.proven,
        verdict=verdict,
        faults=faults,
        entitled=entitled.by,
        by=by,
        signed_by=None if signed.did == by.did else signed,
        model=_model(ledger, found),
        content=content,
        withheld=withheld,
        requests=[see_request(ledger, one) for one in asked],
        may=_may(entitled, asked, erased=withheld is not None and withheld.startswith("erased")),
    )


def parties(ledger: Ledger, found: Found) -> tuple[PartySeen, PartySeen]:
    """Return who signed a statement, and who answers for it."""
    header = found.statement.header
    with unsafe_unrecorded():  # only who approved is taken from it
        known = known_originator(
            ledger.index, ledger.snapshot, found.statement, found.index, ledger.content
        )
    record = ledger.state.record(header.issuer, header.key_id)
    name, kind = (None, None) if record is None else (record.name, str(record.kind))
    signed = PartySeen(header.issuer, name, kind, str(known.assurance), known.basis)
    if known.principal is None or known.principal == header.issuer:
        return signed, signed
    keys = ledger.state.chains.keys_of(known.principal)
    other = ledger.state.record(known.principal, keys[0]) if keys else None
    name, kind = (None, None) if other is None else (other.name, str(other.kind))
    return signed, PartySeen(known.principal, name, kind, str(known.assurance), known.basis)


def requests_of(ledger: Ledger, found: Found) -> list[Requested]:
    """Return what was asked of a decision, the newest first."""
    asked = [
        one
        for type_ in REQUESTS
        for one in ledger.appeals.naming(found.statement.id, type_)
        if one.asked.decision == found.statement.id
    ]
    return sorted(asked, key=lambda one: -one.index)


def see_request(ledger: Ledger, one: Requested) -> RequestSeen:
    """Return what was asked, and what came of it."""
    asked_at = Ages(ledger.index, ledger.snapshot).at(one.index)
    due, said = due_at(asked_at), _read(ledger, one.id)
    return RequestSeen(
        index=one.index,
        id=one.id.hex(),
        type=one.type,
        state=one.state,
        asked_at=asked_at,
        due_at=due,
        overdue=one.ended is None and due < ledger.clock(),
        words=None if said is None else str(said.get("words", "")),
        answer=None if one.answer is None else _answer(ledger, ledger.get(one.answer)),
    )


def _answer(ledger: Ledger, found: Found) -> AnswerSeen:
    reply, statement = read_reply(found.statement), found.statement
    new = None if reply is None else reply.decision
    return AnswerSeen(
        index=found.index,
        id=statement.id.hex(),
        type=statement.header.type or "",
        at=Ages(ledger.index, ledger.snapshot).at(found.index),
        by=parties(ledger, found)[1],
        content=_read(ledger, statement.id),
        decision=None if new is None else new.hex(),
        decision_content=None if new is None else _allowed(ledger, ledger.get(new)),
    )


def _content(ledger: Ledger, entitled: Entitled) -> tuple[dict[str, Any] | None, str | None]:
    """Return what a decision says, or why that is not shown."""
    found = entitled.found
    if not found.statement.header.hashed:
        return None, "all of it is public: it commits to nothing"
    for one in erasures_of(ledger, found.statement.id):
        erasure = parse_erasure(one.statement)
        if erasure.erased[found.statement.id] is None:
            return None, f"erased ({erasure.reason}), as entry {one.index} says"
    if entitled.by is None:
        return None, "shown to whom it is about: give the code, or the whole record"
    if ledger.state.policy.visibility_of(found.statement.header.type) in _CLOSED:
        return None, "the log's policy lets nobody have it here: ask whoever decided"
    content = _read(ledger, found.statement.id)
    return content, "it is not kept here" if content is None else None


def _allowed(ledger: Ledger, found: Found) -> dict[str, Any] | None:
    if ledger.state.policy.visibility_of(found.statement.header.type) in _CLOSED:
        return None
    return _read(ledger, found.statement.id)


def _read(ledger: Ledger, statement_id: bytes) -> dict[str, Any] | None:
    try:
        with reading_as(WHO, PURPOSE):
            content: dict[str, Any] = plain(ledger.vault.get(statement_id).values())
    except (ErasedError, NotFoundError):
        return None
    return content


def _verify(ledger: Ledger, found: Found) -> tuple[str, list[str]]:
    """Do what a stranger would do with the bundle of the statement, without its content."""
    try:
        bundle = build_bundle(ledger, found.statement.id, Shown(content=False, leaves=False))
    except LimitError as error:
        return str(Verdict.INDETERMINATE), [str(error)]
    report = examine(bundle.encode(), parse_policy(ledger.home.trust.read_bytes()))
    bad = (Verdict.FAILED, Verdict.INDETERMINATE)
    return str(report.verdict), [c.detail for c in report.checks if c.verdict in bad]


def _model(ledger: Ledger, found: Found) -> dict[str, Any] | None:
    model = model_of(ledger, found)
    if model is None:
        return None
    digest, registered = model
    if registered is None:
        return {"digest": digest.hex(), "index": None}
    said = _read(ledger, registered.statement.id) or {}
    rows = len(registered.statement.header.links.get(Relation.USED, ()))
    known: dict[str, Any] = {name: said[name] for name in ("name", "algorithm") if name in said}
    return {"digest": digest.hex(), "index": registered.index, "data_sets": rows, **known}


def _may(entitled: Entitled, asked: list[Requested], *, erased: bool) -> list[str]:
    if entitled.by is None or erased:
        return []
    taken = {one.type for one in asked if one.state != "withdrawn"}
    return sorted(REQUESTS - taken)
