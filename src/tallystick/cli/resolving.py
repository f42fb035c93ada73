"""From a DID of the web to evidence of its keys: what is fetched, and what is new in it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.cli.session import Session
from tallystick.errors import LimitError, NotFoundError, VerificationError

if TYPE_CHECKING:
    from tallystick.cli.fetching import Fetched
    from tallystick.statement.fetched import FetchedDocument, Seen
    from tallystick.statement.governance import IssuerKind

WITNESSES_MENTIONED: Final = b'"witness"'


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was fetched of a DID.

    Attributes:
        did: The DID.
        url: From where.
        file: As it was served.
        witness: The file of its witnesses' approvals, if its history has witnesses.
        at: When, seconds since 1970.
    """

    did: str
    url: str
    file: "Fetched"
    witness: bytes | None
    at: int

    def evidence(self, kind: "IssuerKind", before: "Seen | None") -> "list[FetchedDocument]":
        """Return what is to be registered beyond what was registered before; often one statement.

        Raises:
            VerificationError: The history is another than the one that is registered.
            LimitError: The document is too long, or an entry is.
        """
        if before is not None and before.history is None:
            return [] if before.said.content == self.file.body else [self._one(kind)]
        if before is None and self.did.startswith("did:web:"):
            return [self._one(kind)]
        known = before.history.versions if before and before.history else ()
        return list(self._entries(kind, known))

    def _one(
        self, kind: "IssuerKind", content: bytes | None = None, after: int = 0
    ) -> "FetchedDocument":
        from tallystick.statement.fetched import EVIDENCE_BYTES_MAX, FetchedDocument

        content = self.file.body if content is None else content
        size = len(content) + len(self.witness or b"")
        if size > EVIDENCE_BYTES_MAX:
            raise LimitError(
                f"{self.url} and its approvals have {size} bytes that must stay together, at most "
                f"{EVIDENCE_BYTES_MAX} fit into a statement"
            )
        return FetchedDocument(
            issuer=self.did,
            kind=kind,
            fetched_at=self.at,
            media_type=self.file.media_type,
            certificate=self.file.certificate,
            content=content,
            after=after,
            witness=self.witness,
        )

    def _entries(self, kind: "IssuerKind", known: tuple[str, ...]) -> "Iterator[FetchedDocument]":
        """Yield entries that are not registered, as many at a time as one statement holds."""
        from tallystick.statement.fetched import EVIDENCE_BYTES_MAX

        lines = [line + b"\n" for line in self.file.body.split(b"\n") if line]
        _check_known(lines, known, self.url)
        room = EVIDENCE_BYTES_MAX - len(self.witness or b"")
        after, content = len(known), b""
        for line in lines[len(known) :]:
            if content and len(content) + len(line) > room:
                yield self._one(kind, content, after)
                after, content = after + content.count(b"\n"), b""
            content += line
        if content:
            yield self._one(kind, content, after)


def _check_known(lines: list[bytes], known: tuple[str, ...], url: str) -> None:
    """Refuse a history that is not the one which is registered, gone on."""
    from tallystick.statement.jcs import parse_json

    for at, version in enumerate(known):
        entry = parse_json(lines[at], f"entry {at + 1}") if at < len(lines) else {}
        if not isinstance(entry, dict) or entry.get("versionId") != version:
            raise VerificationError(
                f"{url} does not hold entry {at + 1} of the history as it is registered here: "
                f"{version[:20]}…",
                advice="somebody rewrote the history, or serves an old one: ask its controller",
            )


def resolve_did(session: Session, did: str) -> Resolved:
    """Fetch the document or history of a DID; nothing of it is verified yet.

    Raises:
        EncodingError: Not a did:web or did:webvh.
        TallystickError: It cannot be fetched, see `Fetcher.fetch`.
    """
    from tallystick.cli.fetching import Fetcher
    from tallystick.statement.webdid import WEBVH, parse_web_did
    from tallystick.webhooks.addresses import Allowed, parse_networks

    place, settings = parse_web_did(did), session.sources().settings()
    allowed = Allowed(
        settings.issuer_loopback, parse_networks(settings.issuer_networks, "issuer_networks")
    )
    fetcher, now = Fetcher(allowed), int(time.time())
    file, witness = fetcher.fetch(place.url), None
    if place.method == WEBVH and WITNESSES_MENTIONED in file.body:
        try:
            witness = fetcher.fetch(place.witness_url).body
        except NotFoundError:
            witness = None  # the history says whether that matters
    return Resolved(did, place.url, file, witness, now)


def read_parts(parts: "list[FetchedDocument]", before: "Seen | None") -> "Seen | None":
    """Return what evidence shows, part after part.

    Raises:
        EncodingError: It is not what the method asks for.
        VerificationError: It does not verify.
    """
    from tallystick.statement.fetched import read_fetched

    for part in parts:
        before = read_fetched(part, before)
    return before
