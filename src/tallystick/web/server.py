"""Serve until told to end: no longer ready, no longer accepting, finished, closed."""

import gc
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from signal import SIGINT
from time import monotonic
from types import FrameType
from typing import Final

import msgspec
import uvicorn

from tallystick.errors import UnavailableError
from tallystick.web import activation
from tallystick.web.answers import App
from tallystick.web.app import application
from tallystick.web.load import Load
from tallystick.web.protocol import LimitedProtocol
from tallystick.web.service import Served, Service
from tallystick.web.settings import Settings

BACKLOG: Final = 512
"""Connections that wait to be accepted."""
EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is looked up
"""What listens on all addresses of a machine, and the one of them that it has for itself."""
SWITCH_SECONDS: Final = 0.001
"""How long a thread may compute before another one gets its turn: the event loop must not wait
for the 5 ms that Python gives by default."""
GC_OBJECTS: Final = 20_000
"""Objects made between two searches for cycles: a batch of statements makes thousands, which form
none, and live until they are in files."""

_log = logging.getLogger(__name__)


def serve(
    first: Served,
    further: Mapping[str, Served | None] | None = None,
    *,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve ledgers until SIGTERM or SIGINT, then close them.

    Args:
        first: At the root of the address; its settings say where and how to listen.
        further: Under `/ledgers/NAME`, by name; None for one that could not be opened.
        on_listening: Called with the service's address once it accepts connections.

    Raises:
        InputError: The settings would expose the service without protection.
        UnavailableError: The address is taken.
        KeyboardInterrupt: A second SIGINT cut off what was under way; the ledgers are closed.
    """
    try:
        server = Server(first, further, on_listening=on_listening)
        server.run()
        if server.force_exit:
            raise KeyboardInterrupt
    finally:
        for one in filter(None, (*(further or {}).values(), first)):
            one.ledger.close()


class Server(uvicorn.Server):
    """A running service; `stop` may be called from any thread."""

    def __init__(
        self,
        first: Served,
        further: Mapping[str, Served | None] | None = None,
        *,
        on_listening: Callable[[str], None] | None = None,
    ) -> None:
        """Take the address, or the socket that a supervisor hands in; connections wait until `run`.

        Raises:
            InputError: The settings would expose the service without protection.
            UnavailableError: The address is taken.
        """
        handed, settings = activation.inherited_socket(os.environ), first.settings
        if handed is not None:
            settings = activation.at_address_of(handed, settings)
        _check_exposure(settings, first, further or {})
        self._socket = _listen(settings) if handed is None else handed
        self.service = _services(replace(first, settings=settings), further or {})
        self._on_listening = on_listening
        self._end_at: float | None = None
        super().__init__(_config(application(self.service, first, further or {}), settings))

    @property
    def url(self) -> str:
        """The service's address, as somebody on this machine can use it."""
        settings = self.service.settings
        scheme = "http" if settings.tls_certificate is None else "https"
        host = EVERY_ADDRESS.get(settings.host, settings.host)
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{self._socket.getsockname()[1]}"

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to end."""
        before = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()
        gc.set_threshold(GC_OBJECTS, *before[1][1:])
        try:
            super().run(sockets or [self._socket])
        finally:
            sys.setswitchinterval(before[0])
            gc.set_threshold(*before[1])
            gc.unfreeze()
            self._socket.close()
            self.service.load.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            for one in self.service.all():
                one.telling.start()
            activation.notify(activation.READY)
            if self._on_listening is not None:
                self._on_listening(self.url)

    async def on_tick(self, counter: int) -> bool:
        """Tell whether it is time to end."""
        ended = await super().on_tick(counter)
        return ended or (self._end_at is not None and monotonic() >= self._end_at)

    def stop(self) -> None:
        """Say that the service is not ready any more, and end soon."""
        for one in self.service.all():
            one.closing = True
        activation.notify(activation.STOPPING)
        if self._end_at is None:
            self._end_at = monotonic() + self.service.settings.drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End on a signal; at once on a second ^C. The signal is not raised again afterwards."""
        if self._end_at is not None and sig == SIGINT:
            self._end_at, self.force_exit = 0, True
            # What is cut off now raises wherever it stands, and is no news to whoever asked for it.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.stop()


def _check_exposure(
    settings: Settings, first: Served, further: Mapping[str, Served | None]
) -> None:
    """Refuse to let others reach a ledger without encryption and API keys.

    Raises:
        InputError: Something is missing.
    """
    settings.check_exposure(keys=first.authorize is not None)
    for one in filter(None, further.values()):
        reached = msgspec.structs.replace(one.settings, host=settings.host)
        reached.check_exposure(keys=one.authorize is not None)


def _services(first: Served, further: Mapping[str, Served | None]) -> Service:
    load = Load(first.settings)
    others = {name: None if one is None else Service(one, load) for name, one in further.items()}
    return Service(first, load, others)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {settings.host} port {settings.port}: "
            f"{os.strerror(error.errno) if error.errno else error}",
            advice="is the service running already? Choose another port with `--port`",
        ) from error


def _config(app: App, settings: Settings) -> uvicorn.Config:
    protocol = type("Protocol", (LimitedProtocol,), {"send_seconds_max": settings.send_seconds_max})
    return uvicorn.Config(
        app,
        loop="auto",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds_max,
        timeout_graceful_shutdown=settings.shutdown_seconds_max,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
