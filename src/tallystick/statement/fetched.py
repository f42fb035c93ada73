"""What an operator fetched to learn an issuer's keys: a DID document, or entries of a history.

    said = parse_fetched(members)        # version 3 of a `key` statement, believed by nobody yet
    seen = read_fetched(said, before)    # its keys, verified as far as the method lets them be

The evidence is in the statement, so that admission and verification need no network. What it shows
differs: a history of did:webvh certifies itself, and whoever has it verifies it again. A document
of did:web shows only what the operator says that the host served at that time.

Source:
    docs/reference/formats.md, section "Keys"; docs/adr/0023-issuers.md.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.diddocument import check_document, signing_keys
from tallystick.statement.governance import IssuerKind
from tallystick.statement.jcs import parse_json
from tallystick.statement.keys import PublicKey
from tallystick.statement.webdid import WEB, parse_web_did
from tallystick.statement.webvh import History, read_history

VERSION: Final = 3
"""Of the payloads here, and of accounts."""
EVIDENCE_BYTES_MAX: Final = 60_000
"""Document, or entries and approvals, that one statement holds; a long history takes several."""
DIGEST_BYTES: Final = 32
TIME_MAX: Final = 253_402_300_800
"""The end of the year 9999, seconds since 1970."""
MEDIA_TYPES: Final = {
    WEB: frozenset(
        {"application/did", "application/did+json", "application/did+ld+json",
         "application/json", "application/ld+json"}
    ),
    "webvh": frozenset(
        {"text/jsonl", "application/jsonl", "application/x-ndjson", "application/json",
         "application/octet-stream", "text/plain"}
    ),
}  # fmt: skip
"""What a document is served as, and what a history is: that one certifies itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDocument:
    """Evidence of which keys sign as a DID of the web, from the entry that registers it on.

    Attributes:
        issuer: The DID; where it was fetched follows from it.
        kind: What kind of party it is, says the operator; never a person.
        fetched_at: When, by the operator's clock, seconds since 1970.
        media_type: What the host said it is.
        certificate: SHA-256 of the certificate that the host showed.
        content: The document; of a history, the entries beyond those registered before.
        after: Entries of the history that were registered before; 0 for a document.
        witness: The file of its witnesses' approvals, as fetched then; None without one.
    """

    issuer: str
    kind: IssuerKind
    fetched_at: int
    media_type: str
    certificate: bytes
    content: bytes
    after: int = 0
    witness: bytes | None = None

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "action": "document",
                "issuer": self.issuer,
                "kind": str(self.kind),
                "fetched_at": self.fetched_at,
                "media_type": self.media_type,
                "certificate": self.certificate,
                "content": self.content,
                "after": self.after,
                "witness": self.witness,
            }
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What evidence shows of an issuer.

    Attributes:
        said: The evidence.
        keys: Keys that sign as the issuer now; none where it is deactivated.
        history: The history so far, of a did:webvh.
    """

    said: FetchedDocument
    keys: tuple[PublicKey, ...]
    history: History | None = None

    @property
    def deactivated(self) -> bool:
        """Its controller said that it is used no more."""
        return self.history is not None and self.history.deactivated

    @property
    def basis(self) -> str:
        """Say in words what the keys rest on."""
        at = datetime.fromtimestamp(self.said.fetched_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        url = parse_web_did(self.said.issuer).url
        if self.history is not None:
            version = self.history.versions[-1]
            return f"named by its history, verified here up to {version[:12]}…, fetched at {at}"
        return f"named by {url} as the operator of the log fetched it at {at}: served there then"


def read_fetched(said: FetchedDocument, before: Seen | None) -> Seen:
    """Read evidence, and verify what of it can be.

    Args:
        said: The evidence.
        before: What was registered of the same issuer before; for a history, up to `said.after`.

    Raises:
        EncodingError: Not what the method asks for.
        VerificationError: A history that does not verify.
    """
    place = parse_web_did(said.issuer)
    if said.media_type not in MEDIA_TYPES[place.method]:
        raise EncodingError(
            f"{place.url} is served as {said.media_type!r:.60}, expected one of "
            f"{', '.join(sorted(MEDIA_TYPES[place.method]))}"
        )
    if place.method == WEB:
        document = check_document(parse_json(said.content, "the document"), said.issuer)
        return Seen(said, signing_keys(document, said.issuer))
    known = before.history if before else None
    history = read_history(said.issuer, known, said.content, said.witness, said.fetched_at)
    if history.deactivated:
        return Seen(said, (), history)
    return Seen(said, signing_keys(history.document, history.document["id"]), history)


def parse_fetched(members: dict[str, Any]) -> FetchedDocument:
    """Read the decoded members of a payload; nothing of the evidence is verified here.

    Raises:
        EncodingError: Not evidence, or of a person.
    """
    issuer, kind = members.get("issuer"), members.get("kind")
    if not isinstance(issuer, str):
        raise EncodingError(f"'issuer' must be text, got {issuer!r:.40}")
    if kind not in set(IssuerKind):
        raise EncodingError(f"kind must be one of {', '.join(IssuerKind)}, got {kind!r:.40}")
    if kind == IssuerKind.PERSON:
        raise EncodingError("a person signs under a pseudonym, and is not a place in the web")
    method, said = parse_web_did(issuer).method, _evidence(members, issuer, IssuerKind(kind))
    size = len(said.content) + len(said.witness or b"")
    if size > EVIDENCE_BYTES_MAX:
        raise EncodingError(f"evidence has {size} bytes, at most {EVIDENCE_BYTES_MAX} allowed")
    if method == WEB and (said.after or said.witness is not None):
        raise EncodingError("a document of did:web has no entries before it, and no witnesses")
    return said


def _evidence(members: dict[str, Any], issuer: str, kind: IssuerKind) -> FetchedDocument:
    witness, media_type = members.get("witness"), members.get("media_type")
    if not isinstance(media_type, str):
        raise EncodingError(f"'media_type' must be text, got {media_type!r:.40}")
    return FetchedDocument(
        issuer=issuer,
        kind=kind,
        fetched_at=_number(members, "fetched_at"),
        media_type=media_type,
        certificate=_octets(members, "certificate", DIGEST_BYTES),
        content=_octets(members, "content"),
        after=_number(members, "after"),
        witness=None if witness is None else _octets(members, "witness"),
    )


def _number(members: dict[str, Any], name: str) -> int:
    value = members.get(name)
    if type(value) is not int or not 0 <= value < TIME_MAX:
        raise EncodingError(f"{name!r} must be in 0..{TIME_MAX - 1}, got {value!r:.40}")
    return value


def _octets(members: dict[str, Any], name: str, size: int | None = None) -> bytes:
    value = members.get(name)
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        many = "" if size is None else f"{size} "
        raise EncodingError(f"{name!r} must be {many}bytes, got {value!r:.40}")
    return value
