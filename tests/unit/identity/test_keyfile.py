"""Key files: nothing readable without the passphrase, nothing lost when written."""

import json
from pathlib import Path

import pytest

from tallystick.errors import (
    ConflictError,
    EncodingError,
    NotFoundError,
    RefusedError,
    VersionError,
)
from tallystick.identity import KeyFile, SoftwareSigner, generate
from tallystick.statement import KeyKind


def make(path: Path, passphrase: bytes = b"secret") -> KeyFile:
    keys = KeyFile(path, passphrase)
    keys.add_signer("clinic", generate())
    keys.add_signer("witness", generate(KeyKind.P256))
    keys.add_secret("vault")
    keys.save()
    return keys


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    before = make(tmp_path / "k")
    after = KeyFile(tmp_path / "k", b"secret")

    assert after.names() == ["clinic", "vault", "witness"]
    assert after.secret("vault") == before.secret("vault")
    for name in ("clinic", "witness"):
        signer = after.signer(name)
        before.signer(name).public.verify(signer.sign(b"m"), b"m", signer.algorithm)


def test_the_file_is_for_its_owner_only_and_shows_no_secret(tmp_path: Path) -> None:
    keys = make(tmp_path / "k")
    text = (tmp_path / "k").read_bytes()

    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert keys.secret("vault").hex() not in text.hex()
    clinic = keys.signer("clinic")
    assert isinstance(clinic, SoftwareSigner)
    assert clinic.unsafe_secret().hex() not in text.hex()


def test_a_wrong_passphrase_is_said_at_once(tmp_path: Path) -> None:
    make(tmp_path / "k")

    with pytest.raises(RefusedError, match="wrong passphrase"):
        KeyFile(tmp_path / "k", b"other")


def test_secrets_cannot_change_names(tmp_path: Path) -> None:
    make(tmp_path / "k")
    content = json.loads((tmp_path / "k").read_text())
    content["keys"]["clinic"], content["keys"]["witness"] = (
        content["keys"]["witness"],
        content["keys"]["clinic"],
    )
    (tmp_path / "k").write_text(json.dumps(content))

    with pytest.raises(RefusedError):
        KeyFile(tmp_path / "k", b"secret").signer("clinic")


def test_names_are_taken_once_and_kinds_are_not_mixed_up(tmp_path: Path) -> None:
    keys = make(tmp_path / "k")

    with pytest.raises(ConflictError, match="already has"):
        keys.add_secret("clinic")
    with pytest.raises(NotFoundError, match="it has: clinic, vault, witness"):
        keys.signer("nobody")
    with pytest.raises(NotFoundError, match="encrypts"):
        keys.signer("vault")
    with pytest.raises(NotFoundError, match="signs"):
        keys.secret("clinic")


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("not json")
    with pytest.raises(EncodingError, match="not a key file"):
        KeyFile(path, b"")
    path.write_text('{"format": 3}')
    with pytest.raises(VersionError, match="format 3, this release reads 1 and 2"):
        KeyFile(path, b"")
    path.write_text('{"format":1,"keys":{},"kdf":{"salt":"AA","n":2,"name":"scrypt"}}')
    with pytest.raises(EncodingError, match="key derivation"):
        KeyFile(path, b"")
