"""Answers to access requests: one archive with all that is kept about a person, checked offline.

    report = examine_archive(Path("mine.access.zip"), policy)
    report.verdict, report.records

A ZIP file. `manifest.json` names the SHA-256 of every other file; `answer.tally.json` is the
evidence bundle of a registered statement of the operator that commits to the manifest, so one
signature covers all. Each record about the person stands in an evidence bundle below `records/`,
in JSON for programs, and in HTML for people. What the pages say is what the operator signed; what
the bundles say is checked to the log.

Source:
    docs/reference/formats.md, section "Answers to access requests".
"""

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tallystick.errors import (
    CommitmentError,
    EncodingError,
    LimitError,
    TallystickError,
    VersionError,
)
from tallystick.statement.governance import StatementType
from tallystick.verify.bundle import BUNDLE_BYTES_MAX
from tallystick.verify.examine import examine
from tallystick.verify.policy import TrustPolicy
from tallystick.verify.report import Check, Report, Verdict, verdict_of

FORMAT: Final = 1
KIND: Final = "tallystick-access"
MANIFEST: Final = "manifest.json"
ANSWER: Final = "answer.tally.json"
SUMMARY: Final = "access.json"
BUNDLE_ENDING: Final = ".tally.json"
FILES_MAX: Final = 20_000
FILE_BYTES_MAX: Final = BUNDLE_BYTES_MAX
_KNOWN: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AccessReport:
    """What was found of an archive.

    Attributes:
        answer: Of the statement that signs for it.
        checks: Of the archive itself, and all of its bundles that did not verify.
        records: Records about the person that verify.
    """

    answer: Report
    checks: tuple[Check, ...]
    records: int

    @property
    def verdict(self) -> Verdict:
        """Failed if anything failed; verified only if everything is."""
        return replace(self.answer, checks=(*self.answer.checks, *self.checks)).verdict


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, and no bundle."""
    return zipfile.is_zipfile(path)


def examine_archive(
    path: Path, policy: TrustPolicy, progress: Progress = lambda _done, _all: None
) -> AccessReport:
    """Check an archive: who signed for it, every file, every record.

    Args:
        path: The file.
        policy: Whose checkpoints to believe.
        progress: Called with bundles done and bundles in all.

    Raises:
        EncodingError: Not such an archive at all.
        VersionError: A format of another version.
        LimitError: Larger than is accepted.
    """
    with _opened(path) as archive:
        return _Examination(archive, policy).run(progress)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever is wrong with its form is our error."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(archive)
            yield archive
    except (
        zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError,
        KeyError,
    ) as error:  # fmt: skip
        raise EncodingError(f"not a whole archive: {error}") from error


def _check_names(archive: zipfile.ZipFile) -> None:
    files = archive.infolist()
    if len(files) > FILES_MAX:
        raise LimitError(f"the archive has {len(files)} files, at most {FILES_MAX} allowed")
    names = [one.filename for one in files]
    if len(set(names)) < len(names):
        raise EncodingError("a name stands in the archive twice")
    if strange := [one.filename for one in files if one.compress_type not in _KNOWN]:
        raise EncodingError(f"{strange[0]!r:.80} is compressed in a way that is not read here")
    if missing := {MANIFEST, ANSWER, SUMMARY} - set(names):
        raise EncodingError(f"the archive has no {min(missing)}: it answers no access request")


@dataclass(slots=True)
class _Examination:
    archive: zipfile.ZipFile
    policy: TrustPolicy
    checks: list[Check] = field(default_factory=list)
    found: dict[str, frozenset[bytes]] = field(default_factory=dict)

    def run(self, progress: Progress) -> AccessReport:
        manifest = self._read(MANIFEST)
        files = _manifest(manifest)
        answer = self._answer(manifest)
        self._check_files(files)
        bundles = [name for name in sorted(files) if _is_bundle(name)]
        for done, name in enumerate(bundles, 1):
            self._examine(name)
            progress(done, len(bundles))
        records = self._count(answer)
        return AccessReport(answer, tuple(self.checks), records)

    def _read(self, name: str) -> bytes:
        with self.archive.open(name) as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise LimitError(f"{name} has more than {FILE_BYTES_MAX} bytes")
        return data

    def _answer(self, manifest: bytes) -> Report:
        """Check that a registered answer commits to exactly this manifest."""
        report = examine(self._read(ANSWER), self.policy)
        said = report.statements.get(report.subject)
        if said is None:
            return report
        seen = said.statement.header.type
        if seen != StatementType.ACCESS_ANSWER:
            self._fail("answer", f"the archive is signed by a statement of type {seen!r:.40}")
        elif said.values.get("manifest") != sha256(manifest).digest():
            self._fail("answer", "the manifest is not the one that the registered answer names")
        else:
            by = said.issuer.name or said.issuer.issuer
            words = f"{by} signed for every file of it, as registered at index {said.index}"
            self.checks.append(Check("answer", Verdict.VERIFIED, words, report.subject))
        return report

    def _check_files(self, files: dict[str, str]) -> None:
        there = set(self.archive.namelist()) - {MANIFEST, ANSWER}
        for name in sorted(there ^ set(files)):
            where = "is missing" if name in files else "is not in the manifest"
            self._fail("files", f"{name[:80]!r} {where}")
        for name in sorted(there & set(files)):
            if self._digest(name) != files[name]:
                self._fail("files", f"{name[:80]!r} is not the file that was signed for")

    def _digest(self, name: str) -> str:
        digest, size = sha256(), 0
        with self.archive.open(name) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
                size += len(piece)
                if size > FILE_BYTES_MAX:
                    raise LimitError(f"{name} has more than {FILE_BYTES_MAX} bytes")
        return digest.hexdigest()

    def _examine(self, name: str) -> None:
        if name not in self.archive.namelist():
            return  # it was said to be missing
        try:
            report = examine(self._read(name), self.policy)
        except TallystickError as error:
            self.checks.append(Check(name, verdict_of(error), f"{name}: {error}", code=error.code))
            return
        self.found[name] = frozenset(report.statements)
        bad = (Verdict.FAILED, Verdict.INDETERMINATE)
        self.checks += [
            replace(one, detail=f"{name}: {one.detail}")
            for one in report.checks
            if one.verdict in bad
        ]

    def _count(self, answer: Report) -> int:
        """Check that every record that is listed stands in its bundle; return how many do."""
        listed, count = _listed(self._read(SUMMARY)), 0
        for record, name in listed:
            if record in self.found.get(name, ()):
                count += 1
            else:
                self._fail("records", f"record {record.hex()} does not verify in {name[:80]!r}")
        said = answer.statements.get(answer.subject)
        claimed = None if said is None else said.values.get("records")
        if claimed is not None and claimed != len(listed):
            self._fail("records", f"the answer says {claimed} records, {len(listed)} are listed")
        return count

    def _fail(self, what: str, words: str) -> None:
        self.checks.append(Check(what, Verdict.FAILED, words, code=CommitmentError.code))


def _is_bundle(name: str) -> bool:
    return name.endswith(BUNDLE_ENDING)


def _manifest(data: bytes) -> dict[str, str]:
    files = _object(data, MANIFEST).get("files")
    if not isinstance(files, dict) or not all(
        isinstance(one, str) and _DIGEST.fullmatch(one) for one in files.values()
    ):
        raise EncodingError(f"{MANIFEST} must give the SHA-256 of each file by its name")
    return files


def _listed(data: bytes) -> list[tuple[bytes, str]]:
    records = _object(data, SUMMARY).get("records")
    try:
        return [(bytes.fromhex(one["id"]), str(one["bundle"])) for one in records or ()]
    except (KeyError, TypeError, ValueError) as error:
        raise EncodingError(f"{SUMMARY} must list records, each with 'id' and 'bundle'") from error


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"{name} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise EncodingError(f"{name} must be an object of the kind {KIND!r}")
    if content.get("format") != FORMAT:
        raise VersionError(
            f"{name} has format {content.get('format')!r:.20}, this release reads {FORMAT}"
        )
    return content
