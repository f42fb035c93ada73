"""Answers to access requests, checked offline: whole ones, and every way in which one is not."""

import json
import os
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import EncodingError, LimitError, TallystickError, VersionError
from tallystick.evidence import build_bundle, sign_fields
from tallystick.evidence.access import AccessRequest
from tallystick.evidence.access_archive import AccessArchive
from tallystick.ledger import Ledger, Submission
from tallystick.statement.governance import StatementType
from tallystick.vault import About
from tallystick.verify import TrustPolicy, Verdict, access, parse_policy
from tallystick.verify.access import examine_archive, is_archive
from tests.ledgers import START, Issuer, ledger_in


class World:
    """A ledger that keeps three records about Jane, and the archive of them."""

    def __init__(self, ledger: Ledger, clinic: Issuer, folder: Path) -> None:
        self.ledger, self.path = ledger, folder / "a.zip"
        self.policy: TrustPolicy = parse_policy(ledger.home.trust.read_bytes())
        for text in ("one", "two", "three"):
            said, content = clinic.content({"text": text})
            ledger.register_one(Submission(said.entry, content, about=About("jane")))
        request = AccessRequest(reference="jane")
        with AccessArchive(ledger, request, self.path, START) as archive:
            answer = archive.write()
            said_ = sign_fields(
                ledger.keys.signer("operator"), answer.statement_type, answer.values(),
                issued_at=START,
            )  # fmt: skip
            ledger.register_one(said_)
            self.answer = ledger.at(ledger.snapshot.checkpoint.size - 1).statement.id
            archive.sign(build_bundle(ledger, self.answer))
        with zipfile.ZipFile(self.path) as archive_:
            self.files = {name: archive_.read(name) for name in archive_.namelist()}

    def examine(self, **changes: bytes | None) -> access.AccessReport:
        """Examine the archive with other files in it; None leaves one out."""
        path = self.path.with_name("b.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**self.files, **changes}.items():
                if data is not None:
                    archive.writestr(name, data)
        return examine_archive(path, self.policy)

    def signed(self, **changes: bytes | None) -> dict[str, bytes | None]:
        """Return changed files, with a manifest that fits and an answer that signs for it."""
        files = {n: d for n, d in {**self.files, **changes}.items() if d is not None}
        digests = {n: sha256(d).hexdigest() for n, d in files.items()
                   if n not in {"manifest.json", "answer.tally.json"}}  # fmt: skip
        manifest = json.dumps({"kind": access.KIND, "format": 1, "files": digests}).encode()
        values = {"manifest": sha256(manifest).digest(), "records": 3, "size": 4}
        return {**changes, "manifest.json": manifest, "answer.tally.json": self.say(values)}

    def say(self, values: dict[str, Any], type_: str = StatementType.ACCESS_ANSWER) -> bytes:
        said = sign_fields(self.ledger.keys.signer("operator"), type_, values, issued_at=START)
        registered = self.ledger.register_one(said)
        return build_bundle(self.ledger, registered.id).encode()


@pytest.fixture
def world(tmp_path: Path) -> Any:
    clinic = Issuer()
    with ledger_in(tmp_path / "ledger", clinic) as ledger:
        yield World(ledger, clinic, tmp_path)


def words(report: access.AccessReport) -> str:
    return "\n".join(f"{c.verdict} {c.what}: {c.detail}" for c in report.checks)


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_at_the_end_leaves_nothing_of_an_archive(world: World) -> None:
    path = world.path.with_name("full.zip")
    beside = path.with_name("full.zip.part")
    archive = AccessArchive(world.ledger, AccessRequest(reference="jane"), path, START)
    archive.__enter__()
    archive.write()
    with no_room(beside.stat().st_size), pytest.raises(OSError, match="File too large"):
        archive.__exit__(None, None, None)
    assert not beside.exists()
    assert not path.exists()

    broken = AccessArchive(world.ledger, AccessRequest(reference="jane"), path, START)
    broken.__enter__()
    broken.write()
    with no_room(beside.stat().st_size):
        broken.__exit__(KeyboardInterrupt, None, None)
    assert not beside.exists()
    assert not path.exists()


def test_what_lies_where_an_archive_is_written_is_not_written_through(world: World) -> None:
    path, other = world.path.with_name("mine.zip"), world.path.with_name("other")
    other.write_bytes(b"of somebody else")
    other.chmod(0o644)
    path.with_name("mine.zip.part").symlink_to(other)

    with AccessArchive(world.ledger, AccessRequest(reference="jane"), path, START) as archive:
        archive.write()
    assert other.read_bytes() == b"of somebody else"
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_archive(path)


def test_a_whole_archive_verifies_and_counts_its_records(world: World) -> None:
    seen: list[tuple[int, int]] = []
    report = examine_archive(world.path, world.policy, lambda *at: seen.append(at))

    assert is_archive(world.path)
    assert (report.verdict, report.records) == (Verdict.VERIFIED, 3)
    assert "signed for every file of it" in words(report)
    assert seen == [(1, 1)]


BUNDLE = "records/00001.tally.json"


def test_a_file_that_was_changed_added_or_taken_away_is_named(world: World) -> None:
    changed = world.examine(**{"index.html": b"<p>else</p>"})
    assert changed.verdict is Verdict.FAILED
    assert "'index.html' is not the file that was signed for" in words(changed)
    assert "'more.txt' is not in the manifest" in words(world.examine(**{"more.txt": b"more"}))
    gone = world.examine(**{BUNDLE: None})
    assert f"'{BUNDLE}' is missing" in words(gone)
    assert "does not verify in" in words(gone)
    assert gone.records == 0


def test_who_signs_for_something_else_signs_for_nothing(world: World) -> None:
    other = world.examine(**{"manifest.json": world.files["manifest.json"] + b" "})
    assert "the manifest is not the one that the registered answer names" in words(other)
    label = world.say({"manifest": b""}, StatementType.LABEL)
    assert "a statement of type 'label'" in words(world.examine(**{"answer.tally.json": label}))
    content = json.loads(world.files["answer.tally.json"])
    content["statements"][-1]["entry"] = content["statements"][0]["entry"]
    forged = world.examine(**{"answer.tally.json": json.dumps(content).encode()})
    assert forged.verdict is Verdict.FAILED


def test_what_is_signed_and_does_not_verify_is_not_counted(world: World) -> None:
    content = json.loads(world.files[BUNDLE])
    for member in content["statements"]:
        if "content" in member:
            member["content"]["salt"] = "A" * 43
    wrong = world.examine(**world.signed(**{BUNDLE: json.dumps(content).encode()}))
    assert (wrong.verdict, wrong.records) == (Verdict.FAILED, 0)
    assert "do not match the statement's commitment" in words(wrong)
    broken = world.examine(**world.signed(**{BUNDLE: b"no bundle"}))
    assert "bundle is not JSON" in words(broken)
    summary = json.loads(world.files["access.json"])
    summary["records"] = summary["records"][:2]
    fewer = world.examine(**world.signed(**{"access.json": json.dumps(summary).encode()}))
    assert "the answer says 3 records, 2 are listed" in words(fewer)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("manifest.json", b"no", EncodingError, "is not JSON"),
        ("manifest.json", b"[]", EncodingError, "of the kind"),
        ("manifest.json", b'{"kind": "tallystick-access", "format": 2}', VersionError, "format 2"),
        ("manifest.json", b'{"kind": "tallystick-access", "format": 1}', EncodingError, "SHA-256"),
        ("manifest.json", b'{"kind": "tallystick-access", "format": 1, "files": {"a": "b"}}',
         EncodingError, "SHA-256"),
        ("access.json", b'{"kind": "tallystick-access", "format": 1, "records": [{"id": 1}]}',
         EncodingError, "must list records"),
        ("answer.tally.json", b"{}", EncodingError, "kind"),
        ("answer.tally.json", None, EncodingError, "has no answer.tally.json"),
    ],
)  # fmt: skip
def test_what_is_no_such_archive_is_refused(
    world: World, name: str, content: bytes | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        world.examine(**{name: content})


def test_hostile_archives_end_in_our_error(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = bytearray(world.path.read_bytes())
    at = data.index(b"<!doctype") if b"<!doctype" in data else len(data) // 3
    data[at : at + 64] = os.urandom(64)
    torn = tmp_path / "torn.zip"
    torn.write_bytes(data)
    with pytest.raises(EncodingError, match="not a whole archive"):
        examine_archive(torn, world.policy)
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("access.json", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("access.json", b"2")
    with pytest.raises(EncodingError, match="twice"):
        examine_archive(tmp_path / "twice.zip", world.policy)
    with zipfile.ZipFile(tmp_path / "bz.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("access.json", b"1")
    with pytest.raises(EncodingError, match="compressed in a way"):
        examine_archive(tmp_path / "bz.zip", world.policy)
    monkeypatch.setattr(access, "FILES_MAX", 2)
    with pytest.raises(LimitError, match="at most 2"):
        examine_archive(world.path, world.policy)
    monkeypatch.undo()
    most = max(len(one) for name, one in world.files.items() if name == "index.html") - 1
    monkeypatch.setattr(access, "FILE_BYTES_MAX", most)
    monkeypatch.setattr(access._Examination, "_answer", lambda *_: None)
    with pytest.raises(LimitError, match="more than"):
        examine_archive(world.path, world.policy)
    monkeypatch.setattr(access, "FILE_BYTES_MAX", 10)
    with pytest.raises(LimitError, match=r"manifest\.json has more than 10"):
        examine_archive(world.path, world.policy)
    assert not is_archive(Path(__file__))


@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_changed_in_an_archive_is_noticed(
    world: World, places: list[tuple[int, int]]
) -> None:
    data = bytearray(world.path.read_bytes())
    for at, value in places:
        data[at % len(data)] = value
    path = world.path.with_name("hostile.zip")
    path.write_bytes(data)
    try:
        report = examine_archive(path, world.policy)
    except TallystickError:
        return
    with zipfile.ZipFile(path) as archive:
        same = {name: archive.read(name) for name in archive.namelist()} == world.files
    assert same or report.verdict is not Verdict.VERIFIED
