"""Evidence bundles: everything needed to verify a statement offline, in one `*.tally.json` file.

A bundle holds statements as they are registered, a receipt for each, one checkpoint that all
receipts lead to, and, as far as the giver wishes, opened content and rows. Nothing in it is
believed because it is in it: `tallystick.verify.examine` checks every part.

Format 1 is JSON with base64url members; docs/reference/formats.md gives the schema.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.errors import EncodingError, LimitError, VersionError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Disclosure, OpenField, b64, dcbor

FORMAT: Final = 1
KIND: Final = "tallystick-bundle"
BUNDLE_BYTES_MAX: Final = 256 << 20
MEMBERS_MAX: Final = 10_000

_ID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A row of a batch, shown.

    Attributes:
        position: Zero-based, in the batch.
        salt: 32 bytes.
        record: The encoded row.
        path: Inclusion path in the batch; None where the bundle holds all its leaves.
    """

    position: int
    salt: bytes
    record: bytes
    path: tuple[bytes, ...] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One statement of a bundle.

    Attributes:
        entry: As registered.
        receipt: COSE receipt for it.
        disclosure: Opened content, if any is given.
        leaves: All leaf hashes of a batch, concatenated, if they are given.
        rows: Opened rows of a batch.
    """

    entry: bytes
    receipt: bytes
    disclosure: Disclosure | None = None
    leaves: bytes | None = None
    rows: tuple[OpenRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, parsed and not yet believed.

    Attributes:
        subject: Id of the statement that the bundle is about.
        checkpoint: Signed note that all receipts lead to.
        members: The subject and what it rests on.
    """

    subject: bytes
    checkpoint: bytes
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """Return the file."""
        content = {
            "kind": KIND,
            "format": FORMAT,
            "subject": self.subject.hex(),
            "checkpoint": b64.encode_url(self.checkpoint),
            "statements": [_encode_member(member) for member in self.members],
        }
        return json.dumps(content, indent=1).encode() + b"\n"


def parse_bundle(data: bytes) -> Bundle:
    """Parse a bundle file.

    Raises:
        EncodingError: Not a bundle.
        VersionError: Of another format version.
        LimitError: Larger than is accepted.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise LimitError(f"bundle has {len(data)} bytes, at most {BUNDLE_BYTES_MAX} allowed")
    try:
        content = json.loads(data, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"bundle is not JSON: {error}") from error
    read = _Reader(content, "bundle")
    if read.take("kind", str) != KIND:
        raise EncodingError(f"bundle must have kind {KIND!r}, got {content.get('kind')!r:.40}")
    if read.take("format", int) != FORMAT:
        raise VersionError(f"bundle has format {content['format']}, this release reads {FORMAT}")
    members = read.take("statements", list)
    if not 0 < len(members) <= MEMBERS_MAX:
        raise EncodingError(f"bundle must have 1..{MEMBERS_MAX} statements, got {len(members)}")
    return Bundle(
        subject=_hex(read.take("subject", str)),
        checkpoint=read.octets("checkpoint"),
        members=tuple(_parse_member(member, at) for at, member in enumerate(members)),
    )


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: two readers would see two things."""
    content = dict(members)
    if len(content) != len(members):
        raise ValueError("an object has two members of the same name")
    return content


class _Reader:
    """Typed access to a JSON object; every wrong type is an EncodingError."""

    __slots__ = ("content", "what")

    def __init__(self, content: object, what: str) -> None:
        if not isinstance(content, dict):
            raise EncodingError(f"{what} must be an object")
        self.content: dict[str, Any] = content
        self.what = what

    def take(self, name: str, kind: type) -> Any:
        value = self.content.get(name)
        if type(value) is not kind:
            raise EncodingError(f"{self.what}: {name!r} must be {kind.__name__}, got {value!r:.40}")
        return value

    def octets(self, name: str) -> bytes:
        return b64.decode_url(self.take(name, str), f"{self.what}: {name!r}")


def _encode_member(member: Member) -> dict[str, Any]:
    content: dict[str, Any] = {
        "entry": b64.encode_url(member.entry),
        "receipt": b64.encode_url(member.receipt),
    }
    if member.disclosure is not None:
        content["content"] = _encode_disclosure(member.disclosure)
    if member.leaves is not None:
        content["leaves"] = b64.encode_url(member.leaves)
    if member.rows:
        content["rows"] = [_encode_row(row) for row in member.rows]
    return content


def _parse_member(content: object, at: int) -> Member:
    read = _Reader(content, f"statement {at}")
    fields, leaves = read.content.get("content"), read.content.get("leaves")
    rows = read.content.get("rows", [])
    if not isinstance(rows, list):
        raise EncodingError(f"statement {at}: 'rows' must be an array")
    return Member(
        entry=read.octets("entry"),
        receipt=read.octets("receipt"),
        disclosure=None if fields is None else _parse_disclosure(fields, f"content of {at}"),
        leaves=None if leaves is None else _digests(read.octets("leaves"), f"leaves of {at}"),
        rows=tuple(_parse_row(row, f"row of statement {at}") for row in rows),
    )


def _encode_disclosure(disclosure: Disclosure) -> dict[str, Any]:
    return {
        "salt": b64.encode_url(disclosure.salt),
        "digests": {name: b64.encode_url(d) for name, d in disclosure.digests.items()},
        "shown": {
            name: {
                "salt": b64.encode_url(field.salt),
                "value": b64.encode_url(dcbor.encode(field.value)),
            }
            for name, field in disclosure.shown.items()
        },
    }


def _parse_disclosure(content: object, what: str) -> Disclosure:
    read = _Reader(content, what)
    digests: Mapping[str, Any] = read.take("digests", dict)
    shown: Mapping[str, Any] = read.take("shown", dict)
    return Disclosure(
        salt=read.octets("salt"),
        digests={n: _Reader(digests, f"{what}, digests").octets(n) for n in digests},
        shown={n: _parse_field(field, f"{what}, {n!r}") for n, field in shown.items()},
    )


def _parse_field(content: object, what: str) -> OpenField:
    read = _Reader(content, what)
    return OpenField(read.octets("salt"), dcbor.decode_deterministic(read.octets("value"), what))


def _encode_row(row: OpenRow) -> dict[str, Any]:
    content: dict[str, Any] = {
        "position": row.position,
        "salt": b64.encode_url(row.salt),
        "record": b64.encode_url(row.record),
    }
    if row.path is not None:
        content["path"] = b64.encode_url(b"".join(row.path))
    return content


def _parse_row(content: object, what: str) -> OpenRow:
    read = _Reader(content, what)
    path = _digests(read.octets("path"), what) if "path" in read.content else None
    return OpenRow(
        position=read.take("position", int),
        salt=read.octets("salt"),
        record=read.octets("record"),
        path=None if path is None else tuple(split_hashes(path)),
    )


def split_hashes(hashes: bytes) -> list[bytes]:
    """Cut concatenated hashes apart."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _digests(data: bytes, what: str) -> bytes:
    if len(data) % HASH_BYTES:
        raise EncodingError(f"{what} must be hashes of {HASH_BYTES} bytes, got {len(data)} bytes")
    return data


def _hex(text: str) -> bytes:
    if not _ID.fullmatch(text):
        raise EncodingError(f"statement id must be hex of {HASH_BYTES} bytes, got {text[:80]!r}")
    return bytes.fromhex(text)
