"""Run a page: its console blocks in one shell session, its Python blocks in one namespace."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.docs.blocks import Block, Command, read_blocks

COMMAND_SECONDS_MAX = 100
READY_SECONDS_MAX = 30
DEFAULT_PORT = "8471"
_KEEP = '__code=$?; export -p > "$PAGE_STATE/env"; pwd > "$PAGE_STATE/cwd"; exit $__code'
_AGAIN = (
    'set -a; [ ! -e "$PAGE_STATE/env" ] || { . "$PAGE_STATE/env"; cd "$(cat "$PAGE_STATE/cwd")"; }'
)


class PageError(AssertionError):
    """A page says what is not so."""


class Page:
    """A page being run in a folder of its own; a service it starts ends with it."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder, self.state = path, folder / "page", folder / "state"
        self.folder.mkdir()
        self.state.mkdir()
        self.port = _free_port()
        self.namespace: dict[str, Any] = {"__name__": f"page_{path.stem}"}
        self.environment = _environment(self.folder, self.state, self.port)
        if "init --generate-passphrase" in path.read_text():
            del self.environment["TALLYSTICK_PASSPHRASE_FILE"]  # the page makes its own
        self._service: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._service is not None:
            self._service.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._service.wait(15)
            self._service.kill()
            self._service.wait()

    def run(self) -> list[str]:
        """Run all blocks in their order; return the reasons of those that were left out."""
        left_out = []
        for block in read_blocks(self.path):
            if block.word == "skip":
                left_out.append(f"line {block.line}: {block.argument}")
                continue
            if block.word == "needs" and self._lacks(block.argument):
                left_out.append(f"line {block.line}: no {block.argument}")
                continue
            if block.word == "service":
                self._start_service(block.argument)
            if block.kind == "console":
                self._console(block)
            else:
                self._python(block)
        return left_out

    def _lacks(self, program: str) -> bool:
        """Tell whether a program is missing; where nothing may be left out, that is an error."""
        if shutil.which(program) is not None:
            return False
        if os.environ.get("TALLYSTICK_CUSTODY") == "required":
            raise PageError(f"{self.path.name} needs {program}: run tests/custody/setup.sh")
        return True

    def _console(self, block: Block) -> None:
        commands = block.commands()
        code = int(block.argument) if block.word == "fails" else 0
        for command in commands:
            self._command(command, code if command is commands[-1] else 0)

    def _command(self, command: Command, code: int) -> None:
        script = f"{_AGAIN}\n{self._at_our_port(command.text)}\n{_KEEP}"
        done = _run(script, self.folder, self.environment)
        place = f"{self.path.name}, line {command.line}: $ {command.text}"
        written = done.stdout.decode(errors="replace")
        if done.returncode != code:
            raise PageError(f"{place}\nends with {done.returncode}, not {code}:\n{written}")
        expected = [self._at_our_port(line) for line in command.expected]
        if expected and not matches(expected, written):
            raise PageError(f"{place}\nwrites\n{written}\nand not\n" + "\n".join(expected))

    def _python(self, block: Block) -> None:
        wanted = block.argument if block.word == "fails" else ""
        # Empty lines before, so that a traceback shows the page's own line numbers.
        source = "\n" * block.line + self._at_our_port(block.body)
        try:
            exec(compile(source, str(self.path), "exec"), self.namespace)  # noqa: S102
        except Exception as error:
            if type(error).__name__ == wanted:
                return
            raise
        if wanted:
            raise PageError(f"{self.path.name}, line {block.line}: does not raise {wanted}")

    def _start_service(self, options: str) -> None:
        if self._service is not None:
            raise PageError(f"{self.path.name} starts the service twice")
        log = self.state / "service.log"
        with log.open("wb") as file:
            self._service = subprocess.Popen(
                ["bash", "-c", f"{_AGAIN}\nexec tally up {options}"],
                cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait_until_ready(log)

    def _wait_until_ready(self, log: Path) -> None:
        assert self._service is not None
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until and self._service.poll() is None:
            with suppress(OSError):
                address = f"http://127.0.0.1:{self.port}/readyz"
                with urllib.request.urlopen(address, timeout=1) as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.1)
        raise PageError(f"{self.path.name}: the service is not ready:\n{log.read_text()}")

    def _at_our_port(self, text: str) -> str:
        return re.sub(rf"(127\.0\.0\.1|localhost):{DEFAULT_PORT}\b", rf"\1:{self.port}", text)


def matches(expected: list[str], written: str) -> bool:
    """Tell whether a command wrote these lines, with `…` for anything, and no others."""
    lines = [r"(?:.*\n)*?" if line.strip() == "…" else _line(line) for line in expected]
    return re.fullmatch("".join(lines), "".join(f"{t.rstrip()}\n" for t in written.splitlines())) \
        is not None  # fmt: skip


def _line(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.rstrip().split("…")) + "\n"


def _run(
    script: str, folder: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[bytes]":
    """Run a script, bounded in time, with all that it started."""
    process = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        written, _ = process.communicate(timeout=COMMAND_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        written, _ = process.communicate()
        written += f"\n(killed after {COMMAND_SECONDS_MAX} s)\n".encode()
    return subprocess.CompletedProcess(script, process.returncode, written)


def _environment(folder: Path, state: Path, port: int) -> dict[str, str]:
    """Return an environment in which everything that is kept lies in the page's folder."""
    phrase = state / "passphrase"
    phrase.write_text("correct horse battery staple\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
        "HOME": str(folder),
        "PAGE_STATE": str(state),
        "TALLYSTICK_HOME": str(folder / "ledger"),
        "TALLYSTICK_PASSPHRASE_FILE": str(phrase),
        "TALLYSTICK_PORT": str(port),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
