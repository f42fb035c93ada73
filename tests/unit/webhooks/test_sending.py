"""One attempt: what a target may do, and what is said of it."""

import ssl
import time
from pathlib import Path

import pytest

from tallystick.errors import DamagedError, InputError
from tallystick.webhooks.addresses import Allowed
from tallystick.webhooks.sending import Sender
from tallystick.webhooks.signing import open_sealed, read_secret, seal, show_secret
from tests.certificates import certificate
from tests.unit.webhooks import targets
from tests.unit.webhooks.targets import raw, target

HERE = Allowed(loopback=True)
BODY = b'{"type":"webhook.test"}'


def sender(tls: ssl.SSLContext | None = None) -> Sender:
    return Sender(HERE, tls, seconds_max=0.5)


def trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(file))


@pytest.mark.parametrize(
    ("behave", "result", "words"),
    [
        (targets.hang, "away", "too long"),
        (targets.drip, "away", "too long"),
        (targets.reset, "away", "cannot be reached"),
        (targets.endless_head, "garbage", "cannot be read"),
        (targets.no_http, "garbage", "no answer in HTTP"),
        (targets.endless_body, "delivered", ""),
    ],
)
def test_whatever_a_target_does_an_attempt_ends_in_time_and_with_a_word(
    behave: object, result: str, words: str
) -> None:
    begun = time.monotonic()
    with raw(behave) as url:  # type: ignore[arg-type]
        outcome = sender().send(url, {"webhook-id": "msg_1"}, BODY)
        seconds = time.monotonic() - begun

    assert outcome.result == result, outcome
    assert words in outcome.words
    assert seconds < 3


@pytest.mark.parametrize(
    ("status", "result"),
    [(200, "delivered"), (204, "delivered"), (301, "redirect"), (302, "redirect"),
     (307, "redirect"), (304, "redirect"), (400, "status"), (404, "status"), (410, "gone"),
     (429, "status"), (500, "status"), (503, "status")],
)  # fmt: skip
def test_only_2xx_is_success_and_nothing_is_followed(status: int, result: str) -> None:
    with target() as one:
        elsewhere = "http://169.254.169.254/latest/meta-data"
        one.always = status, {"location": elsewhere, "retry-after": "7"}
        outcome = sender().send(one.url, {"webhook-id": "msg_1"}, BODY)

    assert outcome.result == result
    assert len(one.got) == 1
    assert one.got[0].body == BODY
    assert one.got[0].headers["content-type"] == "application/json"
    assert (elsewhere in outcome.words) is (result == "redirect")
    assert outcome.retry_after == ("7" if result == "status" else None)


def test_the_certificate_must_be_for_the_name_and_trusted(tmp_path: Path) -> None:
    tls, other = certificate(tmp_path / "a"), certificate(tmp_path / "b")
    with target(tls) as one:
        named = one.url.replace("127.0.0.1", "localhost")
        believed = sender(trusting(tls[0])).send(named, {}, BODY)
        by_address = sender(trusting(tls[0])).send(one.url, {}, BODY)
        unknown = sender(trusting(other[0])).send(named, {}, BODY)

    assert [believed.result, by_address.result] == ["delivered"] * 2
    assert unknown.result == "certificate"
    assert len(one.got) == 2


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with target(tls, host="127.0.0.2") as one:
        outcome = sender(trusting(tls[0])).send(one.url, {}, BODY)

    assert outcome.result == "certificate", outcome


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    tls = certificate(tmp_path, begins_days=-9, ends_days=-2)
    with target(tls) as one:
        outcome = sender(trusting(tls[0])).send(one.url, {}, BODY)

    assert outcome.result == "certificate"
    assert "expired" in outcome.words


def test_a_target_inside_is_never_connected_to() -> None:
    with target() as one:
        refused = [
            Sender(Allowed()).send(one.url, {}, BODY),
            Sender(Allowed()).send(one.url.replace("http:", "https:"), {}, BODY),
            Sender(Allowed()).send("https://localhost:1/", {}, BODY),
        ]

    assert [one.result for one in refused] == ["inward"] * 3
    assert one.got == []


def test_nobody_there() -> None:
    with target() as one:
        gone = one.url
    assert sender().send(gone, {}, BODY).result == "away"


def test_secrets_are_bound_to_webhook_and_ledger() -> None:
    sealed = seal(b"s" * 32, b"ledger", "a")

    assert open_sealed(sealed, b"ledger", "a") == b"s" * 32
    assert read_secret(show_secret(b"s" * 32)) == b"s" * 32
    for text, ledger, name in [
        (sealed, b"ledger", "b"), (sealed, b"other", "a"), ("A" + sealed, b"ledger", "a"),
        (sealed[:-8], b"ledger", "a"), ("", b"ledger", "a"),
    ]:  # fmt: skip
        with pytest.raises(DamagedError):
            open_sealed(text, ledger, name)
    with pytest.raises(InputError):
        read_secret("whsec_?")
