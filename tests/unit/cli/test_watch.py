"""`tally watch`: beside a service, beside nobody, elsewhere; it ends when it is told to."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ledgers import PASSPHRASE, Issuer, ledger_in, many, submissions
from tests.unit.cli.running import START_SECONDS, Command
from tests.unit.web.served import served


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    phrase = tmp_path / "phrase"
    phrase.write_bytes(PASSPHRASE)
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(phrase))
    return tmp_path / "home"


@pytest.fixture
def tally(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(home, capsys)


@contextmanager
def watching(home: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `tally watch` in a process of its own; it is killed if it does not end."""
    command = [sys.executable, "-m", "tallystick", "--home", str(home), "--json", "watch"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        killer = threading.Timer(START_SECONDS, process.kill)
        killer.start()
        try:
            yield process
        finally:
            process.kill()
            killer.cancel()


def lines(process: "subprocess.Popen[str]", count: int) -> list[Any]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def indices(text: str) -> list[int]:
    return [json.loads(line)["index"] for line in text.splitlines()]


def test_the_past_of_a_ledger_that_nobody_has_open(home: Path, tally: Command) -> None:
    clinic = Issuer()
    with ledger_in(home, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 5), clinic.sign(type="decision")))

    everything = tally("watch", "--since", 0, "--limit", 7, "--json")
    decision = tally.json("watch", "--since", 0, "--limit", 1, "--type", "decision")
    words = tally("watch", "--since", 2, "--limit", 1)

    assert indices(everything) == list(range(7))
    assert decision["type"] == "decision"
    assert "key" in words


def test_it_follows_from_files_to_service_and_back(home: Path) -> None:
    clinic = Issuer()
    with ledger_in(home, clinic):
        pass
    with watching(home, "--since", "0") as process:
        first = lines(process, 2)
        with served(home, clinic) as client:
            (home / "data" / "service").write_text(client.url)
            client.ledger.register(submissions(*many(clinic, 5)))
            second = lines(process, 5)
            (home / "data" / "service").unlink()
        with ledger_in(home) as ledger:
            ledger.register(submissions(*many(clinic, 5)))
        third = lines(process, 5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)

    found = [one["index"] for one in first + second + third]
    assert found == list(range(len(found)))
    assert process.returncode == 0
    assert "stopped; go on with --since" in told


def test_a_service_elsewhere_needs_no_ledger_here(
    tmp_path: Path, home: Path, tally: Command
) -> None:
    clinic = Issuer()
    with served(tmp_path / "other", clinic) as client:
        client.ledger.register(submissions(*many(clinic, 3)))
        found = tally("watch", "--url", client.url, "--since", 1, "--limit", 3, "--json")
        gone = tally("watch", "--url", client.url, "--since", 5000, code=2)

    assert indices(found) == [1, 2, 3]
    assert not gone
    assert "is it the same log" in tally.words
    assert not home.exists()


def test_whoever_reads_may_have_enough(home: Path) -> None:
    clinic = Issuer()
    with ledger_in(home, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 20)))
    with watching(home, "--since", "0") as process:
        lines(process, 1)
        assert process.stdout is not None
        process.stdout.close()
        with ledger_in(home) as ledger:
            for _ in range(30):
                ledger.register(submissions(*many(clinic, 500)))
                if process.poll() is not None:
                    break
                time.sleep(0.2)
        told = process.stderr.read() if process.stderr else ""

    assert process.returncode == 0
    assert "Traceback" not in told
    assert "Exception" not in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "99"], "is it the same log"),
        (["--emitter", "abc"], "32 hex digits"),
        (["--type", "infrence"], "is 'inference' meant"),
        (["--issuer", "me"], "expected a DID"),
        (["--link", "abc"], "64 hex digits"),
        (["--link", "7"], "7"),
        (["--limit", "0"], "0"),
        (["--since", "-1"], "-1"),
    ],
)
def test_what_cannot_be_is_said(
    home: Path, tally: Command, arguments: list[str], words: str
) -> None:
    clinic = Issuer()
    with ledger_in(home, clinic):
        pass

    tally("watch", *arguments, code=2)

    assert words in tally.words


def test_without_a_ledger_it_says_so(tally: Command) -> None:
    tally("watch", code=2)

    assert "no ledger" in tally.words
