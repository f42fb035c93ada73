"""From the bytes of a request to submissions; what is wrong with one entry stays its own."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from tallystick.errors import EncodingError, InputError, LimitError
from tallystick.ledger import Rows, Submission
from tallystick.merkle import HASH_BYTES
from tallystick.statement import OpenField, Preimage, b64, dcbor
from tallystick.statement.commitment import FIELDS_MAX, NAME_MAX, SALT_BYTES
from tallystick.vault import About, Beside
from tallystick.web.intake import Read
from tallystick.web.schemas import ContentBody, FieldBody, RowsBody, SubmissionBody

_parse_one: Final = msgspec.json.Decoder(SubmissionBody).decode
_parse_many: Final = msgspec.json.Decoder(list[SubmissionBody]).decode


def read_json(data: bytes, most: int) -> tuple[list[Read], bool]:
    """Read one submission, or an array of them.

    Returns:
        The submissions, and whether it was an array.

    Raises:
        EncodingError: Not JSON of that form.
        LimitError: More than `most` entries.
    """
    several = data.lstrip()[:1] == b"["
    try:
        bodies = _parse_many(data) if several else [_parse_one(data)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise EncodingError(f"not a submission in JSON: {error}") from error
    _check_count(bodies, most)
    return [read_body(body) for body in bodies], several


def read_line(line: bytes) -> Read:
    """Read one line of a stream."""
    try:
        return read_body(_parse_one(line))
    except (msgspec.DecodeError, RecursionError) as error:
        return EncodingError(f"not a submission in JSON: {error}")


def read_cbor(data: bytes, most: int) -> list[Read]:
    """Read an array of signed statements, each a byte string.

    Raises:
        EncodingError: Not such an array.
        LimitError: More than `most` entries.
    """
    entries = dcbor.decode(data, "batch")
    if not isinstance(entries, list) or not all(type(entry) is bytes for entry in entries):
        raise EncodingError("a batch must be an array of byte strings, one per signed statement")
    _check_count(entries, most)
    return [Submission(entry) for entry in entries]


def read_body(body: SubmissionBody) -> Read:
    """Turn one decoded submission into what the ledger takes."""
    try:
        return Submission(
            b64.decode_url(body.entry, "entry"),
            content=None if body.content is None else _content(body.content),
            leaves=None if body.leaves is None else b64.decode_url(body.leaves, "leaves"),
            rows=None if body.rows is None else _rows(body.rows),
            about=_about(body),
        )
    except InputError as error:
        return error


def _about(body: SubmissionBody) -> About | Beside | None:
    if body.beside is not None:
        if body.about is not None:
            raise InputError("a submission has 'about' or 'beside', not both")
        return Beside(_id(body.beside))
    return None if body.about is None else About(body.about, body.purpose)


def _id(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != HASH_BYTES:
        raise EncodingError(f"'beside' must be a statement id in hex, got {text[:80]!r}")
    return data


def _check_count(entries: Sequence[object], most: int) -> None:
    if len(entries) > most:
        raise LimitError(
            f"batch has {len(entries)} statements, at most {most} allowed",
            advice="send several batches, or a stream (application/x-ndjson)",
        )


def _content(body: ContentBody) -> Preimage:
    if not 0 < len(body.fields) <= FIELDS_MAX:
        raise EncodingError(f"content must have 1..{FIELDS_MAX} fields, got {len(body.fields)}")
    fields = {name: _field(name, field) for name, field in body.fields.items()}
    return Preimage(_salt(body.salt, "content"), fields)


def _field(name: str, body: FieldBody) -> OpenField:
    if not 0 < len(name) <= NAME_MAX:
        raise EncodingError(f"a field name must have 1..{NAME_MAX} letters, got {name!r:.60}")
    value = b64.decode_url(body.value, f"field {name!r}")
    return OpenField(
        _salt(body.salt, f"field {name!r}"), dcbor.decode_deterministic(value, f"field {name!r}")
    )


def _rows(body: RowsBody) -> Rows:
    salts = b64.decode_url(body.salts, "salts")
    records = list(map(partial(b64.decode_url, what="record"), body.records))
    if len(salts) != SALT_BYTES * len(records):
        raise EncodingError(
            f"{len(records)} rows need {SALT_BYTES * len(records)} bytes of salts, got {len(salts)}"
        )
    if body.subjects is not None and len(body.subjects) != len(records):
        raise EncodingError(f"{len(records)} rows need as many subjects, got {len(body.subjects)}")
    return Rows(salts, records, body.subjects, body.purpose)


def _salt(text: str, what: str) -> bytes:
    salt = b64.decode_url(text, f"salt of {what}")
    if len(salt) != SALT_BYTES:
        raise EncodingError(f"salt of {what} must have {SALT_BYTES} bytes, got {len(salt)}")
    return salt
