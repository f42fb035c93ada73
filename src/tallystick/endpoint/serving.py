"""Run the endpoint: here until it is told to end, or in a process of its own beside a service.

Beside a service it runs in another process, so that its arithmetic never holds up the service's
event loop. The service takes the address before the process starts: whoever connects meanwhile
waits. The process ends when the service closes the pipe or dies, however it dies.
"""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Lock, Thread
from types import FrameType
from typing import Final, Self

import uvicorn

from tallystick.endpoint.app import endpoint_app
from tallystick.endpoint.work import ServedModel
from tallystick.errors import UnavailableError

HOST: Final = "127.0.0.1"
"""The endpoint asks nobody who he is, so only this machine reaches it."""
BACKLOG: Final = 256
GRACE_SECONDS: Final = 2
CLOSE_SECONDS_MAX: Final = 10
SWITCH_SECONDS: Final = 0.0005
"""How long the thread that computes may keep the event loop waiting."""
RESTART_SECONDS: Final = 1.0
"""From the end of a process that died to the start of the next."""
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Matrices this small are slower with more threads, which the service needs itself."""


_log = logging.getLogger(__name__)


def listen(port: int) -> socket.socket:
    """Take an address on this machine; 0 takes a free port.

    Raises:
        UnavailableError: It is taken.
    """
    try:
        return socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {HOST} port {port}: {error.strerror or error}",
            advice="choose another port",
        ) from error


def url_of(listening: socket.socket) -> str:
    """Return what clients are given as base URL."""
    return f"http://{HOST}:{listening.getsockname()[1]}/v1"


def serve(
    models: Sequence[ServedModel],
    listening: socket.socket,
    on_listening: Callable[[], None] | None = None,
) -> None:
    """Serve models until SIGINT or SIGTERM."""
    _run(_Server(_config(models), on_listening), listening)


class EndpointProcess:
    """The small model behind an address of its own, until it is closed.

    Its process is started by the first who connects, for many never ask it, and again by the first
    who connects after it died. A thread waits for them.

    Attributes:
        url: Its address, the same for all its processes.
        restarts: How often it was started again.
    """

    def __init__(self) -> None:
        """Take an address; the first answer comes some 300 ms later than others.

        Raises:
            UnavailableError: There is no free port.
        """
        self._listening = listen(0)  # kept, so that the address stays when a process dies
        self.url, self.restarts = url_of(self._listening), 0
        self._closing, self._wake = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = Lock()
        self._watching = Thread(target=self._watch, name="tallystick-endpoint", daemon=True)
        self._watching.start()

    @property
    def running(self) -> bool:
        """Whether somebody asked for it, and it has not ended."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        with self._starting:
            os.close(self._wake)
            if self._process is not None:
                _end(self._process)
        self._watching.join()
        os.close(self._closing)
        self._listening.close()

    def _watch(self) -> None:
        """Start it whenever somebody waits for it, not more often than now and then."""
        while process := self._start_when_asked():
            code = process.wait()
            if _readable([self._closing], RESTART_SECONDS):
                return
            _end(process)
            _log.warning("the small model's process ended with %d; whoever asks starts it", code)
            self.restarts += 1

    def _start_when_asked(self) -> subprocess.Popen[bytes] | None:
        """Return its process once somebody connected; None if it is closed before."""
        _readable([self._listening, self._closing], None)
        with self._starting:
            if _readable([self._closing], 0):
                return None
            self._process = self._start()
            return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(folder for folder in sys.path if folder)
        descriptor = self._listening.fileno()
        return subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-c", f"from {__name__} import main; main({descriptor})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
            process_group=0,  # the terminal's ^C is the owner's business
        )


def _readable(these: Sequence[socket.socket | int], seconds: float | None) -> bool:
    """Tell whether any can be read from, or is at its end, within a time."""
    with DefaultSelector() as selector:
        for one in these:
            selector.register(one, EVENT_READ)
        return bool(selector.select(seconds))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process end, which it does when its standard input does."""
    assert process.stdin is not None  # noqa: S101 - a pipe
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(CLOSE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(descriptor: int) -> None:
    """Serve the small model on an open socket until standard input ends."""
    from tallystick.endpoint.small_lm import load_small_lm

    server = _OwnedServer(_config([load_small_lm()]))
    Thread(target=server.end_with, args=(sys.stdin.buffer.fileno(),), daemon=True).start()
    _run(server, socket.socket(fileno=descriptor))


class _Server(uvicorn.Server):
    """Says when it accepts connections."""

    def __init__(
        self, config: uvicorn.Config, on_listening: Callable[[], None] | None = None
    ) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_listening is not None:
            self._on_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End; at once on a second signal. It is not raised again afterwards."""
        self.force_exit, self.should_exit = self.should_exit, True


class _OwnedServer(_Server):
    """Ends with its owner and by nothing else: the terminal's ^C is the owner's business."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave signals alone."""

    def end_with(self, descriptor: int) -> None:
        """End when a pipe ends."""
        while os.read(descriptor, 1):
            pass
        self.should_exit = True


def _config(models: Sequence[ServedModel]) -> uvicorn.Config:
    return uvicorn.Config(
        endpoint_app(models),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        server.run(sockets=[listening])
    finally:
        sys.setswitchinterval(before)
        listening.close()
