"""A server that answers every connection with given bytes, whatever it is asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

WAIT_SECONDS = 20


@dataclass
class Answering:
    """What is answered, connection by connection; the last one again and again."""

    url: str
    answers: list[bytes]
    asked: list[bytes] = field(default_factory=list)


def http(status: str, body: object = b"", **headers: str) -> bytes:
    """Return an answer of our API version, in JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"tallystick-api": "1", "content-length": str(len(data)), **given}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + data


def problem(code: str, line: str, **members: Any) -> bytes:
    content = {"type": f"urn:tallystick:error:{code}", "title": "t", "detail": "d", **members}
    return http(line, content, content_type="application/problem+json")


@contextmanager
def answering(*answers: bytes) -> Iterator[Answering]:
    """Run it; an answer that is empty closes the connection without one."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        state = Answering(f"http://127.0.0.1:{listener.getsockname()[1]}", list(answers))
        threading.Thread(target=_accept, args=(listener, state), daemon=True).start()
        yield state


def _accept(listener: socket.socket, state: Answering) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            with closing(line), suppress(OSError):
                line.settimeout(WAIT_SECONDS)
                state.asked.append(_request(line))
                line.sendall(state.answers[0] if len(state.answers) == 1 else state.answers.pop(0))


def _request(line: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += (piece := line.recv(1 << 16))
        if not piece:
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(one.lower().split(b": ", 1) for one in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", b"0")):
        body += line.recv(1 << 16)
    return head + b"\r\n\r\n" + body
