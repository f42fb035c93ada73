"""What denies a key, and plug-ins that do not do what they owe."""

import sys
from pathlib import Path

import pytest

from tallystick.errors import DeniedError, InputError, UnavailableError
from tallystick.identity import create_key, open_key
from tallystick.statement import KeyKind
from tests.custody import places
from tests.custody.places import PASSPHRASE, DesktopKeyring, KeyService
from tests.custody.test_contract import fresh, keys_of


def test_a_wrong_token_of_the_service_is_denied(
    key_service: KeyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = key_service.reference(fresh())
    create_key(reference, KeyKind.ED25519)
    (tmp_path / "token").write_text("another token")
    monkeypatch.setenv("EXAMPLE_KMS_TOKEN_FILE", str(tmp_path / "token"))

    with pytest.raises(DeniedError) as caught:
        open_key(reference)
    assert "another token" not in str(caught.value)


def test_a_locked_keyring_is_denied(tmp_path: Path) -> None:
    secretstorage = pytest.importorskip("secretstorage")
    with places.desktop_keyring(tmp_path) as mine:
        reference = mine.reference(fresh())
        create_key(reference, KeyKind.ED25519)
        connection = secretstorage.dbus_init()
        secretstorage.get_default_collection(connection).lock()
        connection.close()

        with pytest.raises(DeniedError, match="locked"):
            open_key(reference)


def test_without_a_keyring_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backends import fail

    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(UnavailableError, match="there is no keyring here"):
            open_key("keyring:tallystick/clinic")
    finally:
        keyring.set_keyring(before)


def test_what_is_no_key_in_the_keyring_is_not_said(desktop_keyring: DesktopKeyring) -> None:
    keyring = pytest.importorskip("keyring")
    keyring.set_password("tallystick-test", "mail", "hunter2")

    with pytest.raises(InputError, match="something else than a key") as caught:
        open_key(desktop_keyring.reference("mail"))
    assert "hunter2" not in "".join(map(str, (caught.value, caught.value.__cause__)))


def test_a_reference_to_the_keyring_needs_both_names() -> None:
    pytest.importorskip("keyring")

    with pytest.raises(InputError, match="SERVICE/NAME"):
        open_key("keyring:clinic")


PLUG_IN = """
from tallystick.identity import generate
class Bad:
    def open(self, rest):
        if rest == "raises":
            raise RuntimeError("the secret is 4711")
        return Key(rest)
    create = lambda self, rest, kind: self.open(rest)
made = generate()
class Key:
    def __init__(self, rest):
        self.rest, self.public = rest, made.public
    def sign(self, message):
        if self.rest == "raises-later":
            raise OSError("the secret is 4711")
        return b"short" if self.rest == "short" else bytes(64)
"""


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in that does wrong, as an installed package."""
    (tmp_path / "bad_custody.py").write_text(PLUG_IN)
    info = tmp_path / "bad_custody-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-custody\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[tallystick.signers]\nbad = bad_custody:Bad\ngone = no_such_module:Bad\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "bad_custody", raising=False)


@pytest.mark.parametrize("reference", ["bad:raises", "gone:x"])
@pytest.mark.usefixtures("bad")
def test_errors_of_a_plug_in_become_ours_without_their_words(reference: str) -> None:
    with pytest.raises(UnavailableError, match="cannot be used") as caught:
        open_key(reference)
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("rest", "says"),
    [("raises-later", "OSError"), ("short", "got 32 and 5"), ("false", "is not its signature")],
)
@pytest.mark.usefixtures("bad")
def test_a_plug_in_that_signs_wrongly_is_found_out(rest: str, says: str, tmp_path: Path) -> None:
    signer = keys_of(tmp_path).make_signer("a", at=f"bad:{rest}")

    with pytest.raises(UnavailableError, match=says) as caught:
        signer.sign(b"m")
    assert "4711" not in str(caught.value)
    assert PASSPHRASE.decode() not in str(caught.value)
