"""`tally up`: a persistent ledger, served, with a gateway, and commands that work beside it."""

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.app import run
from tallystick.cli.demo.cases import load_clinics
from tallystick.cli.demo.classifier import train
from tallystick.cli.demo.endpoint import ServedClassifier
from tallystick.cli.demo.serving import serve_model
from tallystick.endpoint import endpoint_app
from tests.certificates import certificate
from tests.unit.cli.running import get, post, serving

AGAIN = ("up", "--port", "0", "--workers", "0", "--no-small-lm")
NEW = (*AGAIN, "--generate-passphrase")


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A model behind an OpenAI-compatible API."""
    rows = [case.row() for case in load_clinics()[0].training]
    model, url = serve_model(endpoint_app([ServedClassifier(train(rows))]))
    with model:
        yield url


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    return tmp_path / "home"


def tally(home: Path, capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> Any:
    capsys.readouterr()
    assert run(["--home", str(home), *map(str, arguments), "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_empty_ledger_is_made_once_and_kept(home: Path) -> None:
    with serving(home, *NEW) as first:
        assert get(f"{first['url']}/healthz")["size"] > 0
        assert first["gateway"] is None
        genesis = get(f"{first['url']}/keys")["operator"]

    with serving(home, *AGAIN) as second:
        assert get(f"{second['url']}/keys")["operator"] == genesis


def test_calls_through_the_gateway_are_in_the_ledger_after_it_ended(
    home: Path, upstream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    question = load_clinics()[0].held_out[0].question()
    body = {"model": "case-classifier", "messages": [{"role": "user", "content": question}]}

    with serving(home, *NEW, "--upstream", upstream) as where:
        answer, headers = post(f"{where['gateway']}/chat/completions", body)

    outcome = headers["x-tallystick-outcome"]
    [shown] = tally(home, capsys, "show", outcome)
    assert shown["content"]["answer"] == answer["choices"][0]["message"]["content"]
    bundle = tally(home, capsys, "export", outcome, "-o", home / "call.tally.json")[0]["file"]
    assert tally(home, capsys, "verify", bundle)[0]["verdict"] == "verified"


def test_upstreams_and_routes_stand_in_the_settings_file(
    home: Path, upstream: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-lab")
    question = load_clinics()[0].held_out[0].question()
    body = {"model": "doctor", "messages": [{"role": "user", "content": question}]}
    home.mkdir()
    (home / "tallystick.toml").write_text(
        f'[[upstreams]]\nname = "lab"\nurl = "{upstream}"\nkey_variable = "LAB_KEY"\n'
        '[[routes]]\nmodel = "doctor"\nto = ["lab/case-classifier"]\nretries = 1\n'
    )

    with serving(home, *NEW) as where:
        answer, headers = post(f"{where['gateway']}/chat/completions", body)

    assert answer["model"] == "case-classifier"
    [shown] = tally(home, capsys, "show", headers["x-tallystick-intent"])
    assert shown["content"]["sent_model"] == "case-classifier"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[routes]]\nmodel = "a"\nto = ["lab"]\n', "no upstream"),
        ('[[upstreams]]\nname = "lab"\nurl = "http://x/v1"\nkey_variable = "UNSET_KEY"\n', "UNSET"),
        ('[[upstreams]]\nname = "lab"\nurl = "http://x/v1"\nkye = "x"\n', "kye"),
        ('[[upstreams]]\nname = "lab"\n', "url"),
        ('[[upstreams]]\nname = "lab"\nurl = "http://x/v1"\nmodels = "a"\n', "models"),
    ],
)
def test_wrong_upstreams_and_routes_are_said_before_anything_is_made(
    home: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "tallystick.toml").write_text(text)

    assert run(["--home", str(home), *NEW]) == 2
    assert words in capsys.readouterr().err
    assert not (home / "data").exists()


def test_a_gateway_registers_its_key_once(
    home: Path, upstream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (NEW, AGAIN):
        with serving(home, *command, "--upstream", upstream):
            pass

    keys = tally(home, capsys, "keys", "list")
    assert [key["name"] for key in keys].count("Gateway") == 1


def test_commands_write_through_the_service_that_has_the_ledger(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 1}\n{"a": 2}\n')

    with serving(home, *NEW):
        tally(home, capsys, "keys", "create", "clinic", "--kind", "organisation")
        refused = tally(home, capsys, "batch", rows, "--as", "clinic", code=5)
        tally(home, capsys, "policy", "allow", "dataset=organisation", "document=organisation")
        [batch] = tally(home, capsys, "batch", rows, "--as", "clinic")
        note = ("register", "--as", "clinic", "--type", "document", "--field", "text=hello")
        [document] = tally(home, capsys, *note)

    assert refused[0]["reason"] == "policy"
    assert run(["--home", str(home), "rows", batch["id"]]) == 0
    assert capsys.readouterr().out == '{"a": 1}\n{"a": 2}\n'
    assert tally(home, capsys, "show", document["index"])[0]["content"] == {"text": "hello"}


def test_an_api_key_stands_for_an_originator_until_it_is_revoked(
    home: Path, upstream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"role": "user", "content": "Is it benign?"}
    body = {"model": "case-classifier", "messages": [asked]}

    with serving(home, *NEW, "--upstream", upstream, "--require-key") as where:
        url = f"{where['gateway']}/chat/completions"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(url, body)
        # The service demands a key for writing now, so that the first one is made before any.
        [made] = tally(home, capsys, "keys", "api", "create", "gateway", "--days", 1)
        _, headers = post(url, body, Authorization=f"Bearer {made['token']}")
        tally(home, capsys, "keys", "api", "revoke", made["id"])
        [listed] = tally(home, capsys, "keys", "api", "list")

    assert listed["state"] == "revoked"
    assert made["token"] not in (home / "data" / "api-keys.json").read_text()
    [intent] = tally(home, capsys, "show", headers["x-tallystick-intent"])
    assert intent["assurance"] == "api-key"
    assert len(intent["links"]["acted_for"]) == 1


def test_a_taken_port_is_said_in_words(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(home, *NEW) as where:
        port = where["url"].rpartition(":")[2]
        code = run(["--home", str(home.parent / "b"), *NEW, "--port", port])

    assert code == 4
    assert f"port {port}" in capsys.readouterr().err


def test_an_unknown_setting_is_refused_before_anything_is_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "tallystick.toml").write_text("prot = 1\n")

    assert run(["--home", str(home), *NEW]) == 2
    assert "did you mean 'port'" in capsys.readouterr().err
    assert not (home / "data").exists()


def test_a_second_writer_is_told_who_writes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(home, *NEW):
        code = run(["--home", str(home), *AGAIN])

    assert code == 4
    assert "is already writing" in capsys.readouterr().err


def test_keys_that_others_may_read_and_a_certificate_that_ended_are_said_on_start(
    home: Path, tmp_path: Path
) -> None:
    with serving(home, *NEW):
        pass
    (home / "keys" / "service.key").chmod(0o644)
    tls = certificate(tmp_path / "tls", begins_days=-9, ends_days=-1)

    with serving(home, *AGAIN, "--tls-certificate", str(tls[0]), "--tls-key", str(tls[1])) as said:
        pass

    assert f"chmod 600 {home}/keys/service.key" in said["words"]
    assert f"{tls[0]} expired on " in said["words"]


def test_a_head_store_elsewhere_is_used_by_every_command(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, *NEW):
        pass
    (home / "head").rename(tmp_path / "head")
    (home / "tallystick.toml").write_text(f'head = "{tmp_path}/head"\n')

    tally(home, capsys, "keys", "create", "ada", "--kind", "person")
    with serving(home, *AGAIN):
        pass

    [checked] = tally(home, capsys, "fsck", "--deep")
    [looked] = tally(home, capsys, "doctor")
    assert checked["damage"] == []
    assert [one["state"] for one in looked["checks"] if one["name"] == "head store"] == ["ok"]
    assert not (home / "head").exists()
