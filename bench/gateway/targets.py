"""What the load is sent to: the upstream itself, LiteLLM, and any gateway given as a command.

A target is anything with a `name` and a `running(upstream_url)` that yields an `Endpoint`; write
one more class here, or give a command line to `python -m bench.gateway.compare --gateway`.
"""

import contextlib
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.peers.litellm import proxy
from bench.peers.process import ROOT, PeerError, free_port, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a target answers.

    Attributes:
        base_url: `http://127.0.0.1:PORT`; requests go to `/v1/chat/completions` under it.
        version: Release of the gateway.
        command: How it was started.
        key: Bearer token that clients send.
        group: Its process group, to count its CPU and memory; None where it is not ours.
    """

    base_url: str
    version: str
    command: str
    key: str = "sk-bench"
    group: int | None = None


class Target(Protocol):
    """A gateway that can be put in front of an upstream."""

    @property
    def name(self) -> str:
        """Short name for tables, for example `litellm-2w`."""

    def running(self, upstream_url: str) -> AbstractContextManager[Endpoint]:
        """Start in front of `upstream_url` (without `/v1`) and stop when the block ends."""


@dataclass(frozen=True, slots=True)
class Direct:
    """No gateway at all: what the others' figures are measured against."""

    name: str = "direct"

    @contextlib.contextmanager
    def running(self, upstream_url: str) -> Iterator[Endpoint]:
        yield Endpoint(base_url=upstream_url, version="-", command="none")


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """The LiteLLM proxy with a number of worker processes."""

    workers: int

    @property
    def name(self) -> str:
        return f"litellm-{self.workers}w"

    @contextlib.contextmanager
    def running(self, upstream_url: str) -> Iterator[Endpoint]:
        with proxy.running(upstream_url, self.workers) as ready:
            yield Endpoint(
                base_url=ready.base_url,
                version=ready.version,
                command=ready.command,
                key=ready.key,
                group=ready.group,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Any gateway that a command line starts: ours comes in by this door.

    Attributes:
        template: The command; `{port}`, `{upstream}` and `{folder}` are filled in. The folder is
            fresh, lies under `folder_parent`, and is removed afterwards.
        ready_path: Answers 200 once the gateway can be used.
        version: What to print as its release.
        key: Bearer token that clients send.
    """

    name: str
    template: str
    ready_path: str = "/v1/models"
    version: str = "-"
    key: str = "sk-bench"
    folder_parent: Path = ROOT / "bench" / "out"

    @contextlib.contextmanager
    def running(self, upstream_url: str) -> Iterator[Endpoint]:
        port = free_port()
        self.folder_parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="gateway-", dir=self.folder_parent) as folder:
            filled = self.template.format(port=port, upstream=upstream_url, folder=folder)
            base_url = f"http://127.0.0.1:{port}"
            with serving(
                shlex.split(filled),
                ready_url=base_url + self.ready_path,
                log=Path(folder, "log"),
                environment={},
            ) as group:
                yield Endpoint(
                    base_url=base_url,
                    version=self.version,
                    command=self.template,
                    key=self.key,
                    group=group,
                )


@contextlib.contextmanager
def load_upstream(arguments: list[str]) -> Iterator[str]:
    """Start the load upstream in a process of its own; yields its address."""
    command = [sys.executable, "-m", "bench.gateway.upstream", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise PeerError("the load upstream did not start")
            yield str(json.loads(line)["url"])
        finally:
            process.terminate()
