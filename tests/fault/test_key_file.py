"""Key files that were changed, cut off, or meet a wrong passphrase: nothing is opened."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import EncodingError, RefusedError, TallystickError, VersionError
from tallystick.identity import KeyFile, SoftwareSigner, generate
from tallystick.statement import KeyKind
from tests.fault.conftest import Command
from tests.ledgers import Issuer, ledger_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    keys = KeyFile(tmp_path / "k.key", b"right")
    keys.add_signer("clinic", generate(KeyKind.P256))
    keys.add_secret("vault")
    keys.save()
    return tmp_path / "k.key"


def edit(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(json.dumps(content).encode())


CHANGES: dict[str, tuple[Callable[[Any], None], type[TallystickError], str]] = {
    "cost too low": (lambda c: c["kdf"].update(n=2**10), EncodingError, "n 1024, r 8, p 1"),
    "cost no power of two": (lambda c: c["kdf"].update(n=2**15 + 1), EncodingError, "n 32769"),
    "cost out of reach": (lambda c: c["kdf"].update(n=2**40), EncodingError, "unreasonable"),
    "another block size": (lambda c: c["kdf"].update(r=1), EncodingError, "r 1, p 1"),
    "another function": (lambda c: c["kdf"].update(name="md5"), EncodingError, "'md5'"),
    "salt no base64": (lambda c: c["kdf"].update(salt="!"), EncodingError, "base64url"),
    "another salt": (lambda c: c["kdf"].update(salt="AAAA"), RefusedError, "does not open"),
    "another format": (lambda c: c.update(format=3), VersionError, "has format 3, .* reads 1"),
    "unknown member": (lambda c: c.update(extra=1), EncodingError, "unknown field"),
    "sealed cut": (lambda c: c["keys"]["clinic"].update(sealed="AAAA"), RefusedError, "changed"),
    "nonce cut off": (lambda c: c["keys"]["clinic"].update(nonce=""), RefusedError, "changed"),
    "another did": (lambda c: c["keys"]["clinic"].update(did="did:x"), RefusedError, "changed"),
    "another kind": (lambda c: c["keys"]["clinic"].update(kind="ed25519"), RefusedError, "changed"),
    "unknown kind": (lambda c: c["keys"]["clinic"].update(kind="rsa"), RefusedError, "changed"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_key_file_is_not_opened(path: Path, name: str) -> None:
    change, error, message = CHANGES[name]
    edit(path, change)

    with pytest.raises(error, match=message):
        KeyFile(path, b"right").signer("clinic")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"null", b"[]", b"\xff" * 9, b'{"format":1,"kdf":"\xff"}',
     b'{"format":' + b"[" * 100_000, b"x" * (1 << 20) + b"x"],
    ids=range(8),
)  # fmt: skip
def test_a_file_that_is_no_key_file_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(EncodingError, match=r"k\.key is (not a key file|larger than)"):
        KeyFile(path, b"right")


def test_a_key_of_a_later_release_is_said_to_be_of_an_unknown_kind(path: Path) -> None:
    keys = KeyFile(path, b"right")
    keys._seal("new", "ml-dsa", None, bytes(32))

    with pytest.raises(VersionError, match=r"'new' in .* is of unknown kind 'ml-dsa'"):
        keys.signer("new")


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32])
def test_a_number_outside_the_curve_is_no_private_key(secret: bytes) -> None:
    with pytest.raises(EncodingError, match=r"must be in 1\.\.n-1"):
        SoftwareSigner(KeyKind.P256, secret)


def test_the_command_refuses_a_wrong_passphrase_with_five_and_a_damaged_file_with_two(
    tmp_path: Path, tally: Command
) -> None:
    home = tmp_path / "home"
    with ledger_in(home):
        pass
    (tmp_path / "one.cose").write_bytes(Issuer().sign().entry)
    (tmp_path / "passphrase").write_bytes(b"wrong")
    said = tally(home, "register", tmp_path / "one.cose")
    assert (said.code, said.error) == (5, "refused")
    assert "does not open: wrong passphrase, or the file was changed" in said.detail
    assert "the passphrase came from" in said.advice

    key_file = home / "keys/service.key"
    key_file.write_bytes(key_file.read_bytes()[:200])
    said = tally(home, "register", tmp_path / "one.cose")
    assert (said.code, said.error) == (2, "input.encoding"), said
    assert "service.key is not a key file" in said.detail


def test_a_file_that_cannot_be_read_now_is_said_without_a_traceback(
    tmp_path: Path, tally: Command
) -> None:
    home = tmp_path / "home"
    with ledger_in(home):
        pass
    (tmp_path / "one.cose").write_bytes(Issuer().sign().entry)
    (home / "keys/service.key").unlink()
    (home / "keys/service.key").mkdir()

    said = tally(home, "register", tmp_path / "one.cose")

    assert (said.code, said.error) == (2, "input")
    assert "Is a directory" in said.detail
    assert "service.key" in said.detail
