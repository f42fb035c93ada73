"""A person asks: for an explanation, for human review, or appeals. Each is a registered statement.

Whoever has no key of their own here is signed for by the operator, under a pseudonym that stands
for this decision alone. Their words go to the vault, to be erased with what is kept about them; the
log shows only that something was asked of this decision, and when.
"""

import os
import uuid
from hmac import digest
from typing import Final

from tallystick.affected.causes import causes_of
from tallystick.affected.holding import Entitled
from tallystick.affected.seeing import requests_of
from tallystick.errors import InputError, LimitError, RefusedError
from tallystick.evidence.records import Appeal, ExplanationRequest, ReviewRequest
from tallystick.ledger import Found, Ledger, Registered, Submission
from tallystick.ledger.appeals import Requested
from tallystick.ledger.creation import OPERATOR
from tallystick.ledger.retention import Ages
from tallystick.statement import Header, Relation, commit, sign_statement
from tallystick.statement.governance import StatementType
from tallystick.vault import Beside

WORDS_LETTERS_MAX: Final = 10_000
REQUESTS_MAX: Final = 12
"""Requests of one decision that are taken for a person, those withdrawn included."""
Request = ExplanationRequest | ReviewRequest | Appeal
KINDS: Final[dict[str, type[Request]]] = {
    StatementType.EXPLANATION_REQUEST: ExplanationRequest,
    StatementType.REVIEW_REQUEST: ReviewRequest,
    StatementType.APPEAL: Appeal,
}
_DAY: Final = 86_400


def ask(
    ledger: Ledger, entitled: Entitled, kind: str, words: str, *, days_max: int = 0
) -> Registered:
    """Register what a person asks of a decision.

    Args:
        ledger: Open for writing.
        entitled: What they hold.
        kind: One of `KINDS`.
        words: Theirs.
        days_max: How long after the decision an appeal is taken; 0 for ever.

    Raises:
        InputError: There is no such kind, or nothing is said.
        LimitError: Too many words, or too many requests.
        RefusedError: They did not show that it is about them (`appeal.code`), it is too late
            (`appeal.late`), or the rules of the ledger say no.
    """
    shown, found = entitled.check(), entitled.found
    if kind not in KINDS:
        raise InputError(f"one can ask for {', '.join(KINDS)}, got {kind!r:.40}")
    _check_words(words)
    asked = requests_of(ledger, found)
    if len(asked) >= REQUESTS_MAX:
        raise LimitError(f"{len(asked)} requests were made of this decision, no more are taken")
    if kind == StatementType.APPEAL:
        _check_time(ledger, found, days_max)
    links: dict[str, tuple[bytes, ...]] = {Relation.DECIDED_ON: (found.statement.id,)}
    causes = tuple(one.statement.id for one in causes_of(ledger, found))
    if kind == StatementType.APPEAL and causes:
        links[Relation.USED] = causes
    return _register(ledger, found, KINDS[kind](words=words.strip(), shown=shown), links)


def withdraw(ledger: Ledger, entitled: Entitled, request: bytes, words: str = "") -> Registered:
    """Register that a person does not ask something any more.

    Raises:
        RefusedError: They did not show that it is about them, or nothing of it is open.
        InputError: That was not asked of this decision.
        LimitError: Too many words.
    """
    shown, found = entitled.check(), entitled.found
    if len(words) > WORDS_LETTERS_MAX:
        raise LimitError(f"at most {WORDS_LETTERS_MAX} letters are taken, got {len(words)}")
    asked = _asked(ledger, found, request)
    said = KINDS[asked.type](words=words.strip(), shown=shown)
    return _register(ledger, found, said, {Relation.SUPERSEDES: (asked.id,)})


def _asked(ledger: Ledger, found: Found, request: bytes) -> Requested:
    for one in requests_of(ledger, found):
        if one.id == request:
            return one
    raise InputError(f"{request.hex()} was not asked of this decision")


def _check_words(words: str) -> None:
    if not words.strip():
        raise InputError("say in your own words what you ask, and why")
    if len(words) > WORDS_LETTERS_MAX:
        raise LimitError(f"at most {WORDS_LETTERS_MAX} letters are taken, got {len(words)}")


def _check_time(ledger: Ledger, found: Found, days_max: int) -> None:
    if not days_max:
        return
    until = Ages(ledger.index, ledger.snapshot).at(found.index) + days_max * _DAY
    if ledger.clock() > until:
        raise RefusedError(
            f"an appeal is taken here for {days_max} days, and those are over",
            reason="appeal.late",
            advice="you can still ask for an explanation or a human review, or go to court",
        )


def _register(
    ledger: Ledger, found: Found, said: Request, links: dict[str, tuple[bytes, ...]]
) -> Registered:
    signer, content = ledger.keys.signer(OPERATOR), commit(said.values(), os.urandom)
    header = Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.issuer,
        subject=_pseudonym(ledger, found),
        issued_at=ledger.clock(),
        type=said.statement_type,
        links=links,
    )
    statement = sign_statement(header, content.commitment(), signer.sign)
    about = Beside(found.statement.id)
    return ledger.register_one(Submission(statement.entry, content, about=about))


def _pseudonym(ledger: Ledger, found: Found) -> str:
    """Return what stands for the person with this decision, and for nobody with another."""
    secret = b"tallystick/affected/pseudonym/1" + found.statement.id
    return uuid.UUID(bytes=digest(ledger.api_secret, secret, "sha256")[:16], version=4).urn
