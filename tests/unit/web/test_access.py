"""Reading is open to everybody; writing needs this machine or a key."""

import subprocess
from pathlib import Path

import pytest

from tallystick.capture.roles import Grant, Role
from tallystick.errors import RefusedError
from tests.ledgers import Issuer
from tests.unit.web.served import COSE, served

KEY = "tly_right"


def authorize(key: str) -> Grant:
    if key != KEY:
        raise RefusedError("this API key is not known", reason="api-key.unknown")
    return Grant(Role.ORIGINATOR)


ELSEWHERE = (
    {"forwarded": "for=192.0.2.1"},
    {"x_forwarded_for": "192.0.2.1"},
    {"x_real_ip": "192.0.2.1"},
    {"host": "log.example"},
    {"host": "evil.example:8471"},
    {"host": "127.0.0.1.evil.example"},
    {"host": ""},
)


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
@pytest.mark.parametrize("path", ["/statements", "/entries"])
def test_whoever_is_not_on_this_machine_needs_a_key_to_write(
    tmp_path: Path, headers: dict[str, str], path: str
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        reply = client.post(path, clinic.sign().entry, COSE, **headers)
        read = client.get("/statements", **headers)
        size = client.ledger.snapshot.checkpoint.size

    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="tallystick"'
    if path == "/statements":
        assert reply.code == "refused.key"
        assert "Authorization: Bearer" in reply.json["advice"]
    assert read.status == 200
    assert size == 3


@pytest.mark.parametrize("host", ["127.0.0.1:8471", "localhost", "LocalHost:1", "[::1]:8471"])
def test_every_name_of_this_machine_counts(tmp_path: Path, host: str) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        reply = client.post("/statements", clinic.sign().entry, COSE, host=host)

    assert reply.status == 201


def test_a_key_lets_a_caller_from_elsewhere_write(tmp_path: Path) -> None:
    clinic = Issuer()
    elsewhere = {"x_forwarded_for": "192.0.2.1"}
    with served(tmp_path, clinic, authorize=authorize) as client:
        right = client.post(
            "/statements", clinic.sign().entry, COSE, authorization=f"Bearer {KEY}", **elsewhere
        )
        lower = client.post(
            "/statements", clinic.sign().entry, COSE, authorization=f"bearer  {KEY} ", **elsewhere
        )
        basic = client.post(
            "/statements", clinic.sign().entry, COSE, authorization=f"Basic {KEY}", **elsewhere
        )

    assert (right.status, lower.status, basic.status) == (201, 201, 401)


def test_a_wrong_key_is_refused_also_from_this_machine(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, authorize=authorize) as client:
        reply = client.post(
            "/statements", clinic.sign().entry, COSE, authorization="Bearer tly_wrong"
        )

    assert (reply.status, reply.code) == (401, "refused.key")
    assert reply.json["reason"] == "api-key.unknown"
    assert "tly_wrong" not in reply.body.decode()


def test_where_keys_are_required_this_machine_needs_one_too(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, authorize=authorize, require_key=True) as client:
        without = client.post("/statements", clinic.sign().entry, COSE)
        with_key = client.post(
            "/statements", clinic.sign().entry, COSE, authorization=f"Bearer {KEY}"
        )
        read = client.get("/statements")

    assert (without.status, with_key.status, read.status) == (401, 201, 200)


def test_over_tls_a_key_is_enough_on_any_address(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    clinic = Issuer()
    tls = {"tls_certificate": certificate, "tls_key": key}
    with served(tmp_path / "ledger", clinic, authorize=authorize, **tls) as client:
        reply = client.post("/statements", clinic.sign().entry, COSE, authorization=f"Bearer {KEY}")

    assert client.url.startswith("https://")
    assert reply.status == 201
    assert reply.headers["location"].startswith(client.url)
