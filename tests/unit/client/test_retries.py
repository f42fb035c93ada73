"""Lost answers, busy services, other versions: the same bytes again, and only for a while."""

import time
from pathlib import Path
from typing import Any

import pytest

import tallystick
from tallystick.client import Patience
from tallystick.client import answers as client_answers
from tallystick.client.http1 import Response
from tallystick.client.patience import PAUSE_SECONDS_MAX, Retries, retry_after
from tallystick.errors import (
    ConflictError,
    DamagedError,
    EncodingError,
    InputError,
    LimitError,
    NotFoundError,
    RefusedError,
    TallystickError,
    UnavailableError,
    VersionError,
)
from tallystick.web import answers as web_answers
from tests.ledgers import Issuer, many
from tests.unit.client.answering import answering, http, problem
from tests.unit.client.proxy import proxied
from tests.unit.client.speaking import ONCE, SOON, Speaker
from tests.unit.web.served import served

CHECKPOINT = (
    b"log.example/a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    b"\xe2\x80\x94 log.example/a AAAAAAAA\n"
)
BUSY = problem("unavailable.busy", "503 Service Unavailable", status=503)


def answer(body: bytes = CHECKPOINT) -> bytes:
    return http("200 OK", body, content_type="text/plain")


@pytest.mark.parametrize("losses", [1, 3])
def test_a_lost_answer_is_asked_for_with_the_same_bytes_and_makes_one_entry(
    tmp_path: Path, speaker: Speaker, losses: int
) -> None:
    clinic = Issuer()
    statements = many(clinic, 3)
    with served(tmp_path, clinic) as client, proxied(client.address) as proxy:
        size = client.ledger.snapshot.checkpoint.size
        proxy.answers_lost = losses
        found = speaker.say(proxy.url, "register", statements)
        ids = [client.ledger.at(size + n).statement.id for n in range(3)]
        after = client.ledger.snapshot.checkpoint.size

    assert [one.index for one in found] == [size, size + 1, size + 2]
    assert all(one.existed for one in found)
    assert ids == [s.id for s in statements]
    assert after == size + 3
    assert len(proxy.requests) == losses + 1
    assert len(set(proxy.requests)) == 1


def test_without_patience_a_lost_answer_is_said_and_the_caller_may_go_on(
    tmp_path: Path, speaker: Speaker
) -> None:
    clinic = Issuer()
    statement = clinic.sign()
    with served(tmp_path, clinic) as client, proxied(client.address) as proxy:
        proxy.answers_lost = 1
        with pytest.raises(UnavailableError):
            speaker.say(proxy.url, "register", [statement], patience=ONCE)
        [again] = speaker.say(proxy.url, "register", [statement], patience=ONCE)

    assert again.existed


def test_a_service_that_is_away_for_a_moment_is_waited_for(
    tmp_path: Path, speaker: Speaker
) -> None:
    with answering(b"", b"", BUSY, answer()) as server:
        found = speaker.say(server.url, "checkpoint")

    assert found.size == 1
    assert len(server.asked) == 4
    assert len(set(server.asked)) == 1


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Busy", "502 Bad Gateway"])
def test_retry_after_is_obeyed(speaker: Speaker, status: str) -> None:
    with answering(http(status, retry_after="1"), answer()) as server:
        began = time.monotonic()
        speaker.say(server.url, "checkpoint")
        took = time.monotonic() - began

    assert 1 <= took < 4


def test_retry_after_beyond_patience_ends_at_once_with_the_services_words(
    speaker: Speaker,
) -> None:
    busy = problem("unavailable.busy", "503 Busy", detail="too many today")
    with answering(
        busy.replace(b"tallystick-api", b"retry-after: 900\r\ntallystick-api")
    ) as server:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="too many today"):
            speaker.say(server.url, "checkpoint")

    assert time.monotonic() - began < 2
    assert len(server.asked) == 1


def test_patience_ends(speaker: Speaker) -> None:
    short = Patience(answer_seconds_max=5, retry_seconds_max=0.6, quiet_seconds_max=5)
    with answering(b"") as server:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="closed the connection"):
            speaker.say(server.url, "checkpoint", patience=short)
        took = time.monotonic() - began

    assert took < 3
    assert len(server.asked) > 1


