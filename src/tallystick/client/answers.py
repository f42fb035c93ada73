"""From the bytes of answers to the types that callers get; nothing is taken at its word.

What a service says of a statement beside the statement itself, such as its header in JSON, is
not read: the entry is parsed here, and must be the one that was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from tallystick.client.http1 import Response
from tallystick.client.problems import Problem, decode, error_of, raised
from tallystick.client.trust import check_receipt, read_checkpoint
from tallystick.errors import EncodingError, ProofError, TallystickError, VersionError
from tallystick.statement import Checkpoint, Found, Proof, b64, parse_statement
from tallystick.verify import TrustPolicy

API: Final = "tallystick-api"
API_VERSION: Final = 1
"""Of the native API: what this release speaks. See docs/adr/0013."""
CURSOR_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Registered:
    """A statement that is in the log for ever.

    Attributes:
        id: Its identity.
        index: Its place.
        existed: It had been registered before; this was a retry.
        checkpoint: Signed note of a log that contains it; verified if a log is pinned.
        receipt: COSE receipt that leads to that checkpoint, if it was asked for.
    """

    id: bytes
    index: int
    existed: bool
    checkpoint: bytes
    receipt: bytes | None = None


class Originator(msgspec.Struct, frozen=True):
    """For whom a statement was made, as the service computed it; `verify` computes it here.

    Attributes:
        assurance: How strongly the originator is known.
        basis: In words, what that rests on.
        principal: DID for whom was acted; None where nobody is named.
        agent: DID that acted.
        exceeded: The header claims more than that.
        delegation: Id of the delegation under which the agent acted, in hex.
    """

    assurance: str
    basis: str
    principal: str | None
    agent: str
    exceeded: bool
    delegation: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Told(Found):
    """A statement as it stands in the log, with what the service says of it.

    What is said of it is no part of which one it is: it equals the `Found` at the same place.

    Attributes:
        originator: For whom it was made; None where an older service does not say.
    """

    originator: Originator | None = None

    def __eq__(self, other: object) -> bool:
        """Compare place and statement."""
        if not isinstance(other, Found):
            return NotImplemented
        return (self.index, self.statement) == (other.index, other.statement)

    def __hash__(self) -> int:
        """Return the same for the same place and statement."""
        return hash((self.index, self.statement.id))


class _Result(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    existed: bool = False
    receipt: str | None = None
    problem: Problem | None = None


class _Batch(msgspec.Struct):
    results: list[_Result]
    checkpoint: str | None = None


class _Found(msgspec.Struct):
    index: int
    id: str
    entry: str
    originator: Originator | None = None


class _Proven(_Found, kw_only=True):
    receipt: str
    checkpoint: str


class _Page(msgspec.Struct):
    statements: list[_Found]
    next: str | None = None


class _Checkpoint(msgspec.Struct):
    size: int
    checkpoint: str


_decode_batch: Final = msgspec.json.Decoder(_Batch)
_decode_found: Final = msgspec.json.Decoder(_Found)
_decode_proven: Final = msgspec.json.Decoder(_Proven)
_decode_page: Final = msgspec.json.Decoder(_Page)
_decode_checkpoint: Final = msgspec.json.Decoder(_Checkpoint)
_decode_problem: Final = msgspec.json.Decoder(Problem)


def check(response: Response) -> Response:
    """Return a response that a service of our version gave and that tells of no problem.

    Raises:
        VersionError: The service speaks another version, or is none of ours.
        TallystickError: What the problem says.
    """
    spoken = response.headers.get(API)
    if response.status >= 400 and spoken in {None, str(API_VERSION)}:
        raise error_of(response)
    if spoken != str(API_VERSION):
        named = "no version" if spoken is None else f"version {spoken[:20]!r}"
        raise VersionError(
            f"the service speaks {named} of the API, this client {API_VERSION}",
            advice="is this the address of a Tallystick service, and of the same release?",
        )
    if response.status >= 300:
        raise EncodingError(f"the service answers with status {response.status}, which leads away")
    return response


def read_registered(
    response: Response, entries: Sequence[bytes], policy: TrustPolicy | None, *, receipts: bool
) -> list[Registered | TallystickError]:
    """Read what became of entries, in their order.

    Raises:
        EncodingError: Not an answer to these entries.
        VerificationError: A checkpoint or receipt that is not to be believed.
    """
    batch: _Batch = decode(_decode_batch, response.body, "the answer to a registration")
    if len(batch.results) != len(entries):
        raise EncodingError(f"{len(batch.results)} results came for {len(entries)} statements")
    if batch.checkpoint is None:
        if any(result.problem is None for result in batch.results):
            raise EncodingError("statements are said to be registered, and there is no checkpoint")
        return [raised(result.problem) for result in batch.results if result.problem]
    note = batch.checkpoint.encode()
    claim = read_checkpoint(note, policy)
    return [
        raised(result.problem)
        if result.problem is not None
        else _registered(result, entry, note, claim, receipts=receipts)
        for result, entry in zip(batch.results, entries, strict=True)
    ]


def _registered(
    result: _Result, entry: bytes, note: bytes, claim: Checkpoint, *, receipts: bool
) -> Registered:
    said = parse_statement(entry)
    if result.id != said.id.hex() or result.index is None:
        raise ProofError("the service answers about another statement than the one that was sent")
    if not 0 <= result.index < claim.size:
        raise ProofError(f"the checkpoint of size {claim.size} does not cover {result.index}")
    receipt = None
    if receipts:
        receipt = b64.decode_url(result.receipt or "", "receipt")
        if check_receipt(said, receipt, claim).index != result.index:
            raise ProofError(f"the receipt is not for index {result.index}")
    return Registered(said.id, result.index, result.existed, note, receipt)


def read_found(response: Response, statement_id: bytes) -> Told:
    """Read one statement."""
    return _found(decode(_decode_found, response.body, "a statement"), statement_id)


def read_proof(response: Response, statement_id: bytes, policy: TrustPolicy | None) -> Proof:
    """Read a statement with its proof; that the proof leads to its checkpoint is checked.

    Raises:
        VerificationError: It does not, or the checkpoint is not signed by the log that is pinned.
    """
    proven: _Proven = decode(_decode_proven, response.body, "a proof")
    found, note = _found(proven, statement_id), proven.checkpoint.encode()
    data = b64.decode_url(proven.receipt, "receipt")
    receipt = check_receipt(found.statement, data, read_checkpoint(note, policy))
    if receipt.index != found.index:
        raise ProofError(f"the receipt is not for index {found.index}")
    return Proof(found, data, receipt.path, note)


def read_page(response: Response) -> tuple[list[Told], str | None]:
    """Read one page of a search, and the cursor of the next one.

    Only the cursor is taken out of the address that the service names: it leads nowhere else.
    """
    page: _Page = decode(_decode_page, response.body, "a page of statements")
    found = [_found(one) for one in page.statements]
    if page.next is None:
        return found, None
    try:
        [cursor] = parse_qs(urlsplit(page.next).query)["cursor"]
    except (ValueError, KeyError) as error:
        raise EncodingError("the address of the next page has no cursor") from error
    if len(cursor) > CURSOR_MAX:
        raise EncodingError(f"a cursor has {len(cursor)} letters, at most {CURSOR_MAX} allowed")
    return found, cursor


def read_event(data: str) -> Told:
    """Read the statement of an event."""
    return _found(decode(_decode_found, data, "an event"))


def read_checkpoint_event(data: str, policy: TrustPolicy | None) -> Checkpoint:
    """Read the checkpoint of an event; verified where a log is pinned."""
    shown: _Checkpoint = decode(_decode_checkpoint, data, "a checkpoint")
    return read_checkpoint(shown.checkpoint.encode(), policy)


def read_problem_event(data: str) -> TallystickError:
    """Read why a stream breaks off."""
    return raised(decode(_decode_problem, data, "a problem"))


def _found(shown: _Found, statement_id: bytes | None = None) -> Told:
    """Parse the entry; insist that it is the one that was asked for."""
    said = parse_statement(b64.decode_url(shown.entry, "entry"))
    if said.id.hex() != shown.id or (statement_id is not None and said.id != statement_id):
        raise ProofError(f"the entry is not the statement {shown.id[:64]!r} that it is said to be")
    if shown.index < 0:
        raise EncodingError(f"an index cannot be {shown.index}")
    return Told(shown.index, said, shown.originator)
