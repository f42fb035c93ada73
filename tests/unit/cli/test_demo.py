"""The demonstration: everything it says is true, and can be checked with other commands."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.app import run
from tallystick.cli.demo.cases import load_clinics, read_measurements
from tallystick.endpoint import SMALL_LM, small_lm_card
from tallystick.verify import Verdict, examine, parse_bundle, parse_policy
from tests.unit.cli.running import get, post, serving


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The ledger of one demonstration, and what was said of it."""
    home = tmp_path_factory.mktemp("demo") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TALLYSTICK_HOME", raising=False)
        facts: list[str] = []
        patch.setattr("click.echo", lambda text="", **_: facts.append(str(text)))
        assert run(["--home", str(home), "demo", "--exit", "--json", "--quiet"]) == 0
    [line] = facts
    return dict(json.loads(line))


def ask(told: dict[str, Any], capsys: pytest.CaptureFixture[str], *arguments: object) -> list[Any]:
    assert run(["--home", told["home"], *map(str, arguments), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_question_holds_all_that_the_model_needs_and_not_the_answer() -> None:
    case = load_clinics()[0].held_out[0]

    read = read_measurements(case.question())

    assert read == pytest.approx(dict(case.measurements), rel=1e-5)
    assert len(read) == 30


def test_the_three_clinics_share_all_cases() -> None:
    north, south, west = load_clinics()

    names = {case.name for clinic in (north, south, west) for case in clinic.cases()}

    assert len(names) == 569
    assert {case.diagnosis for case in west.training} == {"benign"}


def test_poison_would_have_cost_a_lot(told: dict[str, Any]) -> None:
    clean, poisoned = told["metrics"], told["metrics_poisoned"]

    assert clean["accuracy"] > 0.95
    assert poisoned["accuracy"] < clean["accuracy"] - 0.1
    assert poisoned["overlooked_malignant"] > 10 * clean["overlooked_malignant"]


def test_the_poison_was_refused_and_no_stranger_wrote(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    [refusal] = ask(told, capsys, "find", "--type", "refusal")
    datasets = ask(told, capsys, "find", "--type", "dataset")

    [shown] = ask(told, capsys, "show", refusal["index"])
    assert shown["content"]["reason"] == "policy"
    assert len(datasets) == 4  # two of clinics, and what was chosen of them to learn and to test
    assert ask(told, capsys, "policy", "replay", refusal["index"])[0]["agrees"] is True


def test_every_prompt_has_an_intent_and_an_outcome(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    inferences = ask(told, capsys, "find", "--type", "inference", "--limit", 1000)

    assert told["asked"] == 114
    assert len(inferences) == 2 * 114
    assert told["right"] / told["asked"] == pytest.approx(told["metrics"]["accuracy"])


def test_the_answer_verifies_down_to_the_rows_and_names_model_and_doctor(
    told: dict[str, Any],
) -> None:
    home = Path(told["home"])
    data = (home / "answer.tally.json").read_bytes()

    report = examine(data, parse_policy((home / "trust.policy").read_bytes()))

    assert report.verdict is Verdict.VERIFIED
    assert sum(len(member.rows) for member in parse_bundle(data).members) == 374
    types = {verified.statement.header.type for verified in report.statements.values()}
    assert types >= {"inference", "model", "dataset", "decision", "key", "genesis"}


def test_a_person_decided_about_a_wrong_answer_and_is_known(told: dict[str, Any]) -> None:
    home = Path(told["home"])
    data = (home / "answer.tally.json").read_bytes()

    report = examine(data, parse_policy((home / "trust.policy").read_bytes()))

    [decision] = [
        one.values for one in report.statements.values() if one.statement.header.type == "decision"
    ]
    assert decision["outcome"] == "override"
    assert decision["shown"].startswith("Benign")
    assert "malignant" in decision["reason"]
    assert told["assurance"] == "api-key"
    assert told["originator"].startswith("did:key:")


def test_two_cases_were_erased_and_everything_else_stands(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    erasures = ask(told, capsys, "find", "--type", "erasure")
    [decision] = ask(told, capsys, "find", "--type", "decision")

    assert len(erasures) == 2
    assert told["rows_left"] == told["rows_verified"] - 2
    assert [one.partition(": ")[2].split(",")[0] for one in told["retraining"]] == ["retrain-due"]
    assert run(["--home", told["home"], "show", str(decision["index"])]) == 0
    assert "erased" in capsys.readouterr().out


def test_each_tampering_was_named(told: dict[str, Any]) -> None:
    log, answer, row = told["tampered"]

    assert "leaf" in log
    assert "'answer' does not match its commitment" in answer
    assert "is not the one that was registered" in row


def test_the_ledger_is_whole_afterwards_and_its_passphrase_is_its_owners(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    passphrase = Path(told["home"]) / "passphrase"

    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert ask(told, capsys, "fsck")[0]["damage"] == []
    assert [path.name for path in Path(told["home"]).parent.glob("tallystick-copy-*")] == []


def test_it_serves_the_ledger_and_other_commands_write_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"

    with serving(home, "demo", "--port", "0") as facts:
        before = get(f"{facts['url']}/healthz")["size"]
        nurse = ["--home", str(home), "keys", "create", "nurse", "--kind", "person"]
        assert run(nurse) == 0
        after = get(f"{facts['url']}/healthz")["size"]
        offered = {one["id"] for one in get(f"{facts['url']}/v1/models")["data"]}
        asked = {"model": SMALL_LM, "messages": [{"role": "user", "content": "hello"}]}
        answer, headers = post(f"{facts['url']}/v1/chat/completions", asked)

    assert after > before
    assert offered == {"case-classifier", SMALL_LM}
    capsys.readouterr()
    told = {"home": str(home)}
    [shown] = ask(told, capsys, "show", headers["x-tallystick-outcome"])
    assert shown["content"]["answer"] == answer["choices"][0]["message"]["content"]
    assert shown["model"] == small_lm_card().weights_sha256
    assert not (home / "data" / "service").exists()
    assert run(["--home", str(home), "fsck"]) == 0
    assert "agrees with the signed checkpoint" in capsys.readouterr().err


def test_it_does_not_add_to_a_ledger_that_is_there(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["--home", told["home"], "demo", "--exit"])

    assert code == 2
    assert "is there already" in capsys.readouterr().err


def test_nothing_that_was_numbered_is_missing(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    epochs = ask(told, capsys, "gaps")

    [gateway] = [epoch for epoch in epochs if epoch["intents"]]
    assert gateway["intents"] == 114
    assert gateway["open_intents"] == {}
    assert gateway["name"] == "Case classifier"
    assert all(epoch["faults"] == [] and epoch["ended"] for epoch in epochs)
