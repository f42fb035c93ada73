"""The file that says who signs in as whom: private, keyed, and changed by one process at a time."""

from pathlib import Path

import pytest

from tallystick.capture.bindings import Bindings
from tallystick.errors import ConflictError, EncodingError, NotFoundError, VersionError
from tallystick.log import WriterLock

ISSUER, DID = "https://login.example", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bindings.json"


def bound(path: Path, secret: bytes = b"secret", label: str | None = None) -> Bindings:
    bindings = Bindings(path, secret)
    bindings.add(bindings.draft(ISSUER, "ada-1", DID, label, now=1))
    return bindings


def test_only_the_same_person_of_the_same_provider_is_found(path: Path) -> None:
    bindings = bound(path)

    found = bindings.find(ISSUER, "ada-1")
    assert found is not None
    assert found.did == DID
    for issuer, subject in ((ISSUER, "ada-2"), (ISSUER + "/", "ada-1"), ("", ISSUER + "ada-1")):
        assert bindings.find(issuer, subject) is None
    assert Bindings(path, b"another").find(ISSUER, "ada-1") is None


def test_the_file_names_nobody_and_is_its_owners_alone(path: Path) -> None:
    bound(path)

    assert b"ada" not in path.read_bytes()
    assert b"login" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_from_outside_is_seen(path: Path) -> None:
    here, there = bound(path), Bindings(path, b"secret")
    assert there.find(ISSUER, "ada-1")
    here.remove(DID)
    there._looked_at = -1.0

    assert there.find(ISSUER, "ada-1") is None
    assert there.known() == []


def test_one_person_is_one_did_and_one_process_writes(path: Path) -> None:
    bindings = bound(path)
    with pytest.raises(ConflictError, match="bound to a DID already"):
        bindings.add(bindings.draft(ISSUER, "ada-1", "did:web:other.example", None, now=2))
    with pytest.raises(NotFoundError):
        bindings.remove("did:web:other.example")
    lock = WriterLock(path.with_name("bindings.json.lock"))
    try:
        with pytest.raises(ConflictError):
            bindings.remove(DID)
    finally:
        lock.release()
    assert len(bindings.known()) == 1


def test_those_whose_names_are_erased_are_forgotten_and_no_others(path: Path) -> None:
    bindings = bound(path, label="0a" * 32)

    assert bindings.forget([b"\x0b" * 32]) == 0
    assert bindings.forget([b"\x0a" * 32, b"\x0b" * 32]) == 1
    assert bindings.known() == []


@pytest.mark.parametrize(
    ("text", "error"),
    [("{", EncodingError), ('{"format": 2, "bindings": []}', VersionError),
     ('{"format": 1, "bindings": [], "more": 1}', EncodingError)],
)  # fmt: skip
def test_a_file_that_is_damaged_or_newer_is_not_read(
    path: Path, text: str, error: type[Exception]
) -> None:
    path.write_text(text)

    with pytest.raises(error):
        Bindings(path, b"secret").find(ISSUER, "ada-1")
