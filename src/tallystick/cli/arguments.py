"""Reading what a person typed: ids, digests, DIDs and types; what is wrong is said at once."""

from typing import TYPE_CHECKING, Final

from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger import Reads

ID_LETTERS: Final = 64


def find_id(ledger: "Reads", text: str) -> bytes:
    """Return the id of a statement that a person named by its id or its index.

    Raises:
        InputError: Neither of them.
        NotFoundError: The log has no such index.
    """
    if text.isdigit() and len(text) < ID_LETTERS:
        return ledger.at(int(text)).statement.id
    return parse_id(text)


def parse_id(text: str) -> bytes:
    """Read a statement id.

    Raises:
        InputError: Not 64 hex digits.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) * 2 != ID_LETTERS:
        raise InputError(
            f"expected an index, or an id of {ID_LETTERS} hex digits, got {text[:80]!r}"
        )
    return data


def parse_digest(text: str) -> bytes:
    """Read the digest of a model.

    Raises:
        InputError: Not 64 hex digits.
    """
    try:
        return parse_id(text)
    except InputError as error:
        raise InputError(
            f"expected the SHA-256 of a model, {ID_LETTERS} hex digits, got {text[:80]!r}"
        ) from error


def check_did(text: str | None) -> str | None:
    """Return what somebody gave as an issuer.

    Raises:
        InputError: Not a DID; a `did:key` must be one that can be read.
    """
    if text is None:
        return None
    from tallystick.statement import parse_did_key

    method, _, rest = text.removeprefix("did:").partition(":")
    if not text.startswith("did:") or not method or not rest or not text.isprintable():
        raise InputError(f"expected a DID, such as did:key:z6Mk…, got {text[:80]!r}")
    if method == "key":
        parse_did_key(text)
    return text


def check_type(text: str | None) -> str | None:
    """Return what somebody gave as a statement type.

    Raises:
        InputError: No such type; suggests the nearest.
    """
    from tallystick.statement.governance import StatementType

    if text is None or text in set(StatementType):
        return text
    import difflib

    near = difflib.get_close_matches(text, list(StatementType), n=1)
    raise InputError(
        f"no statement type {text[:80]!r}" + (f"; is {str(near[0])!r} meant?" if near else ""),
        advice=f"types: {', '.join(StatementType)}",
    )
