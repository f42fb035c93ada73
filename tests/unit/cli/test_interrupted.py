"""What happens half-way, twice at once, or under a wrong passphrase leaves nothing unusable."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tallystick.errors import ConflictError, RefusedError
from tallystick.identity import KeyFile
from tallystick.ledger import Home, create
from tallystick.ledger.signatures import INLINE_MAX
from tallystick.log import WriterLock
from tests.unit.cli.running import Command, post, serving

TALLY = [sys.executable, "-m", "tallystick"]


def told(command: Command, *arguments: object) -> list[Any]:
    return [json.loads(line) for line in command(*arguments, "--json").splitlines()]


def test_keys_that_are_made_at_the_same_time_are_all_kept(made: Command) -> None:
    names = [f"k{number}" for number in range(4)]
    running = [
        subprocess.Popen(
            [*TALLY, "--home", str(made.home), "keys", "create", name, "--kind", "person"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name in names
    ]
    for one in running:
        _, words = one.communicate(timeout=60)
        assert one.returncode == 0, words

    assert {one["here"] for one in told(made, "keys", "list")} >= set(names)


def test_a_wrong_passphrase_begins_no_file_that_only_it_opens(
    bare: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare("init")
    right = os.environ["TALLYSTICK_PASSPHRASE_FILE"]
    (tmp_path / "wrong").write_text("wrong")
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(tmp_path / "wrong"))
    for command in (("create", "ada"), ("request", "ada", "--origin", "localhost/x")):
        bare("keys", *command, "--kind", "person", code=RefusedError.exit_code)
    assert not Home(bare.home).issuer_keys.exists()

    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", right)
    bare("keys", "create", "ada", "--kind", "person")


def test_a_key_that_was_made_and_not_registered_is_registered_the_next_time(
    made: Command,
) -> None:
    made("keys", "request", "ada", "--kind", "person", "--origin", "elsewhere/log")

    made("keys", "create", "ada", "--kind", "person")

    assert "was made before" in made.words
    assert [one["here"] for one in told(made, "keys", "list")].count("ada") == 1
    made("keys", "create", "ada", "--kind", "person", code=2)
    assert "there is a key 'ada' already" in made.words


@pytest.mark.parametrize("at", ["keys/service.key", "data/log", "head"])
def test_what_was_interrupted_while_it_was_made_can_be_made_again(
    at: str, bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*TALLY, "--home", str(bare.home), "init", "--generate-passphrase"]
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as init:
        until = time.monotonic() + 30
        while not (bare.home / at).exists() and time.monotonic() < until:
            time.sleep(0.0005)
        init.send_signal(signal.SIGINT)
        code = init.wait(30)

    if code != 0:  # else it was quicker than the signal
        assert not (bare.home / "keys" / "service.key").exists()
        assert not (bare.home / "passphrase").exists()
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (bare.home / "passphrase").exists()
    assert told(bare, "fsck")


def test_half_a_ledger_is_called_that(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    create(home, "localhost/x", b"x", clock=lambda: 1)
    (home.data / "ledger.json").unlink()

    with pytest.raises(ConflictError, match="no ledger"):
        create(home, "localhost/x", b"x", clock=lambda: 1)
    assert KeyFile(home.service_keys, b"x").names()


def test_an_address_where_nobody_is_is_told_at_once(bare: Command) -> None:
    began = time.monotonic()

    bare("watch", "--url", "http://127.0.0.1:9", "--limit", "1", code=4)

    assert time.monotonic() - began < 30


def test_a_reader_who_has_enough_is_no_failure(made: Command) -> None:
    for number in range(3):
        made("keys", "create", f"k{number}", "--kind", "person")
    find = f"{sys.executable} -m tallystick --home '{made.home}' find"
    for _ in range(3):
        done = subprocess.run(
            ["bash", "-c", f"{find} | head -1; exit ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "rror" not in done.stderr


def test_a_second_interrupt_ends_at_once_without_a_word_of_python(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*TALLY, "--home", str(made.home), "up", "--port", "0", "--no-small-lm"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/statements/stream?since=0") as stream:  # noqa: S310
            assert stream.readline()
            for _ in range(2):
                service.send_signal(signal.SIGINT)
                time.sleep(0.2)
            _, words = service.communicate(timeout=60)

    assert "Traceback" not in words
    assert "ERROR" not in words
    assert service.returncode in {0, 130}, words  # 0 where it ended before the second one
    made("fsck", "--deep")


ASKED = {"model": "small-lm", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}


def register(url: str, entries: list[bytes]) -> None:
    kind = {"Content-Type": "application/cbor"}
    request = urllib.request.Request(f"{url}/statements", cbor2.dumps(entries), kind)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        assert len(json.loads(reply.read())["results"]) == len(entries)


def test_the_terminals_interrupt_reaches_the_service_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home, "up", "--port", "0", "--workers", "1", "--generate-passphrase") as facts:
        pid = int(Home(home).lock.read_text())
        post(f"{facts['url']}/v1/chat/completions", ASKED)  # the first call starts the small model
        register(facts["url"], [b"?"] * INLINE_MAX)  # the first larger batch starts the worker
        threads = Path(f"/proc/{pid}/task").iterdir()
        children = [one for each in threads for one in (each / "children").read_text().split()]
        groups = [os.getpgid(int(child)) for child in children]

        assert len(groups) >= 2  # a worker, and the small model
        assert os.getpgid(pid) not in groups


def test_fsck_calls_a_wrong_passphrase_that_and_no_damage(
    made: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("wrong")
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(tmp_path / "wrong"))

    made("fsck", "--deep", code=RefusedError.exit_code)

    assert "passphrase" in made.words
    assert "damaged" not in made.words


def test_fsck_does_not_say_that_it_checked_what_another_process_holds(made: Command) -> None:
    made("fsck", "--deep")
    assert "head store and index agree" in made.words
    lock = WriterLock(Home(made.home).lock)

    made("fsck", "--deep")
    lock.release()

    assert "were not checked" in made.words
    assert "signatures and index agree" in made.words


@pytest.mark.parametrize("data", [None, b"garbage", b""])
def test_a_checkpoint_that_is_gone_or_garbage_is_damage_for_every_reader(
    data: bytes | None, made: Command
) -> None:
    checkpoint = Home(made.home).places().public / "checkpoint"
    checkpoint.unlink()
    if data is not None:
        checkpoint.write_bytes(data)

    for command in (["find"], ["show", "1"], ["keys", "list"]):
        made(*command, code=1)
        assert "tally fsck" in made.words
