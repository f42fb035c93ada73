"""The cheapest client that still checks its answers: raw keep-alive connections, one loop."""

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_HEAD = (
    b"POST /statements HTTP/1.1\r\nhost: %b\r\ncontent-type: application/cbor\r\n"
    b"content-length: %d\r\n\r\n"
)


@dataclass(slots=True)
class Load:
    """What came of sending.

    Attributes:
        statements: Registered.
        seconds: From the first byte sent to the last answer.
        cpu_seconds: Used by this process.
        latencies_ms: One per batch.
    """

    statements: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)


async def send_all(url: str, batches: list[list[bytes]], per_batch: int) -> Load:
    """Send each list over a connection of its own, all at the same time."""
    load, host = Load(), urlsplit(url)
    requests = [[_HEAD % (host.netloc.encode(), len(b)) + b for b in one] for one in batches]
    used, began = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for one in requests:
            group.create_task(_send(host.hostname or "", host.port or 80, one, per_batch, load))
    load.seconds = time.perf_counter() - began
    load.cpu_seconds = time.process_time() - used
    return load


async def _send(host: str, port: int, requests: list[bytes], per_batch: int, load: Load) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        load.latencies_ms.append(1000 * (time.perf_counter() - began))
        _check(head, body, per_batch)
        load.statements += per_batch
    writer.close()


def _length(head: bytes) -> int:
    at = head.index(b"content-length: ") + 16
    return int(head[at : head.index(b"\r", at)])


def _check(head: bytes, body: bytes, per_batch: int) -> None:
    """Insist on an index for each entry, and a checkpoint."""
    good = head.startswith(b"HTTP/1.1 200 ") and body.count(b'"index":') == per_batch
    if not good or b'"checkpoint":"' not in body:
        raise SystemExit(f"refused: {(head + body)[:2000].decode(errors='replace')}")
