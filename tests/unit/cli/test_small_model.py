"""`tally up` without an upstream, and `tally model`: the model that ships answers, on record."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.app import run
from tallystick.endpoint import SMALL_LM, EndpointProcess, small_lm_card, small_lm_file
from tallystick.errors import DamagedError
from tests.unit.capture.waiting import eventually
from tests.unit.cli.running import Command, get, post, serving
from tests.unit.cli.test_extras import tally as without

AGAIN = ("up", "--port", "0", "--workers", "0")
NEW = (*AGAIN, "--generate-passphrase")
ASKED = {"model": SMALL_LM, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    return tmp_path / "home"


def tally(home: Path, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert run(["--home", str(home), *map(str, arguments), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_empty_ledger_answers_with_a_registered_model(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = small_lm_card().weights_sha256
    with serving(home, *NEW):
        pass
    with serving(home, *AGAIN) as where:
        answer, headers = post(f"{where['gateway']}/chat/completions", ASKED)

    [shown] = tally(home, capsys, "show", headers["x-tallystick-outcome"])
    assert shown["content"]["answer"] == answer["choices"][0]["message"]["content"]
    assert shown["content"]["usage"] == answer["usage"]
    assert shown["model"] == digest
    [model] = tally(home, capsys, "find", "--type", "model")  # registered once, not at each start
    [shown] = tally(home, capsys, "show", model["index"])
    assert (shown["content"]["name"], shown["model"]) == (SMALL_LM, digest)
    assert len(tally(home, capsys, "find", "--type", "evaluation")) == 1


def test_an_answer_of_the_model_verifies_offline(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, *NEW) as where:
        _, headers = post(f"{where['gateway']}/chat/completions", ASKED)

    file = home / "call.tally.json"
    tally(home, capsys, "export", headers["x-tallystick-outcome"], "-o", file)
    assert tally(home, capsys, "verify", file)[0]["verdict"] == "verified"


def test_the_model_is_served_alone(home: Path) -> None:
    with serving(home, "model", "serve", "--port", "0") as where:
        assert [one["id"] for one in get(f"{where['url']}/models")["data"]] == [SMALL_LM]
        answer, _ = post(f"{where['url']}/chat/completions", ASKED)

    assert answer["usage"]["completion_tokens"] <= 8
    assert not home.exists()


def test_the_card_says_what_the_model_is_and_how_weak(bare: Command) -> None:
    card = bare.json("model", "card")

    assert card["weights_sha256"] == small_lm_card().weights_sha256
    assert {text["licence"] for text in card["text"]} == {"PSF-2.0", "Apache-2.0"}
    assert card["measured"]["bits_per_byte"] < card["measured"]["bits_per_byte_of_pairs"]
    assert "bits per byte" in bare("model", "card")


def test_without_numpy_the_model_is_not_served_but_its_card_is_shown(tmp_path: Path) -> None:
    done = without({"numpy"}, "--home", tmp_path / "home", "model", "serve", "--port", "0")

    assert done.returncode == 2
    assert "pip install 'tallystick[lm]'" in done.stderr
    assert without({"numpy"}, "model", "card").returncode == 0


def test_without_numpy_the_ledger_comes_without_gateway_and_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends by itself
        options = (*NEW, "--port", taken.getsockname()[1])
        done = without({"numpy"}, "--home", tmp_path / "home", *options)

    assert "no gateway" in done.stderr
    assert "pip install 'tallystick[lm]'" in done.stderr
    assert done.returncode == 4


def test_damaged_weights_are_noticed_before_anything_is_served(
    bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = small_lm_file()[:-1] + b"\0"
    monkeypatch.setattr("tallystick.endpoint.small_lm_file", lambda: damaged)

    bare(*AGAIN, code=DamagedError.exit_code)

    assert "install the package again" in bare.words


OWNER = """
import time
from tallystick.endpoint import EndpointProcess
print(EndpointProcess().url, flush=True)
time.sleep(60)
"""


def test_a_model_that_nobody_asks_is_not_started() -> None:
    with EndpointProcess() as process:
        time.sleep(0.1)
        assert not process.running

        assert get(f"{process.url}/models")["data"]
        assert process.running


def test_a_model_whose_process_dies_is_started_again_at_its_address() -> None:
    with EndpointProcess() as process:
        assert get(f"{process.url}/models")["data"]
        assert process._process is not None
        process._process.kill()

        eventually(lambda: process.restarts or None, "another process")
        assert get(f"{process.url}/models")["data"]
        assert process.running


def test_the_models_process_ends_with_whoever_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().decode().strip()
        assert get(f"{url}/models")["data"]
        owner.kill()  # without a chance to end it

    def gone() -> bool | None:
        try:
            return get(f"{url}/models") is None
        except OSError:
            return True

    eventually(gone, "the end of the process")
