"""How often one caller may ask, and how many streams go to one."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.roles import Grant
from tallystick.errors import RefusedError
from tallystick.web import rates
from tallystick.web.problems import RateError
from tallystick.web.rates import Rates, caller_of
from tests.ledgers import Clock, Issuer
from tests.unit.web.served import Client, served

HERE: dict[str, str] = {}
ELSEWHERE = {"x_forwarded_for": "203.0.113.9, 192.0.2.1"}
OTHER = {"x_forwarded_for": "192.0.2.2"}


def scope(host: str | None = "192.0.2.1", **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"client": (host, 1) if host else None, "headers": sent, "path": "/statements"}


@pytest.mark.parametrize(
    ("asked", "address"),
    [
        (scope(), "192.0.2.1"),
        (scope(x_forwarded_for="198.51.100.7"), "192.0.2.1"),
        (scope("127.0.0.1", x_forwarded_for="a, 198.51.100.7"), "198.51.100.7"),
        (scope("127.0.0.1"), None),
        (scope("::1"), None),
        (scope(None), None),
        (scope("/run/socket", x_forwarded_for="198.51.100.7"), "198.51.100.7"),
    ],
)
def test_the_address_is_the_peers_or_what_a_proxy_here_says(
    asked: dict[str, Any], address: str | None
) -> None:
    assert caller_of(asked) == (address, None)


def test_a_burst_then_a_rate_for_each_caller() -> None:
    clock = Clock()
    limited = Rates(2.0, 3, clock)

    for _ in range(3):
        limited.take(scope())
    with pytest.raises(RateError, match="at most 3 requests at once and 2 per second"):
        limited.take(scope())
    limited.take(scope("192.0.2.2"))
    clock.now += 1
    limited.take(scope())
    limited.take(scope())
    with pytest.raises(RateError) as refused:
        limited.take(scope())
    assert refused.value.seconds == pytest.approx(0.5)
    clock.now += 60
    for _ in range(3):  # a burst, not a minute's worth
        limited.take(scope())
    with pytest.raises(RateError):
        limited.take(scope())


def test_a_key_has_a_bucket_once_it_was_accepted_and_until_then_the_address_pays() -> None:
    limited = Rates(1.0, 2, Clock())

    for number in range(4):
        guess = scope(authorization=f"Bearer {number}")
        if number < 2:
            limited.take(guess)
        else:
            with pytest.raises(RateError):
                limited.take(guess)
    good = scope(authorization="bearer   right ")
    limited.accept(scope(authorization="Bearer right"))
    for _ in range(2):
        limited.take(good)
    with pytest.raises(RateError):
        limited.take(good)
    limited.forget(good)
    limited.take(scope("192.0.2.2", authorization="Bearer right"))


def test_what_is_no_bearer_token_names_nobody_and_neither_does_half_an_ipv6_address() -> None:
    limited = Rates(1.0, 1, Clock())

    limited.take(scope("2001:db8::1", authorization="Basic 1"))
    for other in (scope("2001:db8::2", authorization="Basic 2"), scope("2001:db8::3")):
        with pytest.raises(RateError):
            limited.take(other)
    limited.take(scope("2001:db8:0:1::1"))
    limited.take({**scope("2001:db8::1"), "path": "/readyz"})


def test_nobody_is_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "CALLERS_MAX", 2)
    limited = Rates(1.0, 1, Clock())

    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"):
        limited.take(scope(host))
    assert len(limited._buckets) == 2


def test_a_service_answers_429_and_says_when_to_ask_again(tmp_path: Path) -> None:
    with served(tmp_path, Issuer(), requests_per_second=0.1, requests_burst=2) as client:
        replies = [client.get("/statements", **ELSEWHERE) for _ in range(3)]
        others = [client.get("/statements", **who) for who in (OTHER, *[HERE] * 5)]
        healthy = client.get("/healthz", **ELSEWHERE)
        counted = client.get("/metrics").body.decode()

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[-1].code == "unavailable.rate"
    assert replies[-1].headers["retry-after"] == "10"
    assert replies[-1].headers["ratelimit-policy"] == '"requests";q=2;w=20'
    assert replies[-1].headers["ratelimit"] == '"requests";r=0;t=10'
    assert {reply.status for reply in (*others, healthy)} == {200}
    assert 'status="429"} 1' in counted


def test_guessing_keys_over_http_is_as_slow_as_asking(tmp_path: Path) -> None:
    def authorize(_: str) -> Grant:
        raise RefusedError("this API key is not known", reason="api-key.unknown")

    limited: dict[str, Any] = {"requests_per_second": 0.1, "requests_burst": 2}
    with served(tmp_path, Issuer(), authorize=authorize, **limited) as client:
        replies = [
            client.get("/statements", authorization=f"Bearer tly_{n}", **ELSEWHERE)
            for n in range(3)
        ]

    assert [reply.status for reply in replies] == [401, 401, 429]


def test_one_caller_has_no_more_streams_than_its_share(tmp_path: Path) -> None:
    with served(tmp_path, Issuer(), subscribers_max=3, subscribers_per_caller=1) as client:
        with closing(_stream(client, ELSEWHERE)) as stream:
            stream.recv(1)
            second = client.get("/statements/stream", **ELSEWHERE)
            assert client.get("/statements/stream?limit=1&since=0", **OTHER).status == 200
        assert second.status == 503
        assert "1 streams go to this caller already" in second.json["detail"]

        again = client.get("/statements/stream?limit=1&since=0", **HERE)
    assert again.status == 200


def _stream(client: Client, headers: dict[str, str]) -> Any:
    sent = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    connection = client.open()
    connection.sendall(f"GET /statements/stream HTTP/1.1\r\nhost: localhost\r\n{sent}\r\n".encode())
    return connection
