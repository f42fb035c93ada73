"""A load upstream: speaks the OpenAI API, answers from memory, costs next to no CPU.

It is a load upstream for measuring what a gateway adds and nothing else: there is no model, the
answer is always the same numbered words, and `"stream":true` is looked for in the raw request
body. It listens on loopback only.

    python -m bench.gateway.upstream --answer-bytes 4096 --parts 32 --delay-ms 0

prints one JSON line `{"url": ..., "pid": ...}` when it is ready and serves until SIGTERM.
`GET /bench/stats` tells its own requests, CPU seconds and peak resident bytes so far.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
from typing import Any

import httptools
import uvloop
from typing_extensions import override

from bench.gateway import answers
from bench.gateway.answers import AnswerShape

_JSON = b"application/json"
_EVENTS = b"text/event-stream; charset=utf-8"


class Canned:
    """Every byte the upstream ever sends, made once.

    Attributes:
        delay_s: Time before the first byte of a chat answer.
        gap_s: Time between two events of a stream; with none they leave in one write.
    """

    def __init__(self, shape: AnswerShape, *, delay_s: float, gap_s: float) -> None:
        self.delay_s = delay_s
        self.gap_s = gap_s
        self.requests = 0
        self.completion = whole(answers.completion(shape))
        self.models = whole(answers.models())
        self.embeddings = whole(answers.embeddings())
        self.missing = whole(b'{"error":{"message":"no such path"}}', status=b"404 Not Found")
        self.streams = {usage: _stream(shape, with_usage=usage) for usage in (False, True)}
        self.joined = {usage: b"".join(parts) for usage, parts in self.streams.items()}

    def stats(self) -> bytes:
        """Return requests served, CPU seconds and peak resident bytes of this process as JSON."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "requests": self.requests,
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_rss_bytes": used.ru_maxrss * 1024,
        }
        return whole(json.dumps(figures).encode())


def whole(body: bytes, *, status: bytes = b"200 OK") -> bytes:
    """Return a response with its real length."""
    return _head(status, _JSON, b"Content-Length: %d" % len(body)) + body


def _stream(shape: AnswerShape, *, with_usage: bool) -> list[bytes]:
    """Return a chunked response: the head, one chunk per event, and the closing chunk."""
    events = answers.completion_events(shape, with_usage=with_usage)
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    chunks[-1] += b"0\r\n\r\n"
    head = _head(b"200 OK", _EVENTS, b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked")
    return [head + chunks[0], *chunks[1:]]


def _head(status: bytes, kind: bytes, rest: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\n%b\r\n\r\n" % (status, kind, rest)


class Connection(asyncio.Protocol):
    """One client connection, kept alive until the client closes it."""

    def __init__(self, canned: Canned) -> None:
        self.canned = canned
        self.transport: Any = None
        self.parser = httptools.HttpRequestParser(self)
        self.path = b""
        self.body = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        self.path = self.body = b""

    def on_url(self, url: bytes) -> None:
        self.path += url

    def on_body(self, body: bytes) -> None:
        self.body = body if not self.body else self.body + body

    def on_message_complete(self) -> None:
        canned, path = self.canned, self.path.partition(b"?")[0]
        if path == b"/v1/chat/completions":
            canned.requests += 1
            self.answer_chat()
        elif path == b"/v1/embeddings":
            canned.requests += 1
            self.transport.write(canned.embeddings)
        elif path == b"/bench/stats":
            self.transport.write(canned.stats())
        else:
            self.transport.write(canned.models if path == b"/v1/models" else canned.missing)

    def answer_chat(self) -> None:
        """Answer at once or after the delay; a stream with gaps sends its events one by one."""
        body, canned = self.body, self.canned
        if not (b'"stream":true' in body or b'"stream": true' in body):
            self.later([canned.completion])
            return
        usage = b'"include_usage":true' in body or b'"include_usage": true' in body
        self.later(canned.streams[usage] if canned.gap_s else [canned.joined[usage]])

    def later(self, writes: list[bytes]) -> None:
        if not self.canned.delay_s:
            self.send(writes, 0)
            return
        asyncio.get_running_loop().call_later(self.canned.delay_s, self.send, writes, 0)

    def send(self, writes: list[bytes], position: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(writes[position])
        if position + 1 < len(writes):
            loop = asyncio.get_running_loop()
            loop.call_later(self.canned.gap_s, self.send, writes, position + 1)


async def serve(canned: Canned, port: int) -> None:
    """Serve on loopback until SIGTERM or SIGINT; port 0 takes any free one."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(canned), "127.0.0.1", port, backlog=1024)
    bound = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{bound}", "pid": os.getpid()}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--answer-bytes", type=int, default=4096, help="length of the answer")
    parser.add_argument("--parts", type=int, default=32, help="content events of a stream")
    parser.add_argument("--delay-ms", type=float, default=0, help="time before the first byte")
    parser.add_argument("--gap-ms", type=float, default=0, help="time between two events")
    args = parser.parse_args()
    shape = AnswerShape(text_bytes=args.answer_bytes, parts=args.parts)
    canned = Canned(shape, delay_s=args.delay_ms / 1000, gap_s=args.gap_ms / 1000)
    uvloop.run(serve(canned, args.port))


if __name__ == "__main__":
    main()
