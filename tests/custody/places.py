"""Places that keep keys: how each is named, put out of reach, and made to deny.

Without what `tests/custody/setup.sh` installs a test is skipped, or fails if the environment says
`TALLYSTICK_CUSTODY=required`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
MODULES: Final = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)
PIN: Final = "73915"
PASSPHRASE: Final = b"a passphrase of this test"


class Place(Protocol):
    """One kind of place."""

    def reference(self, name: str) -> str:
        """Return the reference of a key in it."""
        ...

    def away(self) -> AbstractContextManager[None]:
        """Put the place out of reach for a while."""
        ...

    def secrets(self) -> list[str]:
        """Return what must be said nowhere."""
        ...


def need(program: str) -> str:
    """Return where a program is; without it the test is skipped, or fails in CI."""
    found = shutil.which(program)
    if found is None:
        absent(f"no {program}: run tests/custody/setup.sh")
    return str(found)


def absent(word: str) -> None:
    """Skip, or fail where nothing may be left out."""
    if os.environ.get("TALLYSTICK_CUSTODY") == "required":
        pytest.fail(word)
    pytest.skip(word)


class KeyFilePlace:
    """A key file of its own, on a disk that can be taken out."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk

    def reference(self, name: str) -> str:
        return f"file:{self.disk}/keys#{name}"

    @contextmanager
    def away(self) -> Iterator[None]:
        self.disk.rename(self.disk.with_name("taken out"))
        try:
            yield
        finally:
            self.disk.with_name("taken out").rename(self.disk)

    def secrets(self) -> list[str]:
        return [PASSPHRASE.decode()]


class Token:
    """A token of SoftHSM."""

    def __init__(self, folder: Path, module: Path) -> None:
        self.tokens, self.pin_file, self._module = folder / "tokens", folder / "pin", module
        self.label = "tally test"

    def reference(self, name: str, pin_file: Path | None = None) -> str:
        token = self.label.replace(" ", "%20")
        pin = pin_file or self.pin_file
        return (
            f"pkcs11:token={token};object={name}?module-path={self._module}&pin-source=file:{pin}"
        )

    @contextmanager
    def away(self) -> Iterator[None]:
        pulled = self.tokens.with_name("pulled")
        self.tokens.rename(pulled)
        self.tokens.mkdir()
        try:
            yield
        finally:
            self.tokens.rmdir()
            pulled.rename(self.tokens)

    def secrets(self) -> list[str]:
        return [PIN]


@contextmanager
def token(folder: Path) -> Iterator[Token]:
    """Make a token, and let this process and its children find it."""
    program = need("softhsm2-util")
    module = next((path for path in MODULES if path.exists()), None)
    if module is None:
        absent("no libsofthsm2.so: run tests/custody/setup.sh")
        raise AssertionError
    made = Token(folder, module)
    made.tokens.mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {made.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    made.pin_file.write_text(PIN + "\n")
    with _set(SOFTHSM2_CONF=str(configuration)):
        subprocess.run(
            [program, "--init-token", "--free", "--label", made.label, "--so-pin", "5937",
             "--pin", PIN], check=True, capture_output=True,
        )  # fmt: skip
        yield made


class DesktopKeyring:
    """GNOME Keyring: the Secret Service that desktops have."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reference(self, name: str) -> str:
        return f"keyring:tallystick-test/{name}"

    @contextmanager
    def away(self) -> Iterator[None]:
        with _set(DBUS_SESSION_BUS_ADDRESS=f"unix:path={self._folder}/nothing"):
            yield

    def secrets(self) -> list[str]:
        return ["the password of the keyring"]


@contextmanager
def desktop_keyring(folder: Path) -> Iterator[DesktopKeyring]:
    """Start a D-Bus and a keyring on it, unlocked."""
    daemon, bus_program = need("gnome-keyring-daemon"), need("dbus-daemon")
    run = folder / "run"
    run.mkdir(mode=0o700)
    bus = subprocess.Popen(
        [bus_program, "--session", "--nofork", "--print-address", f"--address=unix:dir={run}"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert bus.stdout is not None
    address = bus.stdout.readline().strip()
    bus.stdout.close()
    environment = {
        "DBUS_SESSION_BUS_ADDRESS": address,
        "XDG_RUNTIME_DIR": str(run),
        "XDG_DATA_HOME": str(folder / "data"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
    }
    try:
        with _set(**environment):
            keyring = subprocess.Popen(
                [daemon, "--foreground", "--unlock", "--components=secrets"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert keyring.stdin is not None
            keyring.stdin.write(b"the password of the keyring")
            keyring.stdin.close()
            try:
                _wait_for_keyring(folder)
                yield DesktopKeyring(folder)
            finally:
                keyring.terminate()
                keyring.wait(10)
    finally:
        bus.terminate()
        bus.wait(10)


def _wait_for_keyring(folder: Path) -> None:
    """Wait until the keyring is made: whoever asks earlier has it ask a person for another one."""
    import keyring

    keyring.core.init_backend()
    made = folder / "data" / "keyrings" / "login.keyring"
    deadline = time.monotonic() + 10
    while not made.exists():
        if time.monotonic() > deadline:
            absent("GNOME Keyring makes no keyring")
        time.sleep(0.05)
    keyring.get_password("tallystick-test", "nobody")


class KeyService:
    """The signing service of the examples, through the plug-in that is installed."""

    def __init__(self, port: int, token_file: Path) -> None:
        self.port, self.token_file = port, token_file

    def reference(self, name: str) -> str:
        return f"example-kms:127.0.0.1:{self.port}/{name}"

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let it be stopped: connections are not answered."""
        import signal

        os.kill(self.process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process, signal.SIGCONT)

    def secrets(self) -> list[str]:
        return [self.token_file.read_text().strip()]

    process: int = 0


@contextmanager
def key_service(folder: Path) -> Iterator[KeyService]:
    """Install the plug-in as a package, and start the service."""
    site = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-build-isolation", "--no-index", "--target", site,
         _copied(folder)], check=True, capture_output=True,
    )  # fmt: skip
    token_file = folder / "token"
    token_file.write_text("t0ken-of-the-service\n")
    server = subprocess.Popen(
        [sys.executable, ROOT / "examples" / "kms" / "server.py", "--port", "0",
         "--token-file", token_file], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    made = KeyService(int(server.stdout.readline()), token_file)
    server.stdout.close()
    made.process = server.pid
    sys.path.insert(0, str(site))
    path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    try:
        with _set(EXAMPLE_KMS_TOKEN_FILE=str(token_file), PYTHONPATH=path):
            yield made
    finally:
        sys.path.remove(str(site))
        server.kill()
        server.wait(10)


def _copied(folder: Path) -> Path:
    """Copy the example, so that building it writes nothing into the tree."""
    return Path(shutil.copytree(ROOT / "examples" / "kms", folder / "source"))


@contextmanager
def _set(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
