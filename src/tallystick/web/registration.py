"""What registering one statement, a batch and a stream have in common."""

from collections.abc import Iterator, Sequence

from tallystick.ledger import Proof, Registered
from tallystick.statement import b64
from tallystick.web.call import Call
from tallystick.web.intake import Read, Taken
from tallystick.web.problems import problem_of
from tallystick.web.schemas import EntryResult


async def take(call: Call, reads: Sequence[Read], *, prove: bool) -> Taken:
    """Register what was read, and count what became of it.

    Raises:
        UnavailableError: Nothing is known to be registered; send the same bytes again.
    """
    taken = await call.service.intake.register(reads, prove=prove)
    call.service.telemetry.count(taken)
    return taken


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
