"""Settings: file < environment < flags; what is unknown or wrong names its place."""

import os
from pathlib import Path

import pytest

from tallystick.errors import EncodingError, InputError, TallystickError, UnavailableError
from tallystick.web import Settings, load_settings
from tests.unit.web.served import served, serving


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tallystick.toml"


def test_without_any_source_the_defaults_hold() -> None:
    settings = load_settings()

    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8471)
    assert settings.workers == os.cpu_count()


def test_flags_win_over_the_environment_and_that_over_the_file(file: Path) -> None:
    file.write_text("port = 1\nworkers = 1\nentries_max = 1\n")
    environ = {"TALLYSTICK_PORT": "2", "TALLYSTICK_WORKERS": "2", "OTHER_PORT": "9"}

    settings = load_settings(file, environ, {"port": 3, "workers": None})

    assert (settings.port, settings.workers, settings.entries_max) == (3, 2, 1)


def test_every_setting_can_be_set_in_the_environment() -> None:
    environ = {
        "TALLYSTICK_SHOW_CONTENT": "true",
        "TALLYSTICK_TLS_KEY": "key.pem",
        "TALLYSTICK_PUBLISH_SECONDS": "0.5",
        "TALLYSTICK_PUBLIC_URL": "https://log.example",
    }

    settings = load_settings(None, environ)

    assert settings.show_content is True
    assert settings.tls_key == Path("key.pem")
    assert settings.publish_seconds == 0.5
    assert settings.public_url == "https://log.example"


def test_a_path_in_the_file_is_relative_to_the_file(file: Path) -> None:
    file.write_text('tls_key = "key.pem"\nhead = "/elsewhere/head"\n')

    settings = load_settings(file)

    assert settings.tls_key == file.parent / "key.pem"
    assert settings.head == Path("/elsewhere/head")


def test_a_file_that_is_not_there_says_nothing(file: Path) -> None:
    assert load_settings(file) == Settings()


def test_folder_and_passphrase_are_no_settings() -> None:
    environ = {"TALLYSTICK_HOME": "here", "TALLYSTICK_PASSPHRASE_FILE": "there"}

    assert load_settings(None, environ) == Settings()


@pytest.mark.parametrize(
    ("text", "place", "words", "advice"),
    [
        ("prot = 1", "tallystick.toml", "no setting 'prot'", "did you mean 'port'?"),
        ("zzz = 1", "tallystick.toml", "no setting 'zzz'", "settings: host, port"),
        ("[server]\nport = 1", "tallystick.toml", "no setting 'server'", ""),
        ("port = '1'", "tallystick.toml", "port is '1': Expected `int", ""),
        ("port = 65536", "tallystick.toml", "port is 65536", ""),
        ("workers = -1", "tallystick.toml", "workers is -1", ""),
        ("entries_max = 0", "tallystick.toml", "entries_max is 0", ""),
        ("publish_seconds = 0", "tallystick.toml", "publish_seconds is 0", ""),
        ("show_content = 1", "tallystick.toml", "show_content is 1", ""),
        ("head = 1", "tallystick.toml", "head is 1", ""),
    ],
)
def test_what_is_wrong_in_the_file_is_said(
    file: Path, text: str, place: str, words: str, advice: str
) -> None:
    file.write_text(text)

    with pytest.raises(InputError) as raised:
        load_settings(file)

    assert place in str(raised.value)
    assert words in str(raised.value)
    assert advice in (raised.value.advice or "")


def test_what_is_wrong_elsewhere_names_variable_or_flag() -> None:
    with pytest.raises(InputError, match=r"environment, TALLYSTICK_PROT: there is no setting"):
        load_settings(None, {"TALLYSTICK_PROT": "1"})
    with pytest.raises(InputError, match=r"environment, TALLYSTICK_PORT: port is 'x'"):
        load_settings(None, {"TALLYSTICK_PORT": "x"})
    with pytest.raises(InputError, match=r"--body-bytes-max: body_bytes_max is 'x'"):
        load_settings(None, {}, {"body_bytes_max": "x"})


def test_a_file_that_is_no_toml_is_refused(file: Path) -> None:
    file.write_text("port =")

    with pytest.raises(EncodingError, match="not a readable TOML file"):
        load_settings(file)


@pytest.mark.parametrize(
    ("settings", "keys", "missing"),
    [
        (Settings(host="0.0.0.0"), False, "tls_certificate and tls_key and API keys"),  # noqa: S104
        (Settings(host="0.0.0.0"), True, "needs tls_certificate and tls_key"),  # noqa: S104
        (Settings(host="::"), True, "needs tls_certificate and tls_key"),
        (Settings(host="log.example"), True, "needs tls_certificate and tls_key"),
        (
            Settings(host="192.0.2.1", tls_certificate=Path("c"), tls_key=Path("k")),
            False,
            "needs API keys",
        ),
        (Settings(tls_certificate=Path("c")), True, "set together"),
        (Settings(require_key=True), False, "nobody who knows API keys"),
    ],
)
def test_another_address_demands_encryption_and_keys(
    settings: Settings, keys: bool, missing: str
) -> None:
    with pytest.raises(InputError, match=missing):
        settings.check_exposure(keys=keys)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_demands_nothing(host: str) -> None:
    Settings(host=host).check_exposure(keys=False)


def test_a_server_does_not_begin_to_listen_where_it_would_be_exposed(tmp_path: Path) -> None:
    with (
        served(tmp_path) as client,
        pytest.raises(InputError, match="can be reached from other machines"),
        serving(client.ledger, host="0.0.0.0"),  # noqa: S104
    ):
        pass


def test_an_address_that_is_taken_is_said_with_advice(tmp_path: Path) -> None:
    def again() -> TallystickError:
        with pytest.raises(UnavailableError) as raised, serving(client.ledger, port=port):
            pass
        return raised.value

    with served(tmp_path) as client:
        port = client.address[1]
        error = again()

    assert f"cannot listen on 127.0.0.1 port {port}" in str(error)
    assert "port" in (error.advice or "")
