"""Importing the package costs nothing; without h11 a word says what to install."""

import subprocess
import sys

import pytest

import tallystick


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing() -> None:
    heavy = ("h11", "cbor2", "msgspec", "cryptography", "ssl", "asyncio", "tallystick.client")
    loaded = run(f"import sys, tallystick; print([m for m in {heavy!r} if m in sys.modules])")

    assert loaded.strip() == "[]"


def test_the_client_loads_neither_ledger_nor_service() -> None:
    rooms = ("ledger", "log", "web", "vault", "evidence", "capture")
    loaded = run(
        "import sys, tallystick; tallystick.connect('http://127.0.0.1:1')\n"
        f"print([m for m in {rooms!r} if 'tallystick.' + m in sys.modules])"
    )

    assert loaded.strip() == "[]"


def test_without_h11_a_word_says_what_to_install() -> None:
    told = run(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'h11':\n"
        "            raise ModuleNotFoundError(name='h11')\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import tallystick\n"
        "from tallystick.errors import MissingExtraError\n"
        "try:\n"
        "    tallystick.connect('http://127.0.0.1:1')\n"
        "except MissingExtraError as error:\n"
        "    print(error, error.advice)\n"
    )

    assert "pip install 'tallystick[client]'" in told


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'disconnect'"):
        getattr(tallystick, "disconnect")  # noqa: B009 - as whoever misspells it
    assert set(tallystick.__all__) == {
        *("__version__", "connect", "connect_async", "record", "recording")
    }
