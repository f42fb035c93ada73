"""From an application to the ledger: everything, once, in order, whoever dies on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import tallystick
from tallystick.capture.spool import Spool
from tallystick.errors import ConflictError
from tallystick.ledger import Found, Home, LedgerReader, Query
from tallystick.recorder.forwarder import Forwarder
from tallystick.recorder.intake import DAMAGED_SUFFIX
from tallystick.recorder.making import look, open_forwarder
from tallystick.recorder.said import Ended, encode
from tallystick.statement import Relation
from tallystick.vault import About, unsafe_unrecorded
from tests.ledgers import PASSPHRASE, ledger_in
from tests.unit.recorder.recorders import (
    Recorder,
    environment,
    forwarding,
    recorder_in,
    recording_in,
)
from tests.unit.web.child import process

WAIT_SECONDS = 60
APPLICATION = """
import sys, tallystick
@tallystick.record
def answer(number): return number
for number in range(int(sys.argv[1])): answer(number)
if sys.argv[2] == "die":
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def recorded(home: Path) -> list[tuple[Found, dict[str, object]]]:
    """Return the inferences that the ledger has, oldest first, with their content."""
    with LedgerReader(Home(home), PASSPHRASE) as ledger, unsafe_unrecorded():
        found = list(ledger.find_all(Query(type="inference")))
        return [(one, dict(ledger.vault.get(one.statement.id).values())) for one in found[::-1]]


def answers(home: Path) -> list[int]:
    """Return what the calls answered; fails if a record is there twice or without its intent."""
    said: list[int] = []
    intents: dict[bytes, int] = {}
    for one, content in recorded(home):
        links = one.statement.header.links
        if content["phase"] == "intent":
            intents[one.statement.id] = json.loads(content["request"])["number"]  # type: ignore[arg-type]
            continue
        [intent] = links[Relation.GENERATED_BY]
        number = json.loads(content["response"])  # type: ignore[arg-type]
        assert intents.pop(intent) == number
        said.append(number)
    assert not intents
    return said


def run_application(recorder: Recorder, calls: int, end: str = "well") -> None:
    command = [sys.executable, "-c", APPLICATION, str(calls), end]
    done = subprocess.run(
        command, check=False, env=environment(recorder), capture_output=True, text=True
    )
    assert done.returncode == (-signal.SIGKILL if end == "die" else 0), done.stderr


def url_of(recorder: Recorder, url: str) -> None:
    """Have the recorder speak to a service that runs elsewhere now."""
    card = json.loads(recorder.place.card.read_bytes())
    recorder.place.card.write_text(json.dumps(card | {"url": url}))


def rest(recorder: Recorder) -> int:
    return int(look(recorder.place)["files"])


def test_what_an_application_says_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        with forwarding(recorder):
            with recording_in(recorder, monkeypatch):
                with tallystick.recording(
                    "chat", {"q": 1}, model="m", parameters={"seed": 7}, about=About("case-1")
                ) as call:
                    call.answer, call.usage = "yes", {"output_tokens": 1}
                with pytest.raises(ValueError, match="no"), tallystick.recording("chat", {"q": 2}):
                    raise ValueError("no")
            until(lambda: rest(recorder) == 0)
    (one, asked), (two, ended), (_, _), (_, failed) = recorded(tmp_path / "home")
    assert asked["parameters"] == {"seed": 7}
    assert (asked["operation"], asked["model"], asked["request"]) == ("chat", "m", b'{"q":1}')
    assert (ended["status"], ended["answer"], ended["usage"]) == ("ok", "yes", {"output_tokens": 1})
    assert two.statement.header.links[Relation.GENERATED_BY] == (one.statement.id,)
    assert (failed["status"], failed["error"]) == ("error", "ValueError: no")
    with ledger_in(tmp_path / "home") as ledger:
        assert {target for target, _ in ledger.vault.about("case-1").items()} == {
            one.statement.id,
            two.statement.id,
        }


def test_a_killed_application_loses_nothing_that_it_said(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        run_application(recorder, 40, "die")  # it starts the forwarder, too
        until(lambda: rest(recorder) == 0 and look(recorder.place)["forwarder"] is not None)
        until(lambda: look(recorder.place)["forwarder"] is None)  # which ends by itself
    assert answers(tmp_path / "home") == list(range(40))


def test_a_ledger_that_is_away_is_caught_up_with_in_order(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    forwarder: Forwarder
    with forwarding(recorder) as forwarder:
        run_application(recorder, 30)
        until(lambda: forwarder.trouble is not None)
        assert "cannot be reached" in str(forwarder.trouble)
        until(lambda: rest(recorder) == 0)  # signed and durable all the same
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        with forwarding(recorder) as forwarder:
            until(lambda: look(recorder.place)["registered"] >= 60 or len_of(tmp_path) >= 60)
    assert answers(tmp_path / "home") == list(range(30))


def len_of(folder: Path) -> int:
    with LedgerReader(Home(folder / "home")) as ledger:
        return len(list(ledger.find_all(Query(type="inference"))))


def test_a_forwarder_that_is_killed_again_and_again_registers_everything_once(
    tmp_path: Path,
) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    command = [sys.executable, "-m", "tallystick", "recorder", "run", str(recorder.place.root)]
    chance = random.Random(3)
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        recorder.place.lock.touch()
        application = subprocess.Popen(
            [sys.executable, "-c", APPLICATION, "600", "well"], env=environment(recorder)
        )
        for _ in range(6):
            forwarder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.4, 1.4))
            forwarder.kill()
            forwarder.wait()
        assert application.wait(WAIT_SECONDS) == 0
        until(lambda: rest(recorder) == 0)
        until(lambda: look(recorder.place)["forwarder"] is None)
    assert answers(tmp_path / "home") == list(range(600))
    with LedgerReader(Home(tmp_path / "home")) as ledger:
        sequences = [
            one.statement.header.sequence
            for one in ledger.find_all(Query(issuer=recorder.place.read_card().issuer))
        ]
    numbers: dict[int, list[int]] = {}
    for sequence in sequences[::-1]:
        if sequence is not None:
            numbers.setdefault(sequence.epoch, []).append(sequence.seq)
    assert sorted(numbers) == list(range(len(numbers)))  # no epoch is missing
    assert all(found == list(range(len(found))) for found in numbers.values())


