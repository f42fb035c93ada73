"""A real TCP proxy between client and service, which loses what a test wants lost."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

WAIT_SECONDS = 20


@dataclass
class Proxy:
    """What goes through, and what is to be lost.

    Attributes:
        url: Where it listens.
        requests: What each connection sent.
        answers_lost: Connections from now on whose answer is thrown away, once it has come.
        cut_after: Bytes of an answer after which a connection is cut; None for none.
        cuts: How many connections were cut.
    """

    url: str
    requests: list[bytes] = field(default_factory=list)
    answers_lost: int = 0
    cut_after: int | None = None
    cuts: int = 0


@contextmanager
def proxied(target: tuple[str, int]) -> Iterator[Proxy]:
    """Run a proxy before a service."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        proxy = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}")
        accepting = threading.Thread(target=_accept, args=(listener, target, proxy), daemon=True)
        accepting.start()
        yield proxy


def _accept(listener: socket.socket, target: tuple[str, int], proxy: Proxy) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_carry, args=(line, target, proxy), daemon=True).start()


def _carry(line: socket.socket, target: tuple[str, int], proxy: Proxy) -> None:
    number = len(proxy.requests)
    proxy.requests.append(b"")
    lose = proxy.answers_lost > 0
    proxy.answers_lost -= lose
    with closing(line), closing(socket.create_connection(target, WAIT_SECONDS)) as service:
        line.settimeout(WAIT_SECONDS)

        def note(data: bytes) -> None:
            proxy.requests[number] += data
            service.sendall(data)

        there = threading.Thread(target=_copy, args=(line, note), daemon=True)
        there.start()
        left = proxy.cut_after
        with suppress(OSError):
            while data := service.recv(1 << 16):
                if lose:
                    break
                if left is not None and len(data) >= left:
                    line.sendall(data[:left])
                    proxy.cuts += 1
                    break
                left = None if left is None else left - len(data)
                line.sendall(data)
        for end in (line, service):  # wakes whoever still waits for it
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, sink: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink(data)
