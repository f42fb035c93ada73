"""What commands say about what cannot be read, used or believed."""

import tomllib
from pathlib import Path

import pytest

from tallystick import errors
from tests.certificates import certificate
from tests.fault.test_kill import ROOT
from tests.unit.cli.running import Command, keep_passphrase, serving

SETTINGS = """
log_level = "loud"

[[upstreams]]
name = "lab"
urll = "http://127.0.0.1:9/v1"
models = "small-*"
idle_s = -1.0

[[upstreams]]
name = 7
url = "http://127.0.0.1:9/v1"
key_variable = ["sk-secret"]

[[routes]]
model = "a"
to = ["lab"]
retries = 99
"""


def test_every_fault_of_every_table_is_told_in_words(made: Command) -> None:
    Path("new.toml").write_text(SETTINGS)

    said = made("config", "check", "new.toml", code=1)

    for words in (
        "log_level is 'loud', expected one of 'debug', 'info', 'warning', 'error'",
        "upstreams, table 1: there is no field 'urll'",
        "did you mean 'url'?",
        "upstreams, table 1: url is missing, expected text",
        "upstreams, table 1: models is text, expected a list, each text",
        "upstreams, table 1: idle_s is a number, expected a number, above 0",
        "upstreams, table 2: name is a whole number, expected text",
        "upstreams, table 2: key_variable is a list, expected text",
        "routes, table 1: retries is 99, expected a whole number, at least 0, at most 5",
    ):
        assert words in said
    assert "Expected" not in said
    assert "sk-secret" not in said


@pytest.mark.parametrize("name", ["checkpoint", "tile/entries/000.p/4"])
def test_a_file_that_cannot_be_read_is_unreachable_and_no_damage(made: Command, name: str) -> None:
    made("fsck")
    path = made.home / "data/log" / name
    if not path.exists():
        [path] = sorted(path.parent.iterdir())[-1:]
    path.unlink()
    path.symlink_to(path.name)  # a loop: no user may read it, root neither

    made("fsck", code=4)

    assert str(path) in made.words


def test_a_service_on_every_address_names_one_that_can_be_used_and_its_certificate_can_be_believed(
    made: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_passphrase(made)
    chain, key = certificate(tmp_path / "tls")
    settings = ("--host", "0.0.0.0", "--port", 0, "--workers", 0)  # noqa: S104 - with TLS and keys
    with serving(
        made.home, "up", *map(str, settings), "--tls-certificate", str(chain), "--tls-key", str(key)
    ) as where:
        assert where["url"].startswith("https://127.0.0.1:")
        assert (made.home / "data/service").read_text().splitlines()[0] == where["url"]

        made("watch", "--url", where["url"], "--since", 0, "--limit", 1, code=1)
        assert "certificate of the service is not believed" in made.words
        assert "SSL_CERT_FILE" in made.words
        assert "tls=" not in made.words

        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert made("watch", "--url", where["url"], "--since", 0, "--limit", 1)
    assert "listening on all addresses of this machine" in where["words"]
    assert "there is no API key; tally keys api create NAME" in where["words"]


def test_every_module_is_in_the_extra_that_its_hint_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = {"sklearn": "scikit-learn", "pkcs11": "python-pkcs11"}
    for module, extra in errors._EXTRAS.items():
        assert any(one.startswith(named.get(module, module)) for one in extras[extra])
