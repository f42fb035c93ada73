"""Without the optional libraries: a word about what to install, and nothing half made."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from tallystick.cli.app import main
main({arguments!r})
"""


def tally(missing: set[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(missing=missing, arguments=[str(a) for a in arguments])
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ({"httptools"}, ["up", "--generate-passphrase"], "web"),
        ({"starlette"}, ["up", "--generate-passphrase"], "web"),
        ({"uvicorn", "starlette", "httptools"}, ["demo", "--exit"], "web"),
        ({"sklearn", "numpy"}, ["demo", "--exit"], "ai"),
        ({"h11"}, ["watch", "--url", "http://127.0.0.1:1"], "client"),
    ],
)
def test_what_is_not_installed_is_named_and_nothing_is_made(
    tmp_path: Path, missing: set[str], command: list[str], extra: str
) -> None:
    done = tally(missing, "--home", tmp_path / "home", *command)

    assert done.returncode == 2, done.stderr
    assert f"pip install 'tallystick[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_signing_in_needs_its_own_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYSTICK_OIDC_ISSUER", "https://login.example")
    monkeypatch.setenv("TALLYSTICK_OIDC_CLIENT_ID", "tally")
    home = ["--home", tmp_path / "home"]

    for command in (["up", "--generate-passphrase"], ["config", "check"]):
        done = tally({"joserfc"}, *home, *command)
        assert done.returncode in {1, 2}, done.stderr
        assert "pip install 'tallystick[oidc]'" in done.stderr + done.stdout
        assert not (tmp_path / "home").exists()


def test_the_core_needs_none_of_them(tmp_path: Path) -> None:
    missing = {"starlette", "uvicorn", "httptools", "uvloop", "h11", "sklearn", "numpy", "nacl"}
    missing |= {"opentelemetry", "joserfc"}
    home = ["--home", tmp_path / "home"]

    made = tally(missing, *home, "init", "--generate-passphrase", "--allow", "document=person")
    assert made.returncode == 0, made.stderr
    assert tally(missing, *home, "keys", "create", "ada", "--kind", "person").returncode == 0
    told = tally(missing, *home, "register", "--as", "ada", "--type", "document", "--field", "a=1")
    assert told.returncode == 0, told.stderr
    assert tally(missing, *home, "keys", "api", "create", "ada").returncode == 0
    assert tally(missing, *home, "fsck", "--deep").returncode == 0