def test_a_file_that_cannot_be_read_is_set_aside_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    with recording_in(recorder, monkeypatch):
        for number in range(3):
            with tallystick.recording("chat", {"number": number}) as call:
                call.answer = number
    [path] = recorder.place.calls.iterdir()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # the end of what it says, and that it ends
    path.write_bytes(data)
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        with forwarding(recorder):
            until(lambda: rest(recorder) == 0)
            until(lambda: len_of(tmp_path) == 6)
    assert path.with_suffix(DAMAGED_SUFFIX).exists()
    assert answers(tmp_path / "home") == [0, 1, 2]
    with LedgerReader(Home(tmp_path / "home"), PASSPHRASE) as ledger, unsafe_unrecorded():
        [change] = ledger.find_all(Query(type="change"))
        content = ledger.vault.get(change.statement.id).values()
    assert (content["what"], content["after"]) == ("recorder.damaged", {"frames": 6})


def test_two_forwarders_do_not_work_in_one_folder(recorder: Recorder) -> None:
    with forwarding(recorder):
        until(lambda: look(recorder.place)["forwarder"] == str(os.getpid()))
        with pytest.raises(ConflictError, match="already writing"):
            open_forwarder(recorder.place).run()


def test_a_forwarder_ends_with_its_folder(recorder: Recorder) -> None:
    with forwarding(recorder):
        recorder.place.card.unlink()
        recorder.place.calls.touch()  # trouble, after which it begins anew


def test_a_service_starts_beside_a_program_that_records(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    command = [sys.executable, "-m", "tallystick", "config", "check"]
    told = subprocess.run(
        command, check=False, capture_output=True, text=True,
        env={**environment(recorder), "TALLYSTICK_HOME": str(tmp_path / "home")},
    )  # fmt: skip

    assert told.returncode == 0
    assert "RECORDER" not in told.stderr


def test_what_a_full_spool_does_not_take_waits_in_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(Spool, segment_bytes=64 << 10)
    monkeypatch.setattr("tallystick.recorder.forwarder.Spool", small)
    monkeypatch.setattr("tallystick.log.journal.SEGMENTS_MAX", 3)
    monkeypatch.setattr("tallystick.capture.spool.MARK_ITEMS", 16)
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    with recording_in(recorder, monkeypatch):
        for number in range(300):
            with tallystick.recording("chat", {"number": number, "text": "x" * 500}) as call:
                call.answer = number
    with forwarding(recorder) as forwarder:
        until(lambda: forwarder.trouble is not None)
        time.sleep(0.5)
        assert rest(recorder) == 1  # it is not at its end
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        with forwarding(recorder):
            until(lambda: rest(recorder) == 0 and len_of(tmp_path) == 600)
    assert answers(tmp_path / "home") == list(range(300))


def test_one_file_or_frame_that_cannot_be_read_holds_nothing_else_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    recorder.place.calls.mkdir()
    (recorder.place.calls / f"{'ab' * 16}.frames").touch()  # as a power cut may leave one
    with recording_in(recorder, monkeypatch) as handoff:
        for number in range(2):
            with tallystick.recording("chat", {"number": number}) as call:
                call.answer = number
            assert handoff._newest is not None
            handoff._newest.writer.write(b"\x93\x07of another release")
            handoff._newest.writer.write(encode(Ended(77, "ok", b"", None, 0.0)))
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        with forwarding(recorder):
            until(lambda: rest(recorder) == 0)
            until(lambda: len_of(tmp_path) == 4)
    assert answers(tmp_path / "home") == [0, 1]
    with LedgerReader(Home(tmp_path / "home"), PASSPHRASE) as ledger, unsafe_unrecorded():
        changes = list(ledger.find_all(Query(type="change")))
        reasons = {ledger.vault.get(one.statement.id).values()["reason"] for one in changes}
    assert len(changes) == 5
    assert any("only just been begun" in one for one in reasons)
    assert "the end of call 77, which did not begin" in reasons


def test_nothing_readable_is_left_when_a_forwarder_ends(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path / "home", tmp_path / "recorder")
    with process(tmp_path / "home") as (_, url):
        url_of(recorder, url)
        with forwarding(recorder):
            run_application(recorder, 3)
            until(lambda: rest(recorder) == 0 and len_of(tmp_path) == 6)
    with LedgerReader(Home(tmp_path / "home")) as ledger:
        entries = [one.statement.entry for one in ledger.find_all(Query(type="inference"))]
    left = b"".join(one.read_bytes() for one in (recorder.place.spool / "journal").iterdir())

    assert left
    assert not [entry for entry in entries if entry in left]
