"""Too much, too slow, too many: refused early, in words, in bounded memory."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import cbor2
import pytest

from tallystick.web import limits
from tests.ledgers import Issuer, ledger_in, many, submissions
from tests.unit.web.child import process
from tests.unit.web.served import CBOR, COSE, JSON, NDJSON, Client, Place, served

GIGABYTE = 1 << 30
PIECE = bytes(1 << 20)


def head(path: str, *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


def read_all(connection: socket.socket) -> bytes:
    """Read until the service closes the connection."""
    pieces = []
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def resident_bytes(pid: int) -> int:
    """Return what a process has held in memory at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_gigabyte_that_says_so_is_refused_before_anything_is_read(place: Place) -> None:
    with closing(place.client.open()) as connection:
        fields = (f"content-type: {CBOR}", f"content-length: {GIGABYTE}")
        connection.sendall(head("/statements", *fields))
        began = time.monotonic()
        answer = connection.recv(1 << 16)
        while not answer.endswith(b"}") and (more := connection.recv(1 << 16)):
            answer += more  # head and body may come apart

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert f"body has {GIGABYTE} bytes, at most {limits.BODY_BYTES_MAX}".encode() in answer
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("media", [CBOR, NDJSON, COSE])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_gigabyte_takes_no_memory(tmp_path: Path, media: str, chunked: bool) -> None:
    with ledger_in(tmp_path, Issuer()):
        pass
    with process(tmp_path, body_bytes_max=8 << 20) as (child, url):
        before = resident_bytes(child.pid)
        parts = urlsplit(url)
        with closing(socket.create_connection((parts.hostname, parts.port), 30)) as connection:
            length = "transfer-encoding: chunked" if chunked else f"content-length: {GIGABYTE}"
            connection.sendall(head("/statements", f"content-type: {media}", length))
            sent = send_gigabyte(connection, chunked=chunked)
            answer = read_all(connection)
        grown = resident_bytes(child.pid) - before

    assert sent < 200 << 20
    assert grown < 64 << 20, f"{grown >> 20} MiB"
    if answer:  # what was sent after the service closed may have cost us the answer
        assert answer.startswith(b"HTTP/1.1 413 ")


def send_gigabyte(connection: socket.socket, *, chunked: bool) -> int:
    """Send until the service has had enough; return how much it took."""
    connection.settimeout(10)
    sent = 0
    with suppress(OSError):
        while sent < GIGABYTE:
            connection.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            sent += len(PIECE)
    return sent


def test_a_body_may_be_as_long_as_set_and_no_longer(tmp_path: Path) -> None:
    clinic = Issuer()
    batch = cbor2.dumps([clinic.sign().entry])
    with served(tmp_path, clinic, body_bytes_max=len(batch)) as client:
        exact = client.post("/statements", batch, CBOR)
        declared = client.post("/statements", batch + b" ", CBOR)
        chunked = client.post("/statements", iter([batch, b" "]), CBOR)
        json_body = client.post("/statements", b" " * (len(batch) + 1), JSON)

    assert exact.status == 200
    for reply in (declared, chunked, json_body):
        assert (reply.status, reply.code) == (413, "input.limit")
        assert f"{len(batch)}" in reply.json["detail"]


def test_a_body_that_pauses_is_given_up(tmp_path: Path) -> None:
    clinic = Issuer()
    with (
        served(tmp_path, clinic, body_pause_seconds_max=0.2) as client,
        closing(client.open()) as connection,
    ):
        fields = (f"content-type: {CBOR}", "content-length: 100")
        connection.sendall(head("/statements", *fields) + b"x" * 50)
        answer = read_all(connection)
        ready = client.get("/readyz")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:tallystick:error:http.slow" in answer
    assert b"paused for 0.2 s" in answer
    assert ready.status == 200


def test_a_body_that_drips_is_given_up_too(tmp_path: Path) -> None:
    with (
        served(tmp_path, body_seconds_max=0.5, body_pause_seconds_max=5) as client,
        closing(client.open()) as connection,
    ):
        connection.sendall(head("/statements", f"content-type: {CBOR}", "content-length: 10000"))
        began, answer = time.monotonic(), b""
        with suppress(OSError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                time.sleep(0.05)
                connection.settimeout(0.001)
                with suppress(TimeoutError):
                    if answer := connection.recv(1 << 16):
                        break
                connection.settimeout(5)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 4


def test_headers_that_drip_are_cut_off(tmp_path: Path) -> None:
    from tallystick.web.protocol import LimitedProtocol

    before = LimitedProtocol.header_seconds_max
    LimitedProtocol.header_seconds_max = 0.3
    try:
        with served(tmp_path) as client, closing(client.open()) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: local")
            began = time.monotonic()
            answer = read_all(connection)
    finally:
        LimitedProtocol.header_seconds_max = before

    assert answer == b""
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("size", "status"), [(limits.HEADER_BYTES_MAX - 300, 200), (limits.HEADER_BYTES_MAX, 431)]
)
def test_headers_may_have_a_certain_size(place: Place, size: int, status: int) -> None:
    reply = place.client.get("/healthz", x_filler="x" * size)

    assert reply.status == status
    if status == 431:
        assert reply.code == "http.header-limit"


