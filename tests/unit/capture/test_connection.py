"""The way to the upstream: every form of answer that HTTP/1.1 has, connections used again, TLS."""

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tallystick.capture.connection import BUFFER_BYTES_MAX, HEAD_BYTES_MAX
from tallystick.capture.settings import GatewaySettings
from tallystick.capture.upstream import UPSTREAM_ERRORS, Upstream, describe
from tests.unit.capture.gateways import House, gateway_on
from tests.unit.capture.model_api import MODEL, ModelApi, completion, read_request
from tests.unit.capture.served import ask, serving

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()


def fetched(
    speak: Callable[[socket.socket], None], times: int = 1, **options: Any
) -> list[tuple[int, bytes] | str]:
    """Ask an upstream that speaks as told; return status and body, or what went wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        return asyncio.run(_fetch(listener, speak, url, times, options))


async def _fetch(
    listener: socket.socket,
    speak: Callable[[socket.socket], None],
    url: str,
    times: int,
    options: dict[str, Any],
) -> list[tuple[int, bytes] | str]:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            speak(connection)

    upstream = Upstream(GatewaySettings(upstream=url, **options))
    serving_ = asyncio.get_running_loop().run_in_executor(None, serve)
    answers = [await _one(upstream) for _ in range(times)]
    upstream.close()
    await serving_
    return answers


async def _one(upstream: Upstream) -> tuple[int, bytes] | str:
    body = b""
    try:
        response = await upstream.ask("POST", "/chat/completions", b"", [], b"{}")
        while piece := await response.readany():
            body += piece
    except UPSTREAM_ERRORS as error:
        return describe(error, upstream.name).status
    return response.status, body


def after_request(*writes: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        read_request(connection)
        for data in writes:
            connection.sendall(data)

    return speak


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"], (200, b"ab")),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"a", b"b"], (200, b"ab")),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], (204, b"")),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n0\r\n\r\n"],
            (200, b"a"),
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\nabc"], (200, b"abc")),
        ([b"HTTP/1.0 200 OK\r\n\r\n", b"abc", b"d"], (200, b"abcd")),
        (
            [b"HTTP/1.1 103 Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na"],
            (200, b"a"),
        ),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"], "broken"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"], "broken"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 1"], "broken"),
        ([], "broken"),
        ([b"nonsense\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nx: " + b"y" * (HEAD_BYTES_MAX + 1)], "malformed"),
    ],
)
def test_every_kind_of_answer_is_read_or_named(
    writes: list[bytes], expected: tuple[int, bytes] | str
) -> None:
    assert fetched(after_request(*writes)) == [expected]


def test_a_connection_is_used_again() -> None:
    def speak(connection: socket.socket) -> None:
        for _ in range(3):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na")

    assert fetched(speak, times=3) == [(200, b"a")] * 3


def test_what_nobody_asked_for_closes_the_connection() -> None:
    def speak(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 200 OK\r\n")
        seen.append(connection.recv(1))

    seen: list[bytes] = []
    answers = fetched(speak)

    assert answers[0] in {(200, b"a"), "malformed"}
    assert seen == [b""]


def test_an_upstream_may_not_send_faster_than_is_read() -> None:
    async def run() -> int:
        sent = 0

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while sent < 64 << 20:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16

        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream(GatewaySettings(upstream=f"http://127.0.0.1:{port}"))
        response = await upstream.ask("GET", "/models", b"", [], b"")
        await asyncio.sleep(0.3)
        held = response._size
        response.close()
        server.close()
        return held

    assert 0 < asyncio.run(run()) <= BUFFER_BYTES_MAX + (1 << 18)


def test_headers_and_path_cannot_smuggle_a_second_request() -> None:
    upstream = Upstream(GatewaySettings(upstream="http://example.com:81/a%20b/v1/"))

    head = upstream._head("GET", "/models/x y\r\nz: ü", b"a=\r\nb", [(b"x-a", b"1")], 0)

    assert head.splitlines() == [
        b"GET /a%20b/v1/models/x%20y%0D%0Az:%20%C3%BC?a=%0D%0Ab HTTP/1.1",
        b"host: example.com:81",
        b"accept-encoding: identity",
        b"x-a: 1",
        b"",
    ]


@pytest.mark.parametrize("path", ["/models/..%2Ffiles", "/models/a/../b", "/models/.", "/models/"])
def test_no_name_of_a_model_leads_elsewhere_at_the_upstream(
    house: House, api: ModelApi, path: str
) -> None:
    api.answers(b"{}")
    with gateway_on(house, api.url) as kept:
        assert ask(kept.url + path).status == 404
        assert ask(kept.url + "/models/org/name%20x").status == 200

    assert [seen.path for seen in api.seen] == ["/v1/models/org/name x"]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


@pytest.mark.parametrize("trusted", [True, False])
def test_an_upstream_with_tls_is_used_only_if_its_certificate_is_trusted(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    chain, key = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    api = ModelApi()
    with serving(api, ssl_certfile=str(chain), ssl_keyfile=str(key)) as url:
        https = url.replace("http://127.0.0.1", "https://localhost")
        with gateway_on(house, https) as kept:
            answered = kept.ask(PLAIN)

            outcome = kept.outcome(answered.outcome)
            if trusted:
                assert (answered.status, answered.body) == (200, completion(ASKED))
            else:
                assert (answered.status, outcome.status) == (502, "unreachable")
                assert "certificate" in (outcome.error or "").lower()
                assert api.seen == []
