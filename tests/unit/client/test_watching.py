"""`watch`: everything once and in order, whatever happens to the connections."""

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

import tallystick
from tallystick.client import Patience
from tallystick.errors import (
    DamagedError,
    EncodingError,
    InputError,
    NotFoundError,
    ProofError,
    TallystickError,
    UnavailableError,
)
from tallystick.statement import b64
from tests.ledgers import Issuer, ledger_in, many, submissions
from tests.unit.client.answering import answering, http, problem
from tests.unit.client.proxy import proxied
from tests.unit.client.speaking import ONCE, SOON, Speaker
from tests.unit.web.served import served, serving
from tests.unit.web.test_stream import register_slowly


@pytest.mark.parametrize("cut_after", [700, 3000, 20_000])
def test_cut_connections_lose_and_repeat_nothing(
    tmp_path: Path, speaker: Speaker, cut_after: int
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client, proxied(client.address) as proxy:
        proxy.cut_after = cut_after
        if cut_after == 700:  # less than any event: only the whole of it gets through later
            threading.Timer(1.5, lambda: setattr(proxy, "cut_after", 5000)).start()
        feeder = threading.Thread(target=register_slowly, args=(client.ledger, clinic, 120))
        feeder.start()
        found = speaker.say(proxy.url, "watch", 0, limit=121)
        feeder.join()
        here = [client.ledger.at(index) for index in range(121)]

    assert found == here
    assert proxy.cuts > 1


def test_a_service_that_starts_anew_is_followed_on(tmp_path: Path) -> None:
    clinic = Issuer()
    found: list[int] = []
    with ledger_in(tmp_path, clinic) as ledger:
        with serving(ledger) as client:
            port = client.address[1]
            patient = Patience(retry_seconds_max=20, quiet_seconds_max=5)
            watcher = threading.Thread(target=_watch, args=(client.url, patient, found))
            watcher.start()
            for statement in many(clinic, 10):
                ledger.register(submissions(statement))
        ledger.register(submissions(*many(clinic, 10)))
        with serving(ledger, port=port):
            ledger.register(submissions(*many(clinic, 10)))
            watcher.join(20)

    assert found == list(range(30))


def _watch(url: str, patience: Patience, found: list[int]) -> None:
    with tallystick.connect(url, patience=patience) as client:
        found += [one.index for one in client.watch(0, limit=30)]


def test_filters_hold_over_cut_connections(tmp_path: Path, speaker: Speaker) -> None:
    north, south = Issuer(), Issuer(name="Clinic South")
    mixed = [issuer.sign() for issuer in itertools.islice(itertools.cycle([north, south]), 60)]
    with served(tmp_path, north, south) as client, proxied(client.address) as proxy:
        proxy.cut_after = 9000
        client.ledger.register(submissions(*mixed))
        found = speaker.say(proxy.url, "watch", 0, limit=30, issuer=south.did)

    assert [one.statement for one in found] == mixed[1::2]
    assert proxy.cuts > 1


def test_it_may_be_stopped_at_any_statement(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as service:
        service.ledger.register(submissions(*many(clinic, 50)))
        with tallystick.connect(service.url) as client:
            watching = client.watch(0)
            first = [next(watching).index for _ in range(5)]
            watching.close()  # type: ignore[attr-defined]
            again = [one.index for one in itertools.islice(client.watch(5), 5)]

    assert first + again == list(range(10))


def test_what_the_service_has_not_is_said(tmp_path: Path, speaker: Speaker) -> None:
    with served(tmp_path) as client, pytest.raises(NotFoundError, match="has 1 entries"):
        speaker.say(client.url, "watch", 1000)
    for wrong in ({"since": -1}, {"limit": 0}, {"colour": "red"}):
        with pytest.raises(InputError):
            speaker.say("http://127.0.0.1:1", "watch", **wrong)


def test_too_many_subscribers_are_told_after_patience(tmp_path: Path, speaker: Speaker) -> None:
    with served(tmp_path, subscribers_max=1) as service, tallystick.connect(service.url) as client:
        other = client.watch(0)
        next(other)
        with pytest.raises(UnavailableError, match="1 subscribers already"):
            speaker.say(service.url, "watch", patience=ONCE)
        other.close()  # type: ignore[attr-defined]


def test_silence_counts_as_a_broken_connection(speaker: Speaker) -> None:
    short = Patience(answer_seconds_max=5, retry_seconds_max=0.4, quiet_seconds_max=0.2)
    silent = stream(b": nothing new\n\n", length=1000)
    with answering(silent) as server, pytest.raises(UnavailableError):
        speaker.say(server.url, "watch", patience=short)

    assert len(server.asked) >= 2


def stream(events: bytes, length: int | None = None) -> bytes:
    size = str(len(events) if length is None else length)
    return http("200 OK", b"", content_type="text/event-stream", content_length=size) + events


def event(name: str, data: str, last: object = None) -> bytes:
    mark = "" if last is None else f"id: {last}\n"
    return f"{mark}event: {name}\ndata: {data}\n\n".encode()


CLINIC = Issuer()
ONE, TWO = many(CLINIC, 2)


def said(at: int, last: object = None, **changes: Any) -> bytes:
    members = {
        "index": at, "id": f'"{ONE.id.hex()}"', "entry": f'"{b64.encode_url(ONE.entry)}"',
        **changes,
    }  # fmt: skip
    data = "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"
    return event("statement", data, at if last is None else last)


NOTE = (
    "log.example/a\\n5\\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\\n\\n"
    "\\u2014 log.example/a AAAAAAAA\\n"
)
COVERS_5 = f'{{"size":5,"checkpoint":"{NOTE}"}}'


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        (said(1), ProofError),  # 0 was to come
        (said(0) + said(0), ProofError),
        (said(0) + said(2), ProofError),
        (said(0) + said(1) + said(0), ProofError),
        (said(0, last=7), EncodingError),
        (said(0, id=f'"{TWO.id.hex()}"'), ProofError),
        (said(0, id="7"), EncodingError),
        (said(0, entry='"!"'), EncodingError),
        (said(0, entry="null"), EncodingError),
        (said(0, index='"zero"'), EncodingError),
        (event("statement", "{"), EncodingError),
        (event("statement", "[" * 100_000), EncodingError),
        (event("statement", "\udcff".encode("utf-8", "surrogatepass").decode("latin-1")),
         EncodingError),
        (event("checkpoint", COVERS_5, 5), ProofError),
        (event("checkpoint", COVERS_5, 3), ProofError),  # 0 to 3 were left out
        (said(0) + event("checkpoint", COVERS_5, 4), ProofError),  # 1 was left out
        (event("checkpoint", '{"size":5,"checkpoint":"nonsense"}'), EncodingError),
        (event("statement", "{}", "-1"), EncodingError),
        (event("statement", "{}", "1e9"), EncodingError),
        (b"data: \xff\n\n", EncodingError),
        (event("problem", '{"type":"urn:tallystick:error:verification.damaged"}'), DamagedError),
    ],
)  # fmt: skip
def test_a_stream_that_cannot_be_right_is_not_believed(
    speaker: Speaker, events: bytes, kind: type[TallystickError]
) -> None:
    with answering(stream(events)) as server, pytest.raises(kind):
        speaker.say(server.url, "watch", 0, patience=SOON)


