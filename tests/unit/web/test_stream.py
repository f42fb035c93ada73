"""The stream of statements: in log order, resumed without loss or duplicate, bounded."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tallystick.ledger import Ledger
from tallystick.statement import b64, parse_checkpoint, parse_note, parse_statement
from tallystick.web import limits
from tests.ledgers import Issuer, many, submissions
from tests.unit.web.served import WAIT_SECONDS, Client, Place, served

EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Event:
    """One event as a client takes it."""

    name: str
    id: int | None
    data: Any


def read_events(answer: HTTPResponse) -> Iterator[Event]:
    """Read events as the standard says; comments are left out."""
    fields: dict[str, str] = {}
    for line in iter(answer.readline, b""):
        text = line.decode().rstrip("\n")
        if text and not text.startswith(":"):
            name, _, value = text.partition(": ")
            fields[name] = value
        elif not text and "data" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Event(fields["event"], number, json.loads(fields["data"]))
            fields = {}


@contextmanager
def subscribed(client: Client, query: str = "", **headers: str) -> Iterator[Iterator[Event]]:
    with closing(HTTPConnection(*client.address, timeout=WAIT_SECONDS)) as connection:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"/statements/stream?{query}", headers=sent)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["content-type"] == EVENTS
        yield read_events(answer)


def take(events: Iterator[Event], count: int) -> list[Event]:
    """Return the next statements; checkpoints between them are checked and left out."""
    found: list[Event] = []
    while len(found) < count:
        event = next(events)
        if event.name == "checkpoint":
            size = parse_checkpoint(parse_note(event.data["checkpoint"].encode()).text).size
            assert size == event.data["size"]
            assert event.id is None or event.id < size
        else:
            assert event.name == "statement", event
            assert event.id == event.data["index"]
            found.append(event)
    return found


def indices(events: list[Event]) -> list[int]:
    return [event.data["index"] for event in events]


def test_it_begins_with_a_checkpoint_and_follows_what_is_registered(place: Place) -> None:
    size = place.client.ledger.snapshot.checkpoint.size
    with subscribed(place.client) as events:
        first = next(events)
        statements = many(place.clinic, 3)
        place.client.ledger.register(submissions(*statements))
        found = take(events, 3)

    assert (first.name, first.id, first.data["size"]) == ("checkpoint", size - 1, size)
    assert [event.data["id"] for event in found] == [s.id.hex() for s in statements]
    assert indices(found) == [size, size + 1, size + 2]


def test_an_event_is_what_a_search_finds_and_the_entry_where_it_is_asked_for(place: Place) -> None:
    statement = place.clinic.sign()
    place.client.ledger.register(submissions(statement))
    at = place.client.ledger.get(statement.id).index

    with subscribed(place.client, f"since={at}&limit=1") as events:
        [brief] = take(events, 1)
    with subscribed(place.client, f"since={at}&limit=1&entries=true") as events:
        [whole] = take(events, 1)
    searched = place.client.get(f"/statements?subject={statement.header.subject}").json
    with_entry = place.client.get(
        f"/statements?entries=true&subject={statement.header.subject}"
    ).json

    assert searched["statements"] == [brief.data]
    assert with_entry["statements"] == [whole.data]
    assert parse_statement(b64.decode_url(whole.data["entry"], "entry")) == statement


@pytest.mark.parametrize(
    ("limit", "most"), [("EVENTS", 1), ("EVENTS", 7), ("EVENTS", 100), ("BYTES", 3000)]
)
def test_the_past_and_the_present_meet_without_gap_or_duplicate(
    tmp_path: Path, limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, f"FEED_{limit}_MAX", most)
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*many(clinic, 300)))
        feeder = threading.Thread(target=register_slowly, args=(client.ledger, clinic, 60))
        with subscribed(client, "since=0") as events:
            feeder.start()
            size = client.ledger.snapshot.checkpoint.size
            found = take(events, size + 20)
            feeder.join()
            found += take(events, client.ledger.snapshot.checkpoint.size - len(found))

    assert indices(found) == list(range(len(found)))


def register_slowly(ledger: Ledger, issuer: Issuer, count: int) -> None:
    for statement in many(issuer, count):
        ledger.register(submissions(statement))
        time.sleep(0.005)


@pytest.mark.parametrize("cut_after", [1, 2, 9, 50])
def test_a_cut_connection_is_resumed_exactly(tmp_path: Path, cut_after: int) -> None:
    clinic = Issuer()
    seen: list[int] = []
    with served(tmp_path, clinic) as client:
        feeder = threading.Thread(target=register_slowly, args=(client.ledger, clinic, 120))
        feeder.start()
        last = "0"
        while len(seen) < 121:
            with subscribed(client, "since=5", last_event_id=last) as events:
                for event in take(events, min(cut_after, 121 - len(seen))):
                    seen.append(event.data["index"])
                    last = str(event.id)
        feeder.join()

    assert seen == list(range(1, 122))


def test_checkpoints_carry_a_filtered_stream_forward(tmp_path: Path) -> None:
    clinic, other = Issuer(), Issuer(name="Clinic South")
    with served(tmp_path, clinic, other, quiet_seconds_max=0.1) as client:
        with subscribed(client, f"issuer={other.did}") as events:
            client.ledger.register(submissions(*many(clinic, 20)))
            size = client.ledger.snapshot.checkpoint.size
            mark = next(event for event in events if event.id == size - 1)
        statement = other.sign()
        client.ledger.register(submissions(*many(clinic, 2), statement, *many(clinic, 2)))
        with subscribed(client, f"issuer={other.did}&limit=1", last_event_id=str(mark.id)) as more:
            [found] = take(more, 1)
            rest = list(more)

    assert mark.name == "checkpoint"
    assert found.data["id"] == statement.id.hex()
    assert [event.name for event in rest] == ["checkpoint", "end"]
    assert rest[-1].data == {"reason": "limit"}


@pytest.mark.parametrize(
    "by", ["type=decision", "subject=urn:a", "model=" + "6d" * 32, "link=" + "6c" * 32]
)
def test_it_is_filtered_like_a_search(tmp_path: Path, by: str) -> None:
    clinic = Issuer()
    wanted = clinic.sign(
        type="decision", subject="urn:a", model=b"m" * 32, links={"used": (b"l" * 32,)}
    )
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*many(clinic, 3), wanted, *many(clinic, 3)))
        with subscribed(client, f"since=0&limit=1&{by}") as events:
            [past] = take(events, 1)
        with subscribed(client, f"limit=1&emitter={clinic.emitter.hex()}") as events:
            numbered = clinic.numbered()
            client.ledger.register(submissions(*many(clinic, 3), numbered))
            [live] = take(events, 1)

    assert past.data["id"] == wanted.id.hex()
    assert live.data["id"] == numbered.id.hex()


def test_a_stream_with_nothing_to_say_says_so(tmp_path: Path) -> None:
    with (
        served(tmp_path, quiet_seconds_max=0.05) as client,
        closing(client.open()) as connection,
    ):
        connection.sendall(b"GET /statements/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        received = b""
        while received.count(b": nothing new\n\n") < 3:
            received += connection.recv(1 << 16)

    assert received.count(b"event: checkpoint") == 1


@pytest.mark.parametrize(
    ("query", "last", "status", "words"),
    [
        ("since=-1", None, 400, "plain decimal"),
        ("since=now", None, 400, "plain decimal"),
        ("limit=0", None, 400, "at least 1"),
        ("until=5", None, 400, "no field 'until'"),
        ("model=abc", None, 400, "64 lower-case hex digits"),
        ("", "abc", 400, "Last-Event-ID must be the index"),
        ("", "1e3", 400, "Last-Event-ID must be the index"),
        ("", "", 400, "Last-Event-ID must be the index"),
        ("", "9" * 30, 400, "Last-Event-ID must be the index"),
        ("since=100000", None, 404, "is it the same log"),
        ("", "100000", 404, "is it the same log"),
    ],
)
def test_what_cannot_be_resumed_is_refused_and_said(
    place: Place, query: str, last: str | None, status: int, words: str
) -> None:
    headers = {} if last is None else {"last_event_id": last}
    reply = place.client.get(f"/statements/stream?{query}", **headers)

    assert reply.status == status
    assert words in reply.json["detail"] + str(reply.json.get("advice"))


def test_the_next_entry_may_be_asked_for_and_the_one_after_it_not(place: Place) -> None:
    size = place.client.ledger.snapshot.checkpoint.size
    with subscribed(place.client, last_event_id=str(size - 1)) as events:
        assert next(events).name == "checkpoint"

    assert place.client.get("/statements/stream", last_event_id=str(size)).status == 404


def test_only_so_many_may_subscribe_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    with served(tmp_path, subscribers_max=2, requests_max=3) as client:
        with subscribed(client) as one, subscribed(client) as two:
            next(one), next(two)
            third = client.get("/statements/stream")
            health = client.get("/healthz")
            count = client.get("/metrics").body
        wait_until(lambda: client.server.service.feed.subscribers == 0)
        with subscribed(client) as again:
            next(again)
        wait_until(lambda: client.server.service.load.requests == 0)

    assert (third.status, third.code) == (503, "unavailable.busy")
    assert "2 subscribers" in third.json["detail"]
    assert third.headers["retry-after"] == "1"
    assert health.status == 200
    assert b"tallystick_subscribers 2" in count


def wait_until(holds: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def small_socket(client: Client) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
    connection.settimeout(WAIT_SECONDS)
    connection.connect(client.address)
    return connection


def test_who_never_reads_is_cut_off_holds_nothing_and_can_resume(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, send_seconds_max=0.5) as client:
        client.ledger.register(submissions(*many(clinic, 9000)))
        size = client.ledger.snapshot.checkpoint.size
        with closing(small_socket(client)) as connection:
            connection.sendall(
                b"GET /statements/stream?since=0&entries=1 HTTP/1.1\r\nhost: localhost\r\n\r\n"
            )
            wait_until(lambda: client.server.service.feed.subscribers == 1)
            wait_until(lambda: client.server.service.feed.subscribers == 0)
            received = b""
            with suppress(ConnectionResetError):
                while piece := connection.recv(1 << 16):
                    received += piece
        whole = received[: received.rindex(b"\n\n")].decode(errors="replace")
        last = max(int(line[4:]) for line in whole.splitlines() if line.startswith("id: "))
        with subscribed(client, last_event_id=str(last)) as events:
            rest = take(events, size - last - 1)

    assert last < size - 1
    assert indices(rest) == list(range(last + 1, size))


def test_a_slow_reader_gets_everything_though_the_window_has_moved_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_EVENTS_MAX", 50)
    clinic = Issuer()
    with served(tmp_path, clinic) as client, subscribed(client, "entries=1") as events:
        size = next(events).data["size"]
        for _ in range(30):
            client.ledger.register(submissions(*many(clinic, 100)))
        found = take(events, 3000)

    assert indices(found) == list(range(size, size + 3000))


@pytest.mark.parametrize("stuck", [False, True])
def test_streams_end_with_the_service_and_do_not_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stuck: bool
) -> None:
    monkeypatch.setattr(limits, "STUCK_SECONDS_MAX", 0.3)
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*many(clinic, 5000 if stuck else 5)))
        connection = small_socket(client)
        query = b"since=0&entries=1" if stuck else b"since=0"
        connection.sendall(b"GET /statements/stream?%b HTTP/1.1\r\nhost: localhost\r\n\r\n" % query)
        wait_until(lambda: client.server.service.feed.subscribers == 1)
        began = time.monotonic()
    took = time.monotonic() - began
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    connection.close()

    assert took < 5
    assert stuck or b'event: end\ndata: {"reason":"closing"}' in received
    assert stuck or received.endswith(b"0\r\n\r\n")


def test_many_subscribers_all_get_everything(tmp_path: Path) -> None:
    clinic = Issuer()
    found: dict[int, list[int]] = {}

    def follow(client: Client, number: int, ready: threading.Barrier) -> None:
        with subscribed(client, "limit=200") as events:
            next(events)
            ready.wait(WAIT_SECONDS)
            found[number] = indices(take(events, 200))

    with served(tmp_path, clinic) as client:
        ready = threading.Barrier(41)
        threads = [
            threading.Thread(target=follow, args=(client, number, ready)) for number in range(40)
        ]
        for thread in threads:
            thread.start()
        ready.wait(WAIT_SECONDS)
        size = client.ledger.snapshot.checkpoint.size
        for _ in range(20):
            client.ledger.register(submissions(*many(clinic, 10)))
        for thread in threads:
            thread.join(WAIT_SECONDS)

    assert len(found) == 40
    assert all(one == list(range(size, size + 200)) for one in found.values())


def test_damage_in_the_past_is_told_and_the_present_goes_on(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*many(clinic, 600)))
        client.ledger.publish()
        client.ledger.register(submissions(clinic.sign()))  # memory holds only what is newer
        [bundle] = (tmp_path / "data").rglob("tile/entries/001")
        bundle.write_bytes(bundle.read_bytes()[:1000])
        with subscribed(client, "since=300") as events:
            told = [event for event in events if event.name != "checkpoint"]
        with subscribed(client, "limit=1") as events:
            statement = clinic.sign()
            client.ledger.register(submissions(statement))
            [found] = take(events, 1)

    assert [event.name for event in told] == ["problem"]
    assert told[0].data["type"] == "urn:tallystick:error:verification.damaged"
    assert found.data["id"] == statement.id.hex()
