"""Publications: content that was committed to earlier, shown to everybody from now on.

The header links to one statement by `publishes`; the inline payload opens its commitment, as a
whole or in some fields. What was published is public for ever: it stands in an entry of the log.

Source:
    docs/reference/formats.md, section "Publications".
"""

from collections.abc import Mapping
from typing import Any, Final

from tallystick.errors import EncodingError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import dcbor
from tallystick.statement.commitment import SALT_BYTES, Disclosure, OpenField
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import Relation
from tallystick.statement.signed import SignedStatement

PUBLICATION_TAG: Final = "tallystick/publication/1"


def encode_publication(disclosure: Disclosure) -> bytes:
    """Return the inline payload; the header must link to the statement by `publishes`."""
    shown = {name: [one.salt, one.value] for name, one in disclosure.shown.items()}
    digests = {name: one for name, one in disclosure.digests.items() if name not in shown}
    return dcbor.encode([PUBLICATION_TAG, disclosure.salt, digests, shown])


def parse_publication(statement: SignedStatement) -> tuple[bytes, Disclosure]:
    """Read a publication.

    Whether it opens what the statement committed to is not checked here: see
    `tallystick.statement.commitment.verify_disclosure`.

    Returns:
        The statement whose content it shows, and the content.

    Raises:
        EncodingError: Not a publication, not deterministic, or it shows nothing.
    """
    header = statement.header
    if header.type != StatementType.PUBLICATION or header.hashed:
        raise EncodingError("a publication must have its type and an inline payload")
    targets = header.links.get(Relation.PUBLISHES, ())
    if len(targets) != 1:
        raise EncodingError(
            f"a publication must name 1 statement by 'publishes', got {len(targets)}"
        )
    match dcbor.decode_deterministic(statement.payload, "publication"):
        case [str() as tag, bytes() as salt, dict() as digests, dict() as shown] if (
            tag == PUBLICATION_TAG and len(salt) == SALT_BYTES and shown
        ):
            return targets[0], _disclosure(salt, digests, shown)
    raise EncodingError(
        f"a publication must be [{PUBLICATION_TAG!r}, salt, digests, at least one open field]"
    )


def _disclosure(salt: bytes, digests: Mapping[Any, Any], shown: Mapping[Any, Any]) -> Disclosure:
    opened = {name: _open_field(name, content) for name, content in shown.items()}
    for name, digest in digests.items():
        if not isinstance(name, str) or not isinstance(digest, bytes) or len(digest) != HASH_BYTES:
            raise EncodingError("a field that is not shown must be a name and its digest")
        if name in opened:
            raise EncodingError(f"field {name!r:.60} must be shown or withheld, not both")
    every = {**digests, **{name: one.digest(name) for name, one in opened.items()}}
    return Disclosure(salt, every, opened)


def _open_field(name: object, content: object) -> OpenField:
    match content:
        case [bytes() as salt, value] if isinstance(name, str) and len(salt) == SALT_BYTES:
            return OpenField(salt, value)
    raise EncodingError("an open field must be a name, a salt of 32 bytes, and a value")