def test_what_a_filter_did_not_ask_for_is_not_believed(speaker: Speaker) -> None:
    with answering(stream(said(3))) as server, pytest.raises(ProofError, match="another type"):
        speaker.say(server.url, "watch", 0, type="decision")


def test_unknown_events_are_passed_over_and_what_is_good_before_is_given() -> None:
    events = event("weather", "rain") + said(0) + said(1) + said(1)
    with answering(stream(events)) as server, tallystick.connect(server.url) as client:
        watching = client.watch(0)
        found = [next(watching).index, next(watching).index]
        with pytest.raises(ProofError, match="statement 2 was to come, and 1 came"):
            next(watching)

    assert found == [0, 1]


@pytest.mark.parametrize(
    "reply",
    [
        http("200 OK", {"statements": []}, content_type="application/json"),
        http("200 OK", b"data: x\n\n", content_type="text/plain"),
        http("204 No Content"),
        http("301 Moved", location="http://elsewhere"),
    ],
)
def test_what_is_no_stream_is_refused(speaker: Speaker, reply: bytes) -> None:
    with answering(reply) as server, pytest.raises(EncodingError):
        speaker.say(server.url, "watch")


def test_a_refused_stream_is_the_error_that_it_tells_of(speaker: Speaker) -> None:
    with answering(problem("input", "400 Bad Request")) as server, pytest.raises(InputError):
        speaker.say(server.url, "watch")
