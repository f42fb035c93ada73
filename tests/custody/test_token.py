"""Keys in a PKCS#11 token: PINs, threads, forks, lost sessions, and references of RFC 7512."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tallystick.errors import DeniedError, InputError, NotFoundError, UnavailableError
from tallystick.identity import create_key, open_key, pkcs11_token
from tallystick.identity.pkcs11_uri import MODULE, PIN_FILE, parse_uri
from tallystick.statement import KeyKind
from tests.custody.places import PIN, Token
from tests.custody.test_contract import fresh

THREADS = 12


def test_the_private_key_cannot_be_read_out(token: Token) -> None:
    import pkcs11

    name = fresh()
    create_key(token.reference(name), KeyKind.P256)
    module = pkcs11_token._module(parse_uri(token.reference(name).partition(":")[2]).module)

    with module.turn:
        session = module.open(parse_uri(token.reference(name).partition(":")[2]))
        [key] = session.get_objects(
            {pkcs11.Attribute.LABEL: name, pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
        )
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


@pytest.mark.parametrize("pin", ["00000", "", "a" * 300, "päss"])
def test_a_wrong_pin_is_denied_and_not_said(token: Token, tmp_path: Path, pin: str) -> None:
    name = fresh()
    create_key(token.reference(name), KeyKind.ED25519)
    (tmp_path / "pin").write_text(pin)
    code = (
        "import sys\nfrom tallystick.identity import open_key\n"
        "from tallystick.errors import DeniedError\n"
        "try:\n    open_key(sys.argv[1])\n"
        "except DeniedError as error:\n    print(error, error.advice, error.exit_code)\n"
    )
    # Another process: this one may be logged in, and then a token asks for no PIN.
    out = subprocess.run(
        [sys.executable, "-c", code, token.reference(name, tmp_path / "pin")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert out.stdout.endswith(" 5\n")
    assert PIN not in out.stdout
    assert not pin or pin not in out.stdout


def test_a_missing_pin_file_is_denied(token: Token, tmp_path: Path) -> None:
    uri = parse_uri(token.reference("a", tmp_path / "none").partition(":")[2])

    with pytest.raises(DeniedError, match="cannot be read"):
        pkcs11_token._pin(uri)


def test_many_threads_sign_with_one_key(token: Token) -> None:
    reference = token.reference(fresh())
    create_key(reference, KeyKind.ED25519)
    one, two = open_key(reference), open_key(reference)

    def sign(number: int) -> None:
        key, message = (one, two)[number % 2], b"%d" % number
        key.public.verify(key.sign(message), message)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(sign, range(300)))


def test_a_forked_child_signs_and_so_does_its_parent(token: Token) -> None:
    reference = token.reference(fresh())
    create_key(reference, KeyKind.P256)
    key = open_key(reference)
    key.sign(b"m")

    child = os.fork()
    if not child:
        try:
            for _ in range(2):
                key.public.verify(key.sign(b"child"), b"child")
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child never comes back into pytest
            os._exit(1)

    assert os.waitpid(child, 0)[1] == 0
    key.public.verify(key.sign(b"parent"), b"parent")


def test_a_lost_session_is_opened_once_again(token: Token) -> None:
    reference = token.reference(fresh())
    create_key(reference, KeyKind.ED25519)
    key = open_key(reference)
    assert isinstance(key, pkcs11_token.Pkcs11Key)

    key._session.close()

    key.public.verify(key.sign(b"m"), b"m")


def test_a_key_that_was_destroyed_is_not_found(token: Token) -> None:
    import pkcs11

    reference = token.reference(fresh())
    create_key(reference, KeyKind.ED25519)
    key = open_key(reference)
    assert isinstance(key, pkcs11_token.Pkcs11Key)
    module = pkcs11_token._module(key._uri.module)
    with module.turn:
        session = module.open(key._uri, rw=True)
        for found in list(session.get_objects({pkcs11.Attribute.LABEL: key._uri.object})):
            found.destroy()
        session.close()

    with pytest.raises(NotFoundError, match="no private key"):
        key.sign(b"m")


def test_a_module_that_is_none_is_away(tmp_path: Path) -> None:
    (tmp_path / "none.so").write_text("no library")

    with pytest.raises(UnavailableError, match="cannot be loaded"):
        open_key(f"pkcs11:token=t;object=o?module-path={tmp_path}/none.so&pin-source=file:/x")


def test_a_token_that_is_not_there_names_those_that_are(token: Token) -> None:
    reference = token.reference("a").replace("tally%20test", "other")

    with pytest.raises(UnavailableError, match=r"token 'other'.*'tally test'"):
        open_key(reference)


def test_a_reference_is_read_as_the_standard_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODULE, "/m.so")
    monkeypatch.setenv(PIN_FILE, "/pin")

    uri = parse_uri("token=My%20token;serial=DE%2D1;object=a%3Bb;id=%01%ff;slot-id=3;type=private")

    assert (uri.token, uri.serial, uri.object, uri.id, uri.slot) == (
        "My token", "DE-1", "a;b", b"\x01\xff", 3,
    )  # fmt: skip
    assert (uri.module, uri.pin_source) == ("/m.so", Path("/pin"))
    assert parse_uri("object=a?pin-source=file:///run/pin").pin_source == Path("/run/pin")


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("object=a?pin-value=1234", "a PIN does not stand in a reference"),
        ("token=a", "names the key by 'object' or 'id'"),
        ("object=a;type=cert", "names a private key"),
        ("object=a;object=b", "stands twice"),
        ("object=a;colour=red", "no attribute that is read here"),
        ("object=%ZZ", "begins no percent encoding"),
        ("object=%ff", "must be UTF-8"),
        ("object=a;slot-id=-1", "must be a number"),
        ("object=a?pin-source=pin", "ABSOLUTE"),
        ("object=a?pin-source=|prog", "ABSOLUTE"),
    ],
)
def test_a_reference_that_is_none_is_refused(
    rest: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODULE, "/m.so")

    with pytest.raises(InputError, match=says) as caught:
        parse_uri(rest)
    assert "1234" not in str(caught.value)


def test_a_reference_without_a_module_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODULE, raising=False)

    with pytest.raises(InputError, match="path of its module"):
        parse_uri("object=a")
