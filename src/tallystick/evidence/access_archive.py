"""Writing the answer to an access request: one archive, piece by piece, signed in the end.

    with AccessArchive(ledger, request, path, now) as archive:
        content = archive.write(progress)       # everything but the signature
        ... register a statement of `content`, as the operator ...
        archive.sign(build_bundle(ledger, statement.id))

What is written lies beside its place until it is whole, readable for its owner only; whatever goes
wrong removes it. Memory holds one piece at a time, and one line for each record.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tallystick.errors import ConflictError, LimitError
from tallystick.evidence.access import AboutPerson, AccessRequest
from tallystick.evidence.access_pages import index_page, records_page
from tallystick.evidence.export import build_bundle_of
from tallystick.evidence.records import AccessAnswer
from tallystick.ledger import Found, Reads
from tallystick.statement import parse_receipt, parse_statement
from tallystick.verify import Bundle
from tallystick.verify.access import ANSWER, BUNDLE_ENDING, FORMAT, KIND, MANIFEST, SUMMARY

PIECE_RECORDS: Final = 50
"""Records in one evidence bundle: what they rest on in common is in it once."""
RECORDS_MAX: Final = 200_000
_LEVEL: Final = 6
Progress = Callable[[int, int], None]


class AccessArchive:
    """One archive that is being written."""

    def __init__(self, ledger: Reads, request: AccessRequest, path: Path, now: int) -> None:
        """Begin a file.

        Args:
            ledger: With its vault.
            request: What is asked for.
            path: Where the archive is to lie; nothing may be there.
            now: Seconds since 1970.

        Raises:
            NotFoundError: Nothing is kept about that reference.
            LimitError: More than one archive can hold.
            ConflictError: There is a file.
        """
        self._ledger, self._request, self._path, self._now = ledger, request, path, now
        self._person = AboutPerson(ledger, request)
        if len(self._person.targets) > RECORDS_MAX:
            raise LimitError(f"{len(self._person.targets)} records, at most {RECORDS_MAX} in one")
        if path.exists():
            raise ConflictError(f"{path} is there already")
        self._beside = path.with_name(path.name + ".part")
        self._digests: dict[str, str] = {}
        self._listed: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._beside.unlink(missing_ok=True)  # of a run that was killed
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(self._beside, flags, 0o600), "wb")
        self._zip = zipfile.ZipFile(
            self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL, allowZip64=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:  # first, for on a full disk closing fails, too
            self._beside.unlink(missing_ok=True)
            for file in (self._zip, self._file):
                with suppress(OSError, ValueError):
                    file.close()

    def _finish(self) -> None:
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._beside.replace(self._path)

    def write(self, progress: Progress = lambda _done, _all: None) -> AccessAnswer:
        """Write everything but the signature; return what is to be signed."""
        ids = [*self._person.targets]
        for at in range(0, len(ids), PIECE_RECORDS):
            for some, bundle in self._bundles(ids[at : at + PIECE_RECORDS]):
                self._write_piece(some, bundle)
            progress(min(at + PIECE_RECORDS, len(ids)), len(ids))
        summary = self._summary()
        self._add(SUMMARY, _json(summary))
        self._add("index.html", index_page(summary).encode())
        manifest = _json({"kind": KIND, "format": FORMAT, "files": self._digests})
        self._zip.writestr(MANIFEST, manifest)
        return AccessAnswer(
            manifest=sha256(manifest).digest(),
            records=len(ids),
            size=self._ledger.snapshot.checkpoint.size,
            withheld=len(self._request.withheld),
        )

    def sign(self, answer: Bundle) -> None:
        """Add the evidence bundle of the registered statement that commits to the manifest."""
        self._zip.writestr(ANSWER, answer.encode())

    def _bundles(self, ids: list[bytes]) -> Iterator[tuple[list[bytes], Bundle]]:
        """Build bundles, smaller ones where records rest on much."""
        try:
            yield ids, build_bundle_of(self._ledger, ids, self._person.shown())
        except LimitError:
            if len(ids) == 1:
                raise
            half = len(ids) // 2
            yield from self._bundles(ids[:half])
            yield from self._bundles(ids[half:])

    def _write_piece(self, ids: list[bytes], bundle: Bundle) -> None:
        name = f"records/{len(self._digests) // 3 + 1:05}"
        listed, context = [], []
        wanted = set(ids)
        for member in bundle.members:
            found = Found(parse_receipt(member.receipt).index, parse_statement(member.entry))
            if found.statement.id in wanted:
                listed.append(self._person.record(member, found))
            elif member.disclosure is not None:
                context.append(self._person.record(member, found))
        piece = {"kind": KIND, "format": FORMAT, "records": listed, "context": context}
        self._add(f"{name}{BUNDLE_ENDING}", bundle.encode())
        self._add(f"{name}.json", _json(piece))
        self._add(f"{name}.html", records_page(listed, context).encode())
        self._listed += [
            {
                "id": one["id"], "index": one["index"], "type": one["type"],
                "registered_at": one["registered_at"], "bundle": f"{name}{BUNDLE_ENDING}",
                "page": f"{name}.html",
            }
            for one in listed
        ]  # fmt: skip

    def _summary(self) -> dict[str, Any]:
        person, claim = self._person, self._ledger.snapshot.checkpoint
        reads, reads_in_all = person.reads()
        withheld = self._request.withheld
        return {
            "kind": KIND,
            "format": FORMAT,
            "controller": person.controller(),
            "reference": self._request.reference,
            "made_at": self._now,
            "size": claim.size,
            "root": claim.root.hex(),
            "records": self._listed,
            "models": [*person.models()],
            "reads": reads,
            "reads_in_all": reads_in_all,
            "erasures": person.erasures(),
            "pseudonyms": person.pseudonyms(),
            "withheld": {
                one.hex(): None if fields is None else sorted(fields)
                for one, fields in withheld.items()
            },
        }

    def _add(self, name: str, data: bytes) -> None:
        self._digests[name] = sha256(data).hexdigest()
        self._zip.writestr(name, data)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"
