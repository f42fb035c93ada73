"""Deliveries of a running service: in order, at least once, each webhook for itself."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import ConflictError, EncodingError, LimitError, NotFoundError
from tallystick.ledger import Ledger
from tallystick.ledger.policy import Visibility
from tallystick.ledger.searches import Filters
from tallystick.webhooks import messages, progress, store
from tallystick.webhooks.store import Webhook, Webhooks
from tests.ledgers import ALLOW_ORGANISATIONS, Issuer, ledger_in, many, submissions
from tests.unit.web.served import Client, served
from tests.unit.webhooks.targets import hang, raw, target, until

EVERYTHING = Filters()


@pytest.fixture
def clinic() -> Issuer:
    return Issuer()


@pytest.fixture
def place(tmp_path: Path, clinic: Issuer) -> Iterator[Client]:
    with served(tmp_path / "ledger", clinic, webhook_loopback=True) as client:
        yield client


def hook(ledger: Ledger, url: str, name: str = "a", **options: Any) -> tuple[bytes, Webhook]:
    options = {"filters": EVERYTHING, "start": ledger.snapshot.checkpoint.size, **options}
    return Webhooks(ledger.home.webhooks).add(
        name, url, options.pop("filters"), ledger.api_secret, now=int(time.time()), **options
    )


def register(ledger: Ledger, clinic: Issuer, count: int = 1) -> list[int]:
    found = ledger.register(submissions(*many(clinic, count)))
    return [one.index for one in found]  # type: ignore[union-attr]


def part(client: Client) -> dict[str, str]:
    key = client.server.service.telling.troubles()
    state: dict[str, str] = client.get("/readyz").json["parts"]["webhooks"]
    return {"state": state["state"], "words": "; ".join(key)}


def test_statements_come_in_order_with_a_checkpoint_that_covers_them(
    place: Client, clinic: Issuer
) -> None:
    with target() as one:
        hook(place.ledger, one.url, start=0)
        register(place.ledger, clinic, 250)
        until(lambda: len(one.indices) >= place.ledger.snapshot.checkpoint.size)

    assert one.indices == list(range(place.ledger.snapshot.checkpoint.size))
    assert max(len(got.indices) for got in one.got) <= messages.STATEMENTS_MAX
    for got in one.got:
        data = got.json["data"]
        assert got.json["type"] == "statements.registered"
        assert data["checkpoint"]["size"] > max(got.indices)
        assert data["checkpoint"]["checkpoint"].startswith("localhost/test\n")
    found = place.get("/statements?limit=1").json["statements"][0]
    assert one.got[-1].json["data"]["statements"][-1] == found


def test_only_what_was_asked_for_comes_and_messages_have_a_largest_size(
    place: Client, clinic: Issuer
) -> None:
    with target() as one:
        filters = Filters(type="inference", subject="urn:example:mine")
        hook(place.ledger, one.url, filters=filters, entries=True)
        register(place.ledger, clinic, 3)
        public = {"inference": Visibility.PUBLIC}  # else nothing is taken in the clear
        place.ledger.set_policy(replace(ALLOW_ORGANISATIONS, visibility=public))
        large = {"hashed": False, "content_type": "application/octet-stream"}
        made = [
            clinic.sign(bytes([n]) * 60_000, subject="urn:example:mine", **large) for n in range(5)
        ]
        wanted = [one.index for one in place.ledger.register(submissions(*made))]  # type: ignore[union-attr]
        until(lambda: len(one.indices) >= 5)

    assert one.indices == wanted
    assert [len(got.indices) for got in one.got] == [3, 2]
    assert all(len(got.body) < messages.BODY_BYTES_MAX + 10_000 for got in one.got)
    assert all(got.json["data"]["statements"][0]["entry"] for got in one.got)


def test_a_failed_message_comes_again_the_same_and_nothing_overtakes_it(
    place: Client, clinic: Issuer
) -> None:
    with target() as one:
        one.replies = [(500, {}), (302, {"location": "http://10.0.0.1/"}), (429, {})]
        hook(place.ledger, one.url)
        first = register(place.ledger, clinic)
        until(lambda: len(one.got) >= 1)
        second = register(place.ledger, clinic)
        until(lambda: len(one.indices) >= 2)

    assert one.indices == first + second
    assert {got.body for got in one.got[:4]} == {one.got[0].body}
    assert {got.headers["webhook-id"] for got in one.got[:4]} == {one.got[0].headers["webhook-id"]}
    counted = place.get("/metrics").body.decode()
    for result, times in [("status", 2), ("redirect", 1), ("delivered", 2)]:
        line = f'webhook_attempts_total{{webhook="a",result="{result}"}} {times}'
        assert line in counted
    assert 'tallystick_webhook_statements_total{webhook="a"} 2' in counted


def test_retry_after_is_obeyed(place: Client, clinic: Issuer) -> None:
    with target() as one:
        one.replies = [(503, {"retry-after": "2"})]
        hook(place.ledger, one.url)
        register(place.ledger, clinic)
        until(lambda: len(one.got) == 1)
        begun = time.monotonic()
        until(lambda: len(one.got) == 2)

    assert time.monotonic() - begun > 1.8


def test_a_target_that_hangs_delays_no_other_and_not_the_end(
    tmp_path: Path, clinic: Issuer
) -> None:
    with raw(hang) as stuck, target() as one:
        with served(tmp_path / "ledger", clinic, webhook_loopback=True) as client:
            for number in range(3):
                hook(client.ledger, stuck, f"stuck-{number}")
            hook(client.ledger, one.url, "good")
            for _ in range(3):
                index = register(client.ledger, clinic)[0]
                until(lambda index=index: index in one.indices, 5)  # type: ignore[misc]
            counted = client.get("/metrics").body.decode()
            begun = time.monotonic()
        seconds = time.monotonic() - begun

    assert 'tallystick_webhook_backlog{webhook="good"} 0' in counted
    assert 'tallystick_webhook_backlog{webhook="stuck-1"} 3' in counted
    assert seconds < 3


def test_gone_is_paused_and_told_and_goes_on_when_it_is_resumed(
    place: Client, clinic: Issuer
) -> None:
    with target() as one:
        one.always = 410, {}
        hook(place.ledger, one.url)
        index = register(place.ledger, clinic)
        until(lambda: part(place)["state"] == "warning")
        told, counted = part(place), place.get("/metrics").body.decode()
        time.sleep(1)
        attempts = len(one.got)
        one.always = 200, {}
        Webhooks(place.ledger.home.webhooks).resume("a")
        until(lambda: one.indices[:1] == index)
        until(lambda: part(place)["state"] == "ok")

    assert "gone" in told["words"]
    assert 'tallystick_webhook_paused{webhook="a"} 1' in counted
    assert attempts == 1


def test_who_fails_for_too_long_is_paused_and_stays_so_after_a_restart(
    tmp_path: Path, clinic: Issuer
) -> None:
    options: dict[str, Any] = {"webhook_loopback": True, "webhook_failing_seconds_max": 1.0}
    with target() as one:
        one.always = 500, {}
        with served(tmp_path / "ledger", clinic, **options) as client:
            hook(client.ledger, one.url)
            index = register(client.ledger, clinic)
            until(lambda: part(client)["state"] == "warning")
            assert "paused, failing: the target answered 500" in part(client)["words"]
        attempts, one.always = len(one.got), (200, {})
        with served(tmp_path / "ledger", **options) as client:
            until(lambda: part(client)["state"] == "warning")
            assert len(one.got) == attempts
            Webhooks(client.ledger.home.webhooks).resume("a")
            until(lambda: one.indices[:1] == index)


def test_without_the_setting_this_machine_is_refused_and_nothing_is_lost(
    tmp_path: Path, clinic: Issuer
) -> None:
    with target() as one:
        with served(tmp_path / "ledger", clinic) as client:
            hook(client.ledger, one.url)
            index = register(client.ledger, clinic)
            until(lambda: 'result="inward"' in client.get("/metrics").body.decode())
        assert one.got == []
        with served(tmp_path / "ledger", webhook_loopback=True):
            until(lambda: one.indices[:1] == index)


def test_paused_by_somebody_and_removed(place: Client, clinic: Issuer) -> None:
    known, folder = Webhooks(place.ledger.home.webhooks), place.ledger.home.webhook_progress
    with target() as one:
        _, made = hook(place.ledger, one.url)
        before = register(place.ledger, clinic)
        until(lambda: one.indices == before)
        known.pause("a")
        time.sleep(1)
        after = register(place.ledger, clinic)
        time.sleep(1)
        assert one.indices == before
        known.resume("a")
        until(lambda: one.indices == before + after)
        known.remove("a")
        until(lambda: not progress.progress_path(folder, made.id).exists())
        register(place.ledger, clinic)
        time.sleep(0.5)

    assert one.indices == before + after


def test_a_damaged_file_is_told_and_mended_without_a_restart(place: Client, clinic: Issuer) -> None:
    path = place.ledger.home.webhooks
    with target() as one:
        hook(place.ledger, one.url)
        data = path.read_bytes()
        path.write_bytes(b"{")
        until(lambda: part(place)["state"] == "warning")
        assert "is damaged" in part(place)["words"]
        path.write_bytes(data)
        index = register(place.ledger, clinic)
        until(lambda: one.indices[-1:] == index)


def test_the_file_of_webhooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WEBHOOKS_MAX", 2)
    with ledger_in(tmp_path) as ledger:
        known = Webhooks(ledger.home.webhooks)
        hook(ledger, "https://example.org/", "one")
        with pytest.raises(ConflictError):
            hook(ledger, "https://example.org/", "one")
        hook(ledger, "https://example.org/", "two")
        with pytest.raises(LimitError):
            hook(ledger, "https://example.org/", "three")
        for change in (known.pause, known.resume, known.remove, known.get):
            with pytest.raises(NotFoundError):
                change("three")

        assert ledger.home.webhooks.stat().st_mode & 0o777 == 0o600
        for damaged in (b"{", b"[]", b'{"format":2}', b"\xff"):
            ledger.home.webhooks.write_bytes(damaged)
            with pytest.raises(Exception, match=r"webhooks\.json") as error:
                known.all()
            assert isinstance(error.value, EncodingError) or "format 2" in str(error.value)


def test_progress_that_is_damaged_is_no_progress(tmp_path: Path) -> None:
    for damaged in (b"{", b"[]", b'{"format":2}', b"\xff", b" " * (64 << 10) + b"{}"):
        (tmp_path / "a.json").write_bytes(damaged)
        with pytest.raises(Exception, match=r"a\.json"):
            progress.read_progress(tmp_path, "a")
