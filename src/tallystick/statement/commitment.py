"""Salted commitments: what a statement says about content without showing it.

Content is a map of named fields. Each field is committed to with a salt of its own, so that one
can be opened alone; the statement's payload commits to the map of all field digests. Salts lie
inside the hashed preimage, beside the content: whoever destroys the one destroys the other.

Source:
    RFC 9995 (hash envelope); docs/reference/formats.md.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import CommitmentError, EncodingError
from tallystick.statement import dcbor

SALT_BYTES: Final = 32
FIELD_TAG: Final = "tallystick/field/1"
CONTENT_TAG: Final = "tallystick/content/1"
FIELDS_MAX: Final = 256
VALUE_DEPTH_MAX: Final = dcbor.DEPTH_MAX - 3
"""Nesting of one value: a vault keeps it three arrays and maps deep, and must read it again."""
NAME_MAX: Final = 128
"""Longest field name, in characters."""

Entropy = Callable[[int], bytes]
"""Returns that many bytes from the system's generator; tests hand in another one."""


@dataclass(frozen=True, slots=True)
class OpenField:
    """A field that is shown: whoever has it can recompute its digest.

    Attributes:
        salt: 32 bytes, used for this field only.
        value: Anything that has a deterministic CBOR form; text keys only.
    """

    salt: bytes
    value: Any

    def digest(self, name: str) -> bytes:
        """Return the commitment to this field under `name`."""
        field = [FIELD_TAG, self.salt, name, self.value]
        return sha256(dcbor.encode(field, VALUE_DEPTH_MAX + 1)).digest()


@dataclass(frozen=True, slots=True)
class Preimage:
    """What a hash envelope commits to, with every field open.

    Attributes:
        salt: 32 bytes, of the whole.
        fields: Open fields by name.
    """

    salt: bytes
    fields: Mapping[str, OpenField]

    def commitment(self) -> bytes:
        """Return the statement's payload."""
        return payload_commitment(self.salt, field_digests(self.fields))

    def values(self) -> dict[str, Any]:
        """Return the plain values by field name."""
        return {name: field.value for name, field in self.fields.items()}

    def encode(self) -> bytes:
        """Return dCBOR of [salt, {name: [salt, value]}]."""
        fields = {name: [field.salt, field.value] for name, field in self.fields.items()}
        return dcbor.encode([self.salt, fields])

    def disclose(self, names: Collection[str] | None = None) -> "Disclosure":
        """Open only the fields in `names` (all by default); of the others, keep the digests."""
        shown = {n: f for n, f in self.fields.items() if names is None or n in names}
        return Disclosure(self.salt, field_digests(self.fields), shown)


def parse_preimage(data: bytes) -> Preimage:
    """Parse what `Preimage.encode` wrote.

    Raises:
        EncodingError: It did not write that.
    """
    match dcbor.decode_deterministic(data, "content"):
        case [bytes() as salt, dict() as fields]:
            opened = {name: _read_field(name, field) for name, field in fields.items()}
            return Preimage(salt, opened)
    raise EncodingError("content must be [salt, {name: [salt, value]}]")