def test_who_never_answers_is_given_up(speaker: Speaker) -> None:
    short = Patience(answer_seconds_max=0.3, retry_seconds_max=0, quiet_seconds_max=5)
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"
    with answering(begun) as server, pytest.raises(UnavailableError):
        speaker.say(server.url, "checkpoint", patience=short)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem("input", "400 Bad Request"), InputError),
        (problem("input.limit", "413 Too Large"), LimitError),
        (problem("http.media-type", "415 Unsupported"), InputError),
        (problem("input.not-found", "404 Not Found"), NotFoundError),
        (problem("refused", "403 Forbidden", reason="policy.type", advice="ask"), RefusedError),
        (problem("refused.key", "401 Unauthorized", reason="api-key.missing"), RefusedError),
        (problem("conflict", "409 Conflict"), ConflictError),
        (problem("verification.damaged", "500 Error"), DamagedError),
        (problem("internal", "500 Error"), UnavailableError),
        (problem("input.new-in-a-later-release", "400 Bad Request"), InputError),
        (problem("of-a-later-release", "404 Not Found"), NotFoundError),
        (http("403 Forbidden", b"<html>proxy</html>"), RefusedError),
        (http("418 Teapot", b"\xff\xfe"), InputError),
        (http("500 Error", b'{"type": 7}'), UnavailableError),
    ],
)
def test_problems_are_the_errors_they_were_and_are_not_asked_again(
    speaker: Speaker, reply: bytes, kind: type[TallystickError]
) -> None:
    with answering(reply) as server, pytest.raises(TallystickError) as caught:
        speaker.say(server.url, "checkpoint")

    assert isinstance(caught.value, kind)
    assert len(server.asked) == 1
    if b"policy.type" in reply:
        assert (caught.value.reason, caught.value.advice) == ("policy.type", "ask")  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["2", "0", "", "one"])
def test_a_service_of_another_version_is_refused_naming_both(
    speaker: Speaker, version: str
) -> None:
    for reply in (http("200 OK", CHECKPOINT), http("400 Bad Request")):
        other = reply.replace(b"tallystick-api: 1", b"tallystick-api: %b" % version.encode())
        with answering(other) as server, pytest.raises(VersionError) as caught:
            speaker.say(server.url, "checkpoint")
        assert f"version {version!r} of the API, this client 1" in str(caught.value)


def test_what_is_no_service_of_ours_is_refused(speaker: Speaker) -> None:
    page = http("200 OK", b"<html>").replace(b"tallystick-api: 1\r\n", b"")
    away = http("302 Found", location="http://elsewhere")
    with answering(page) as server, pytest.raises(VersionError, match="no version"):
        speaker.say(server.url, "checkpoint")
    with answering(away) as server, pytest.raises(EncodingError, match="leads away"):
        speaker.say(server.url, "checkpoint")


def test_client_and_service_of_one_release_speak_one_version() -> None:
    assert web_answers.API_VERSION == client_answers.API_VERSION
    assert web_answers.API[0].decode() == client_answers.API


def test_a_client_of_another_version_is_refused_by_the_service(
    tmp_path: Path, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    monkeypatch.setattr("tallystick.client.questions.API_VERSION", 2)
    with served(tmp_path, clinic) as client:
        size = client.ledger.snapshot.checkpoint.size
        with pytest.raises(VersionError, match="client speaks version '2' of the API"):
            speaker.say(client.url, "register", [clinic.sign()])
        after = client.ledger.snapshot.checkpoint.size

    assert after == size


def test_a_kept_connection_that_the_service_closed_is_no_outage(
    tmp_path: Path, speaker: Speaker
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, keep_alive_seconds_max=1) as client:

        def talk(say: Any) -> None:
            say("register_one", clinic.sign())
            time.sleep(1.6)
            say("register_one", clinic.sign())

        speaker.talk(client.url, talk, patience=ONCE)


def test_a_body_that_is_refused_early_is_told_with_the_services_word(
    tmp_path: Path, speaker: Speaker
) -> None:
    clinic = Issuer()
    small = served(tmp_path, clinic, body_bytes_max=10_000)
    with small as client, pytest.raises(LimitError, match="at most 10000"):
        speaker.say(client.url, "register", many(clinic, 1000))


def test_pauses_double_with_jitter_up_to_a_limit() -> None:
    retries = Retries(Patience(retry_seconds_max=1000))
    failure = UnavailableError("away")

    pauses = [retries.pause(failure) for _ in range(200)]

    assert max(pauses) <= PAUSE_SECONDS_MAX
    assert pauses[0] <= 0.1
    assert len(set(pauses)) == 200


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("9" * 40, 999_999_999, 999_999_999),
        ("-1", 0, 0),
        ("soon", 0, 0),
        ("", 0, 0),
        ("\u0663", 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9, 1e12),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", 0, 0),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, least: float, most: float) -> None:
    assert least <= retry_after(Response(503, {"retry-after": text})) <= most


def test_a_default_client_is_patient_for_a_minute() -> None:
    assert (Patience().answer_seconds_max, Patience().retry_seconds_max) == (60, 60)
    assert SOON.retry_seconds_max < 60
    assert tallystick.connect("http://127.0.0.1:1")._talk.patience == Patience()
