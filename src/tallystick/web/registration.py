"""What registering one statement, a batch and a stream have in common.

Who hands in what the operator of the log signed needs the role for it, too: the operator's key
alone changes neither policy nor keys over HTTP from elsewhere.
"""

import logging
from collections.abc import Iterator, Sequence

from tallystick.capture.roles import Right
from tallystick.errors import EncodingError, RefusedError
from tallystick.ledger import Proof, Registered, Submission
from tallystick.statement import b64, parse_statement
from tallystick.web.call import Call
from tallystick.web.intake import Read, Taken
from tallystick.web.problems import problem_of
from tallystick.web.schemas import EntryResult

_log = logging.getLogger(__name__)


async def take(call: Call, reads: Sequence[Read], *, prove: bool) -> Taken:
    """Register what was read, and count what became of it.

    Raises:
        UnavailableError: Nothing is known to be registered; send the same bytes again.
    """
    if not call.caller.may(Right.ADMINISTER):
        reads = [_without_operator(call, read) for read in reads]
    taken = await call.service.intake.register(reads, prove=prove)
    call.service.telemetry.count(taken)
    return taken


def _without_operator(call: Call, read: Read) -> Read:
    """Return what was read; the refusal in its place if the operator of the log signed it."""
    genesis = call.service.ledger.state.genesis
    operator = "" if genesis is None else genesis.operator
    if not isinstance(read, Submission) or operator.encode() not in read.entry:
        return read
    try:
        if parse_statement(read.entry).header.issuer == operator:
            call.caller.check(Right.ADMINISTER)
    except EncodingError:
        return read  # who registers it says what is wrong
    except RefusedError as error:
        call.service.telemetry.denied.add(1, error.reason)
        _log.warning("an administrative statement was refused: %s", error)
        return error
    return read


def results(taken: Taken) -> Iterator[EntryResult]:
    """Yield one result per statement, in order."""
    for place, answer in enumerate(taken.answers):
        if isinstance(answer, Registered):
            receipt = encode_receipt(taken.proofs.get(place))
            yield EntryResult(answer.index, answer.id.hex(), answer.existed, receipt)
        else:
            yield EntryResult(problem=problem_of(answer))


def encode_receipt(proof: Proof | None) -> str | None:
    """Return a receipt as JSON has it."""
    return None if proof is None else b64.encode_url(proof.receipt)


def encode_note(taken: Taken) -> str | None:
    """Return the checkpoint that contains all that were registered."""
    return None if taken.snapshot is None else taken.snapshot.note.decode()