def _read_field(name: object, field: object) -> OpenField:
    match field:
        case [bytes() as salt, value] if isinstance(name, str):
            return OpenField(salt, value)
    raise EncodingError(f"content: field {name!r:.60} must be [salt, value]")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Content in part: the digests of all fields, and some fields open.

    Attributes:
        salt: 32 bytes, of the whole.
        digests: Commitments to all fields, by name.
        shown: Open fields, by name.
    """

    salt: bytes
    digests: Mapping[str, bytes]
    shown: Mapping[str, OpenField]


@dataclass(frozen=True, slots=True)
class Committed:
    """Content that is committed to, ready to be encrypted: what a hot path needs of a `Preimage`.

    Attributes:
        commitment: The statement's payload.
        plain: dCBOR of [salt, {name: [salt, value]}], what a vault encrypts.
    """

    commitment: bytes
    plain: bytes


def commit(values: Mapping[str, Any], entropy: Entropy) -> Preimage:
    """Salt every field freshly.

    Raises:
        EncodingError: Too many fields, a name that is empty or too long, or a value without a
            deterministic CBOR form.
    """
    _check_names(values)
    salts = entropy(SALT_BYTES * (len(values) + 1))
    fields = {
        name: OpenField(salts[at : at + SALT_BYTES], value)
        for at, (name, value) in zip(
            range(SALT_BYTES, len(salts), SALT_BYTES), values.items(), strict=True
        )
    }
    return Preimage(salts[:SALT_BYTES], fields)


def commit_encoded(values: Mapping[str, Any], entropy: Entropy) -> Committed:
    """Salt every field freshly, as `commit`; each value is encoded once, for digest and vault.

    Raises:
        EncodingError: As `commit`.
    """
    _check_names(values)
    salts = entropy(SALT_BYTES * (len(values) + 1))
    digests, plain = [_CONTENT_HEAD + salts[:SALT_BYTES]], [_PLAIN_HEAD + salts[:SALT_BYTES]]
    at = 0
    for name, name_cbor in _in_order(tuple(values)):
        at += SALT_BYTES
        salt, value = salts[at : at + SALT_BYTES], dcbor.encode(values[name], VALUE_DEPTH_MAX)
        digest = sha256(b"".join((_FIELD_HEAD, salt, name_cbor, value))).digest()
        digests += (name_cbor, _BSTR_32, digest)
        plain += (name_cbor, _PAIR_HEAD, salt, value)
    digests[0] += (head := dcbor.head(5, len(values)))
    plain[0] += head
    return Committed(sha256(b"".join(digests)).digest(), b"".join(plain))


def field_digests(fields: Mapping[str, OpenField]) -> dict[str, bytes]:
    """Return the digest of each open field."""
    return {name: field.digest(name) for name, field in fields.items()}


def payload_commitment(salt: bytes, digests: Mapping[str, bytes]) -> bytes:
    """Return the payload that commits to a map of field digests."""
    return sha256(dcbor.encode([CONTENT_TAG, salt, dict(digests)])).digest()


def verify_disclosure(disclosure: Disclosure, payload: bytes) -> dict[str, Any]:
    """Return the shown values, if they are what the statement committed to.

    Whose statement it is, and that it is registered, is not checked here.

    Raises:
        CommitmentError: The field digests are not the committed ones, or a shown field does not
            match its digest; the message names the field.
    """
    if payload_commitment(disclosure.salt, disclosure.digests) != payload:
        raise CommitmentError("the field digests do not match the statement's commitment")
    for name, field in disclosure.shown.items():
        if disclosure.digests.get(name) != field.digest(name):
            raise CommitmentError(f"field {name!r} does not match its commitment")
    return {name: field.value for name, field in disclosure.shown.items()}


def _check_names(values: Mapping[str, Any]) -> None:
    if not 0 < len(values) <= FIELDS_MAX:
        raise EncodingError(f"content must have 1..{FIELDS_MAX} fields, got {len(values)}")
    for name in values:
        if not 0 < len(name) <= NAME_MAX:
            raise EncodingError(f"a field name must have 1..{NAME_MAX} letters, got {name!r:.60}")


# The constant parts of what is hashed and encrypted, so that only values need to be encoded.
_BSTR_32: Final = dcbor.bstr_head(SALT_BYTES)
_FIELD_HEAD: Final = b"\x84" + dcbor.encode(FIELD_TAG) + _BSTR_32
_CONTENT_HEAD: Final = b"\x83" + dcbor.encode(CONTENT_TAG) + _BSTR_32
_PLAIN_HEAD: Final = b"\x82" + _BSTR_32
_PAIR_HEAD: Final = b"\x82" + _BSTR_32


@lru_cache(maxsize=256)
def _in_order(names: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """Return names with their encodings, in the order in which a deterministic map has them."""
    encoded = [(name, dcbor.encode(name)) for name in names]
    return tuple(sorted(encoded, key=lambda pair: (len(pair[1]), pair[1])))
