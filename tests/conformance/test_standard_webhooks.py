"""Our messages are Standard Webhooks: the verifier of that project takes them.

Source:
    PyPI `standardwebhooks`, the reference library; the vector is that of its own test suite.
"""

import time
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tallystick.ledger.searches import Filters
from tallystick.webhooks.messages import trial
from tallystick.webhooks.signing import read_secret, show_secret, sign
from tallystick.webhooks.store import OVERLAP_SECONDS, Webhooks
from tests.ledgers import Issuer, many, submissions
from tests.unit.web.served import served
from tests.unit.webhooks.targets import target, until


def test_the_vector_of_the_reference_library() -> None:
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    signature = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_stranger_verifies_what_a_service_sends_through_a_rotation(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, webhook_loopback=True) as place, target() as one:
        ledger = place.ledger
        known, now = Webhooks(ledger.home.webhooks), int(time.time())
        old, _ = known.add("a", one.url, Filters(), ledger.api_secret, start=0, now=now)
        until(lambda: len(one.taken) == 1)
        new, _ = known.rotate("a", ledger.api_secret, now=now)
        time.sleep(1)  # the service learns of it within a second
        ledger.register(submissions(*many(clinic, 1)))
        until(lambda: len(one.taken) == 2)

    before, after = one.taken
    assert Webhook(show_secret(old)).verify(before.body, before.headers) == before.json
    for secret in (old, new):
        assert Webhook(show_secret(secret)).verify(after.body, after.headers) == after.json
    for secret, got in [(new, before), (b"x" * 32, after)]:
        with pytest.raises(WebhookVerificationError):
            Webhook(show_secret(secret)).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(show_secret(new)).verify(after.body.replace(b"a", b"b", 1), after.headers)


def test_a_day_after_a_rotation_the_old_secret_signs_nothing(tmp_path: Path) -> None:
    known, ledger_secret, now = Webhooks(tmp_path / "webhooks.json"), b"l" * 32, int(time.time())
    old, _ = known.add("a", "https://example.org/", Filters(), ledger_secret, start=0, now=now)
    new, made = known.rotate("a", ledger_secret, now=now)
    ends = now + OVERLAP_SECONDS

    assert made.secrets(ledger_secret, ends - 1) == [new, old]
    assert made.secrets(ledger_secret, ends) == [new]
    message = trial(made, now)
    headers = message.headers(made.secrets(ledger_secret, ends), now)
    Webhook(show_secret(new)).verify(message.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(show_secret(old)).verify(message.body, headers)
