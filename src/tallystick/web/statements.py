"""`POST /statements`: one signed statement, a batch, or a stream.

The answer has an index per entry and one signed checkpoint for all of them. A retry of the same
bytes gets the first index, so whoever is not sure sends again.
"""

from tallystick.errors import TallystickError
from tallystick.ledger import Submission
from tallystick.web import limits
from tallystick.web.answers import CBOR, COSE, NDJSON, NEVER, Answer, json_answer
from tallystick.web.call import Call
from tallystick.web.intake import Read
from tallystick.web.registration import encode_note, encode_receipt, results, take
from tallystick.web.schemas import BatchAnswer, RegisteredAnswer
from tallystick.web.stream import register_stream
from tallystick.web.submissions import read_cbor, read_json


async def register(call: Call) -> Answer | None:
    """Register what the body holds, as its media type says."""
    settings, prove = call.service.settings, call.flag("receipts")
    if call.media == NDJSON:
        await register_stream(call, prove=prove)
        return None
    if call.media == COSE:
        entry = await call.body.read(limits.ENTRY_BODY_BYTES_MAX)
        return await _register_one(call, Submission(entry), prove=prove)
    data = await call.body.read(settings.body_bytes_max)
    if call.media == CBOR:
        return await _register_batch(call, read_cbor(data, settings.entries_max), prove=prove)
    reads, several = await call.blocking(read_json, data, settings.entries_max)
    if several:
        return await _register_batch(call, reads, prove=prove)
    return await _register_one(call, reads[0], prove=prove)


async def _register_one(call: Call, read: Read, *, prove: bool) -> Answer:
    """Answer for one statement with a status of its own."""
    taken = await take(call, [read], prove=prove)
    [registered] = taken.answers
    if isinstance(registered, TallystickError):
        raise registered
    answer = RegisteredAnswer(
        index=registered.index,
        id=registered.id.hex(),
        checkpoint=registered.snapshot.note.decode(),
        existed=registered.existed,
        receipt=encode_receipt(taken.proofs.get(0)),
    )
    location = (b"location", call.url(f"/statements/{answer.id}").encode())
    return json_answer(answer, 200 if answer.existed else 201, (NEVER, location))


async def _register_batch(call: Call, reads: list[Read], *, prove: bool) -> Answer:
    taken = await take(call, reads, prove=prove)
    return json_answer(BatchAnswer(list(results(taken)), encode_note(taken)))
