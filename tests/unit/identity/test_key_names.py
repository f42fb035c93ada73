"""A key file remembers whose next key it holds, and stays readable where it holds none."""

import json
from pathlib import Path

import pytest

from tallystick.errors import ConflictError, NotFoundError, RefusedError
from tallystick.identity import KeyFile, generate
from tallystick.statement import KeyKind

PHRASE = b"correct horse"


@pytest.mark.parametrize("kind", KeyKind)
def test_the_next_key_signs_as_its_issuer(tmp_path: Path, kind: KeyKind) -> None:
    path, first = tmp_path / "keys", generate()
    file = KeyFile(path, PHRASE)
    file.add_signer("a", generate(kind, first.issuer))
    file.save()

    signer = KeyFile(path, PHRASE).signer("a")

    assert signer.issuer == first.public.did() != signer.public.did()


def test_a_first_key_is_written_as_before(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys", PHRASE)
    file.add_signer("a", generate())
    file.save()

    [member] = json.loads((tmp_path / "keys").read_bytes())["keys"].values()
    assert set(member) == {"kind", "nonce", "sealed", "did"}


def test_whose_key_it_is_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    file = KeyFile(path, PHRASE)
    file.add_signer("a", generate(issuer=generate().issuer))
    file.save()
    content = json.loads(path.read_bytes())
    content["keys"]["a"]["issuer"] = generate().issuer
    path.write_text(json.dumps(content))

    with pytest.raises(RefusedError):
        KeyFile(path, PHRASE)


def test_a_key_is_renamed_and_forgotten(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys", PHRASE)
    file.add_signer("a", signer := generate())
    file.add_signer("b", generate())

    with pytest.raises(ConflictError):
        file.rename("a", "b")
    file.rename("a", "a~1")
    file.remove_signer("b")

    assert file.names() == ["a~1"]
    assert file.signer("a~1").public == signer.public
    with pytest.raises(NotFoundError):
        file.remove_signer("b")
