"""From the words of a caller to requests."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict
from urllib.parse import urlencode

from tallystick.client.answers import API, API_VERSION
from tallystick.client.http1 import Request
from tallystick.errors import InputError, ProofError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.header import EMITTER_BYTES

_KEY: Final = re.compile(r"[!-~]{1,1000}")


class Filters(TypedDict, total=False):
    """Which statements are asked for; all that is given must hold.

    Attributes:
        issuer: DID of who signed.
        subject: What it is about.
        type: Statement type.
        model: SHA-256 of the model that was used, as bytes or hex.
        link: Id of a statement that it points to, as bytes or hex.
        emitter: Process that wrote it, as bytes or hex.
        in_name_of: DID that signed, was acted for, or is what it is about. Which keys are the
            DID's, the service says.
    """

    issuer: str
    subject: str
    type: str
    model: bytes | str
    link: bytes | str
    emitter: bytes | str
    in_name_of: str


_SIZES: Final = {"model": HASH_BYTES, "link": HASH_BYTES, "emitter": EMITTER_BYTES}
_NAMES: Final = ("issuer", "subject", "type", *_SIZES, "in_name_of")


def headers(host: str, api_key: str | None) -> tuple[tuple[str, str], ...]:
    """Return what every request says first.

    Raises:
        InputError: The key cannot be one.
    """
    first = (("host", host), (API, str(API_VERSION)), ("accept-encoding", "identity"))
    if api_key is None:
        return first
    if not _KEY.fullmatch(api_key):
        raise InputError("an API key is printable ASCII without spaces, such as tly_…")
    return (*first, ("authorization", f"Bearer {api_key}"))


def target(path: str, query: Mapping[str, object] | None = None) -> str:
    """Return path and query; fields that are None are left out."""
    fields = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(fields)}" if fields else path


def get(path: str, query: Mapping[str, object] | None = None, **options: Any) -> Request:
    """Return a request that reads."""
    return Request("GET", target(path, query), **options)


def filter_fields(filters: Filters) -> dict[str, object]:
    """Return filters as fields of a query.

    Raises:
        InputError: A filter that there is not, or one of the wrong form.
    """
    if unknown := set(filters) - set(_NAMES):
        raise InputError(
            f"there is no filter {min(unknown)!r}", advice=f"filters: {', '.join(_NAMES)}"
        )
    return {name: _field(name, value) for name, value in filters.items() if value is not None}


def check_match(filters: Filters, said: SignedStatement) -> None:
    """Accept only a statement that was asked for.

    Raises:
        ProofError: It was not.
    """
    if wrong := _mismatch(filters, said):
        raise ProofError(f"the service gave a statement with another {wrong} than was asked for")


def _mismatch(filters: Filters, said: SignedStatement) -> str | None:
    """Return the first filter that a statement does not pass."""
    if not filters:
        return None
    header = said.header
    emitter = header.sequence.emitter if header.sequence else None
    seen: dict[str, set[object]] = {
        "issuer": {header.issuer},
        "subject": {header.subject},
        "type": {header.type},
        "model": {header.model.hex() if header.model else None},
        "link": {one.hex() for ids in header.links.values() for one in ids},
        "emitter": {emitter.hex() if emitter else None},
        "in_name_of": {header.issuer, header.subject},
    }
    asked = filter_fields(filters)
    if header.links.get(Relation.ACTED_FOR):
        asked.pop("in_name_of", None)  # whose key it was done for cannot be seen here
    return next((name for name, value in asked.items() if value not in seen[name]), None)


def _field(name: str, value: object) -> str:
    if name in _SIZES:
        return hex_of(name, value, _SIZES[name])
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, got {type(value).__name__}")
    return value


def hex_of(name: str, value: object, size: int) -> str:
    """Return bytes, or their hex, as lower-case hex.

    Raises:
        InputError: Of another length, or neither.
    """
    try:
        data = bytes.fromhex(value) if isinstance(value, str) else value
    except ValueError:
        data = None
    if not isinstance(data, bytes) or len(data) != size:
        raise InputError(f"{name} must be {size} bytes, or their hex, got {value!r:.80}")
    return data.hex()


def id_of(statement_id: bytes | str) -> bytes:
    """Return the id of a statement as bytes.

    Raises:
        InputError: It is none.
    """
    return bytes.fromhex(hex_of("an id", statement_id, HASH_BYTES))


def seconds_of(moment: datetime | int | None) -> int | None:
    """Return a time as seconds since 1970.

    Raises:
        InputError: A time without its offset.
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise InputError("a time must have its offset, such as datetime.now(UTC)")
        return int(moment.timestamp())
    return moment
