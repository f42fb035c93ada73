"""`tally law`: lists, reports, drafts, and the place where content must stay."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Command, keep_passphrase, serving

PLACE = "TALLYSTICK_DATA_LOCATION"


@pytest.fixture
def kept(made: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A ledger with content that must stay in the European Union, on a machine in Germany."""
    monkeypatch.setenv(PLACE, "DE")
    made("register", "--type", "document", "--as", "clinic", "--field", "text=hers")
    made("law", "location", "EU", "--reason", "our contract says so")
    return made


def hers(command: Command) -> str:
    """Return the statement whose content lies in the vault."""
    found: str = json.loads(command("find", "--type", "document", "--json"))["id"]
    return found


def test_articles_are_listed_with_authority_date_and_deadline(bare: Command) -> None:
    lines = bare("law", "list", "--jurisdiction", "EU").splitlines()

    [found] = [line for line in lines if "Art. 73" in line]
    assert "from 2027-12-02, market surveillance authority" in found
    assert "serious incident, after becoming aware of it: 15 days" in found
    assert "not all verified" in found
    assert not any(line.startswith("ch ") for line in lines)
    one = json.loads(bare("law", "list", "--jurisdiction", "CH", "--json").splitlines()[0])
    assert (one["law"], one["jurisdiction"], one["checked"]) == ("ch", "CH", "2026-11-28")


def test_a_report_says_what_is_done_and_what_is_not(made: Command) -> None:
    data = made.json("law", "report", "--jurisdiction", "EU")

    [art] = [a for law in data["laws"] for a in law["articles"] if a["article"] == "Art. 12"]
    answers = {one["check"]: one for one in art["answers"]}
    assert answers["calls-recorded"]["verdict"] == "does not"
    assert answers["calls-recorded"]["step"].startswith("point clients at the gateway")
    assert answers["fail-closed"]["verdict"] == "does"
    assert answers["fail-closed"]["evidence"] == [{"what": "setting fail_open", "value": "false"}]
    assert data["ledger"]["origin"] == "localhost/main"
    assert made("law", "report").startswith("# What this ledger does about each article")


def test_a_report_needs_no_passphrase(made: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")

    made("law", "report")
    made("law", "dpia")
    made("law", "location")


@pytest.mark.parametrize("form", [".html", ".md", ".json"])
def test_a_report_is_registered_as_it_was_written(made: Command, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"report{form}"
    out = made("law", "report", "-o", path, "--register", "--as", "clinic").splitlines()
    shown = made.json("show", out[-1])

    assert shown["content"]["text"] == path.read_text()
    assert shown["content"]["form"] == form.removeprefix(".")
    assert (shown["type"], shown["subject"]) == ("document", "law-report")


def test_a_draft_is_registered_as_a_draft(made: Command, tmp_path: Path) -> None:
    path = tmp_path / "dpia.md"
    out = made("law", "dpia", "-o", path, "--register", "--as", "clinic").splitlines()

    assert "register the answered one" in made.words
    assert made.json("show", out[-1])["subject"] == "dpia-draft"
    report = made("law", "report", "--jurisdiction", "EU")
    assert "no document dpia is registered" in report
    made("register", "--type", "document", "--as", "clinic", "--subject", "dpia",
         "--field", f"text=@@{path}")  # fmt: skip
    assert "no document dpia is registered" not in made("law", "report", "--jurisdiction", "EU")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--jurisdiction", "XX"], "the law map knows nothing of XX"),
        (["report", "-o", "report.pdf"], "must end in .html, .md, .json"),
        (["report", "--register"], "--register and --as NAME go together"),
        (["dpia", "--as", "clinic"], "--register and --as NAME go together"),
        (["location", "EU"], "say why, with --reason"),
        (["location", "Mars", "--reason", "x"], "a location is EU, EEA or the two capital letters"),
        (["location", "UK", "--reason", "x"], "write GB for the United Kingdom"),
    ],
)
def test_mistakes_are_named(made: Command, arguments: list[str], message: str) -> None:
    made("law", *arguments, code=2)

    assert message in made.words


# --- the place


def test_a_place_is_recorded_in_the_vault_and_on_the_ledger(kept: Command) -> None:
    assert kept.json("law", "location") == {"location": "EU", "place": "DE"}
    [change] = [json.loads(line) for line in kept("find", "--type", "change", "--json").split("\n")]
    shown = kept.json("show", change["id"])
    content = shown["content"]
    assert shown["subject"] == "location:EU"
    assert (content["what"], content["after"]) == ("vault.location", "EU")
    assert content["reason"] == "our contract says so"


@pytest.mark.parametrize("place", ["US", None])
def test_content_is_not_opened_elsewhere_nor_nowhere(
    kept: Command, monkeypatch: pytest.MonkeyPatch, place: str | None
) -> None:
    monkeypatch.setenv(PLACE, place) if place else monkeypatch.delenv(PLACE)
    words = (
        "this machine is declared to lie in US" if place else "nobody says where this machine lies"
    )
    register = ("register", "--type", "document", "--as", "clinic", "--field", "text=x")

    kept(*register, "--json", code=5)
    assert json.loads(kept.words)["error"] == "refused.location"
    assert words in kept.words
    shown = kept("show", hers(kept))
    assert f"not opened: content of this ledger must stay in EU, and {words[:8]}" in shown
    assert "hers" not in shown
    kept("export", hers(kept), "-o", kept.home / "hers.tally.json", code=5)
    kept("law", "location", "US", "--reason", "x", code=5)
    kept("find")  # what is public is no content


