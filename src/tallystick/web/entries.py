"""SCRAPI: register a signed statement, resolve its receipt.

Source:
    SCRAPI (draft-ietf-scitt-scrapi-11), sections 2.3 to 2.5.
"""

from contextlib import suppress
from typing import Final

from tallystick.errors import EncodingError, NotFoundError, TallystickError
from tallystick.ledger import Registered, Submission
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Alg, Label, dcbor, parse_statement
from tallystick.statement.cose import parse_sign1
from tallystick.web import limits
from tallystick.web.answers import COSE, NEVER, Answer
from tallystick.web.call import Call
from tallystick.web.problems import AlgorithmError, LocatorError, PayloadMissingError
from tallystick.web.registration import take
from tallystick.web.running import RETRY_SECONDS

_RETRY: Final = (b"retry-after", str(RETRY_SECONDS).encode())
_ALGORITHMS: Final = frozenset(Alg)


async def register_entry(call: Call) -> Answer:
    """Register a signed statement and answer with its receipt.

    A retry gets a receipt for the first index. If the receipt does not come in time, the answer
    is 303, and the receipt is found under its address later.

    Raises:
        ScrapiError: Not a statement that can be registered.
        RefusedError: The registration policy says no.
        SignatureError: The signature does not match.
        UnavailableError: Nothing is known to be registered; send the same bytes again.
    """
    entry = await call.body.read(limits.ENTRY_BODY_BYTES_MAX)
    statement_id = _identify(entry)
    try:
        taken = await call.service.running.wait(
            take(call, [Submission(entry)], prove=True), statement_id, limits.REGISTER_SECONDS_MAX
        )
    except TimeoutError:
        return Answer(b"", COSE, 303, (_location(call, statement_id), _RETRY, NEVER))
    return _receipt(call, taken.answers[0], taken.proofs[0].receipt if taken.proofs else b"", 201)


async def resolve_entry(call: Call) -> Answer:
    """Answer with a fresh receipt for a registered statement, 302 while it is being registered.

    Raises:
        LocatorError: The id is not 64 hex digits.
        NotFoundError: Nothing of that id is registered.
        TallystickError: Its registration was refused after it had been answered with 303.
    """
    statement_id, running = _parse_locator(call.path["id"]), call.service.running
    with suppress(NotFoundError):
        proof = await call.blocking(call.service.ledger.prove, statement_id)
        return Answer(proof.receipt, COSE, 200, (_location(call, statement_id), NEVER))
    if running.is_running(statement_id):
        return Answer(b"", COSE, 302, (_location(call, statement_id), _RETRY, NEVER))
    outcome = running.outcome(statement_id)
    if outcome is not None and isinstance(outcome.answers[0], TallystickError):
        raise outcome.answers[0]
    raise NotFoundError(
        f"Receipt with entry ID {statement_id.hex()} not known to this Transparency Service"
    )


def _receipt(
    call: Call, answer: Registered | TallystickError, receipt: bytes, status: int
) -> Answer:
    if isinstance(answer, TallystickError):
        raise answer
    return Answer(receipt, COSE, status, (_location(call, answer.id), NEVER))


def _identify(entry: bytes) -> bytes:
    """Return the id of a statement, or say in SCRAPI's words what is wrong with it."""
    try:
        return parse_statement(entry).id
    except EncodingError:
        _diagnose(entry)
        raise


def _diagnose(entry: bytes) -> None:
    """Raise the more exact error, where SCRAPI has one for what a parser refused."""
    sign1 = parse_sign1(entry, "signed statement")
    if sign1.payload is None:
        raise PayloadMissingError("Signed Statement payload must be present")
    header = dcbor.decode(sign1.protected, "protected header")
    algorithm = header.get(Label.ALG) if isinstance(header, dict) else None
    if isinstance(algorithm, int | str) and algorithm not in _ALGORITHMS:
        raise AlgorithmError(
            f"Signing algorithm {algorithm!r:.40} not supported, use one of "
            f"{', '.join(str(int(alg)) for alg in Alg)}"
        )


def _parse_locator(text: str) -> bytes:
    try:
        statement_id = bytes.fromhex(text)
    except ValueError:
        statement_id = b""
    if len(statement_id) != HASH_BYTES or text != statement_id.hex():
        raise LocatorError(f"entry ids have {2 * HASH_BYTES} lower-case hex digits")
    return statement_id


def _location(call: Call, statement_id: bytes) -> tuple[bytes, bytes]:
    return b"location", call.url(f"/entries/{statement_id.hex()}").encode()