def test_headers_without_end_are_refused_while_they_come(place: Place) -> None:
    with closing(place.client.open()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with suppress(OSError):
            for n in range(10_000):
                connection.sendall(f"x-{n}: {'y' * 1000}\r\n".encode())
        answer = read_all(connection)

    assert not answer or answer.startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_is_answered_in_the_same_form(place: Place) -> None:
    with closing(place.client.open()) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"urn:tallystick:error:http.protocol" in answer


def test_a_client_that_does_not_read_its_answer_is_cut_off(tmp_path: Path) -> None:
    clinic = Issuer()
    with (
        served(tmp_path, clinic, send_seconds_max=0.3) as client,
        closing(socket.socket()) as connection,
    ):
        client.ledger.register(submissions(*many(clinic, 600)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(client.address)
        request = b"GET /statements?limit=600 HTTP/1.1\r\nhost: localhost\r\n\r\n"
        connection.sendall(request * 40)
        wait_until(lambda: running(client) > 0, 5)
        wait_until(lambda: not client.server.server_state.connections, 20)
        connection.settimeout(5)
        received = len(read_all(connection))
        whole = 40 * len(client.get("/statements?limit=600").body)

    assert received < whole
    assert client.server.service.load.requests == 0


def test_a_stream_that_nobody_reads_the_answer_of_is_not_read(tmp_path: Path) -> None:
    clinic = Issuer()
    line = b'{"entry":"AA"}\n' * 1000
    with (
        served(tmp_path, clinic, send_seconds_max=60) as client,
        closing(socket.socket()) as connection,
    ):
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, 1 << 15)
        connection.connect(client.address)
        fields = (f"content-type: {NDJSON}", "transfer-encoding: chunked")
        connection.sendall(head("/statements", *fields))
        connection.settimeout(1)
        sent = 0
        with suppress(TimeoutError):
            while sent < 200 << 20:
                connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
                sent += len(line)
        held = client.server.service.load.budget.held

    assert sent < 32 << 20
    assert held < 4 << 20


def test_only_so_many_requests_are_answered_at_the_same_time(tmp_path: Path) -> None:
    with served(tmp_path, requests_max=3) as client:
        waiting = [client.open() for _ in range(3)]
        for connection in waiting:
            fields = (f"content-type: {CBOR}", "content-length: 10")
            connection.sendall(head("/statements", *fields))
        wait_until(lambda: running(client) == 3, 5)
        refused = client.get("/healthz")
        for connection in waiting:
            connection.close()
        wait_until(lambda: running(client) == 0, 5)
        later = client.get("/healthz")

    assert (refused.status, refused.code) == (503, "unavailable.busy")
    assert "3 requests" in refused.json["detail"]
    assert refused.headers["retry-after"] == "1"
    assert later.status == 200


def test_all_bodies_together_are_limited_and_given_back(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, buffered_bytes_max=100_000) as client:
        with closing(client.open()) as connection:
            fields = (f"content-type: {CBOR}", "content-length: 90000")
            connection.sendall(head("/statements", *fields) + b"x" * 60_000)
            wait_until(lambda: client.server.service.load.budget.held >= 60_000, 5)
            refused = client.post("/statements", b"x" * 50_000, CBOR)
        wait_until(lambda: client.server.service.load.budget.held == 0, 5)
        later = client.post("/statements", clinic.sign().entry, COSE)

    assert (refused.status, refused.code) == (503, "unavailable.busy")
    assert later.status == 201


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        for _ in range(20):
            with closing(client.open()) as connection:
                fields = (f"content-type: {CBOR}", "content-length: 90000")
                connection.sendall(head("/statements", *fields) + b"x" * 30_000)
        wait_until(lambda: running(client) == 0, 5)
        held = client.server.service.load.budget.held
        later = client.post("/statements", clinic.sign().entry, COSE)

    assert held == 0
    assert later.status == 201


def test_many_clients_at_once_all_get_their_own_index(tmp_path: Path) -> None:
    clinic = Issuer()
    batches = [many(clinic, 20) for _ in range(12)]
    found: dict[int, list[int]] = {}

    def send(client: Client, number: int) -> None:
        data = cbor2.dumps([statement.entry for statement in batches[number]])
        reply = client.post("/statements", data, CBOR)
        found[number] = [result["index"] for result in reply.json["results"]]

    with served(tmp_path, clinic, workers=1) as client:
        threads = [Thread(target=send, args=(client, number)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        ids = {i: client.ledger.at(i).statement.id for row in found.values() for i in row}

    assert len(ids) == 240
    for number, batch in enumerate(batches):
        assert [ids[index] for index in found[number]] == [s.id for s in batch]


def running(client: Client) -> int:
    return client.server.service.load.requests


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_the_child_is_another_process(tmp_path: Path) -> None:
    with ledger_in(tmp_path):
        pass
    with process(tmp_path) as (child, url):
        assert child.pid != os.getpid()
        assert url.startswith("http://127.0.0.1:")