def test_a_setting_of_the_folder_does_as_well(
    kept: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PLACE)
    (kept.home / "tallystick.toml").write_text('data_location = "FR"\n')
    assert "hers" in kept("show", hers(kept))
    (kept.home / "tallystick.toml").write_text('data_location = "CH"\n')
    assert "hers" not in kept("show", hers(kept))


def test_a_place_can_be_changed_to_where_the_machine_is(kept: Command) -> None:
    kept("law", "location", "FR", "--reason", "x", code=5)
    kept("law", "location", "DE", "--reason", "narrower")
    assert kept.json("law", "location")["location"] == "DE"
    contents = [kept.json("show", json.loads(line)["id"])["content"]
                for line in kept("find", "--type", "change", "--json").split("\n")]  # fmt: skip
    assert [(one.get("before"), one["after"]) for one in contents] == [("EU", "DE"), (None, "EU")]


def test_a_service_elsewhere_does_not_start_and_says_so(
    kept: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PLACE, "US")
    kept("up", "--port", "0", "--no-small-lm", code=5)

    assert "must stay in EU, and this machine is declared to lie in US" in kept.words
    kept("up", "--port", "0", "--no-small-lm", code=5)
    monkeypatch.setenv(PLACE, "Mars")
    kept("up", "--port", "0", "--no-small-lm", code=2)


def test_a_place_is_not_set_under_a_running_service(kept: Command) -> None:
    keep_passphrase(kept)
    (kept.home / "tallystick.toml").write_text('data_location = "DE"\n')
    with serving(kept.home, "up", "--port", "0", "--no-small-lm"):
        kept("law", "location", "DE", "--reason", "x", code=4)

        assert "a service has this ledger open" in kept.words


def test_a_backup_goes_only_where_content_may_lie(kept: Command, tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"

    kept("backup", there, "--location", "US", code=5)
    assert f"{there} is declared to lie in US" in kept.words
    assert not there.exists()
    kept("backup", there, "--location", "US", "--without-content")
    kept("backup", there, code=5)  # as was declared of it before
    kept("backup", there, "--location", "FR", code=2)
    assert "was declared to lie in US, and now in FR" in kept.words
    kept("backup", here)
    kept("backup", here, "--location", "FR")
    kept("backup", here)


def test_a_backup_is_not_restored_elsewhere(
    kept: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    kept("backup", folder)
    fresh = Command(tmp_path / "fresh", kept.capsys)
    for place in ("US", None):
        monkeypatch.setenv(PLACE, place) if place else monkeypatch.delenv(PLACE)
        fresh("restore", folder, "--unsafe-alone", code=5)
        fresh("restore", folder, "--unsafe-alone", "--verify", code=5)
        assert not (fresh.home / "data").exists()
    monkeypatch.setenv(PLACE, "FR")
    fresh("restore", folder, "--unsafe-alone", "--verify")
    fresh("restore", folder, "--unsafe-alone")

    assert fresh.json("law", "location") == {"location": "EU", "place": "FR"}
    monkeypatch.setenv(PLACE, "US")
    (fresh.home / "keys").mkdir()
    (fresh.home / "keys" / "service.key").write_bytes(
        (kept.home / "keys" / "service.key").read_bytes()
    )
    assert "must stay in EU" in fresh("show", hers(kept))
    monkeypatch.setenv(PLACE, "FR")
    assert "hers" in fresh("show", hers(kept))


@pytest.mark.parametrize(
    ("lines", "state", "words"),
    [
        ('data_location = "DE"\n', "ok", "content must stay in EU, and this machine lies in DE"),
        ('data_location = "US"\n', "problem", "content must stay in EU, data_location is US"),
        ("", "problem", "content must stay in EU, data_location is none"),
        ('data_location = "Mars"\n', "problem", "a location is EU, EEA or the two capital letters"),
        ('data_location = "DE"\ncontent_locations = "UK"\n', "problem", "a location is EU, EEA"),
        ('data_location = "DE"\nupstream = "https://x.example/v1"\n', "warning",
         "upstream default is not asked: it lies in no declared place"),
        ('data_location = "DE"\nupstream = "https://x.example/v1"\nupstream_location = "US"\n',
         "warning", "upstream default is not asked: it lies in US"),
    ],
)  # fmt: skip
def test_the_settings_are_compared_with_the_place(
    kept: Command, monkeypatch: pytest.MonkeyPatch, lines: str, state: str, words: str
) -> None:
    monkeypatch.delenv(PLACE)
    (kept.home / "tallystick.toml").write_text(lines)
    found = kept.json("config", "check", code=1 if state == "problem" else 0)["checks"]

    assert [(one["state"], one["seen"]) for one in found if one["name"] == "place"][-1][0] == state
    assert any(words in one["seen"] for one in found if one["name"] == "place")


def test_without_a_place_the_settings_say_where_the_machine_lies(made: Command) -> None:
    (made.home / "tallystick.toml").write_text('data_location = "DE"\n')

    found = made.json("config", "check")["checks"]
    assert [one["seen"] for one in found if one["name"] == "place"] == [
        "this machine lies in DE; content may lie anywhere"
    ]
