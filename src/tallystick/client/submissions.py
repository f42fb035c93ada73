"""Encode what is to be registered: once, so that a retry sends the same bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cbor2
import msgspec

from tallystick.errors import InputError
from tallystick.statement import Preimage, SignedStatement, b64, dcbor

ENTRIES_MAX: Final = 1000
"""Statements in one request; more are sent in several."""
BODY_BYTES_MAX: Final = 8 << 20
"""Body of one request, unless a single statement is larger."""
CBOR: Final = "application/cbor"
JSON: Final = "application/json"


class RowsLike(Protocol):
    """Rows of a batch, as `tallystick.ledger.Rows` has them."""

    @property
    def salts(self) -> bytes: ...  # noqa: D102
    @property
    def records(self) -> Sequence[bytes]: ...  # noqa: D102
    @property
    def subjects(self) -> Sequence[object] | None: ...  # noqa: D102


class SubmissionLike(Protocol):
    """A signed statement with what comes beside it, as `tallystick.ledger.Submission` has it."""

    @property
    def entry(self) -> bytes: ...  # noqa: D102
    @property
    def content(self) -> Preimage | None: ...  # noqa: D102
    @property
    def leaves(self) -> bytes | None: ...  # noqa: D102
    @property
    def rows(self) -> RowsLike | None: ...  # noqa: D102


Registrable = bytes | SignedStatement | SubmissionLike
"""An entry, a signed statement, or one with content, leaves or rows for the vault."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's share of what is to be registered.

    Attributes:
        entries: Signed statements, in order.
        media: Media type of the body.
        body: Encoded.
    """

    entries: tuple[bytes, ...]
    media: str
    body: bytes


def encode_batches(records: Sequence[Registrable]) -> Iterator[Batch]:
    """Encode records in their order, as few requests as the limits allow.

    Raises:
        InputError: Something that cannot be sent.
    """
    bare = all(_is_bare(record) for record in records)
    pieces = [_entry(record) if bare else _encode_json(record) for record in records]
    first = size = 0
    for at, piece in enumerate(pieces):
        size += len(piece)
        if at > first and (size > BODY_BYTES_MAX or at - first >= ENTRIES_MAX):
            yield _batch(records[first:at], pieces[first:at], bare=bare)
            first, size = at, len(piece)
    if records:
        yield _batch(records[first:], pieces[first:], bare=bare)


def _batch(records: Sequence[Registrable], pieces: Sequence[bytes], *, bare: bool) -> Batch:
    entries = tuple(_entry(record) for record in records)
    if bare:
        return Batch(entries, CBOR, cbor2.dumps(list(pieces)))
    return Batch(entries, JSON, b"[" + b",".join(pieces) + b"]")


def _entry(record: Registrable) -> bytes:
    return record if isinstance(record, bytes) else record.entry


def _is_bare(record: Registrable) -> bool:
    if isinstance(record, bytes | SignedStatement):
        return True
    if getattr(record, "sealed", None) is not None:
        raise InputError("content that a vault has sealed is registered beside that vault only")
    return record.content is None and record.leaves is None and record.rows is None


def _encode_json(record: Registrable) -> bytes:
    body: dict[str, Any] = {"entry": b64.encode_url(_entry(record))}
    if not isinstance(record, bytes | SignedStatement):
        if record.content is not None:
            body["content"] = _content(record.content)
        if record.leaves is not None:
            body["leaves"] = b64.encode_url(record.leaves)
        if record.rows is not None:
            body["rows"] = _rows(record.rows)
        about = getattr(record, "about", None)
        if (beside := getattr(about, "statement", None)) is not None:
            body["beside"] = beside.hex()
        elif about is not None:
            body |= {"about": about.subject, "purpose": about.purpose}
    return msgspec.json.encode(body)


def _content(content: Preimage) -> Mapping[str, Any]:
    return {
        "salt": b64.encode_url(content.salt),
        "fields": {
            name: {
                "salt": b64.encode_url(field.salt),
                "value": b64.encode_url(dcbor.encode(field.value)),
            }
            for name, field in content.fields.items()
        },
    }


def _rows(rows: RowsLike) -> Mapping[str, Any]:
    shown: dict[str, Any] = {
        "salts": b64.encode_url(rows.salts),
        "records": [b64.encode_url(record) for record in rows.records],
    }
    if rows.subjects is not None:
        if not all(type(subject) in {str, int, type(None)} for subject in rows.subjects):
            raise InputError("subjects of rows are text or numbers where they are sent")
        shown["subjects"] = list(rows.subjects)
        if purpose := getattr(rows, "purpose", ""):
            shown["purpose"] = purpose
    return shown
