"""`tally` in this process, and as one of its own where it serves until it is told to end."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.app import run

START_SECONDS = 60


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a command that serves; yield the line of JSON that says where, and end it.

    Afterwards `words` in it is what the command wrote to standard error.
    """
    command = [sys.executable, "-m", "tallystick", "--home", str(home), *arguments, "--json"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        killer = threading.Timer(START_SECONDS, process.kill)
        killer.start()
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            where = json.loads(line)
            yield where
        finally:
            process.send_signal(signal.SIGTERM)
            _, words = process.communicate()
            killer.cancel()
        where["words"] = words
        assert process.returncode == 0, words


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own service
        return json.loads(response.read())


def post(url: str, body: object, **headers: str) -> tuple[Any, dict[str, str]]:
    request = urllib.request.Request(  # noqa: S310 - our own service
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return json.loads(response.read()), dict(response.headers)


class Command:
    """Runs `tally` in this process."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys
        self.words = ""

    def __call__(self, *arguments: object, code: int = 0) -> str:
        """Run, check the exit code, and return standard output."""
        seen = run(["--home", str(self.home), *map(str, arguments)])
        out, self.words = self.capsys.readouterr()
        assert seen == code, (seen, out, self.words)
        return out.strip()

    def json(self, *arguments: object, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


def keep_passphrase(command: Command) -> None:
    """Put the passphrase into the ledger's folder, for a service that is started beside it."""
    path = command.home / "passphrase"
    path.write_bytes(Path(os.environ["TALLYSTICK_PASSPHRASE_FILE"]).read_bytes())
    path.chmod(0o600)
