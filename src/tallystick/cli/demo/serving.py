"""The demonstration's servers: the service itself, and the model that stands behind its gateway."""

import socket
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Self

from tallystick.errors import UnavailableError

if TYPE_CHECKING:
    import uvicorn

START_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.01


class Background:
    """A server that runs in a thread of its own until it is closed."""

    def __init__(
        self,
        server: "uvicorn.Server",
        end: Callable[[], None],
        listening: socket.socket | None = None,
    ) -> None:
        """Start a server; `end` tells it to stop.

        Raises:
            UnavailableError: It did not start.
        """
        self._end = end
        sockets = [listening] if listening else None
        self._thread = Thread(target=server.run, args=(sockets,), name="demo-server", daemon=True)
        self._thread.start()
        _wait(server, self._thread)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._thread.join()


def serve_model(application: Any) -> tuple[Background, str]:
    """Serve an ASGI application on a free port of this machine; return its address, too."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)

    def end() -> None:
        server.should_exit = True

    address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    return Background(server, end, listening), address


def _wait(server: "uvicorn.Server", thread: Thread) -> None:
    waited, pause = 0.0, Event()
    while not server.started:
        if not thread.is_alive() or waited > START_SECONDS:
            raise UnavailableError("a server of the demonstration did not start")
        pause.wait(PAUSE_SECONDS)
        waited += PAUSE_SECONDS
