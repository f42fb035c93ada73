"""Mistakes of whoever types: each ends with a word and the exit code that the guide promises."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Command

REGISTER = ("register", "--as", "clinic", "--type", "document")


def _count(tally: Command) -> int:
    return len(tally("find", "--limit", 100).splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*REGISTER, "--field", "x=@/nonexistent"), "/nonexistent"),
        ((*REGISTER, "--field", "a=1", "--field", "a=2"), "given twice"),
        ((*REGISTER, "--field", "a=1", "rows.csv"), "not both"),
        ((*REGISTER, "--field", "a=1", "--model", "zz"), "64 hex digits"),
        (("register", "--as", "clinic", "--type", "documnet", "--field", "a=1"), "'document'"),
        (("batch", "binary.csv", "--as", "clinic"), "not UTF-8"),
        (("rows", "0"), "not a batch"),
        (("prove", "0", "-o", "/nonexistent/x"), "/nonexistent/x"),
        (("export", "0", "-o", "/nonexistent/x"), "/nonexistent/x"),
        (("find", "--type", "documnet"), "'document'"),
        (("find", "--issuer", "clinic"), "DID"),
        (("gaps", "--issuer", "clinic"), "DID"),
        (("find", "--before", "-1"), "-1"),
        (("policy", "allow", "documnet=person"), "'document'"),
        (("policy", "allow", "document=did:key:zzz"), "did:key"),
        (("policy", "allow", "document=did:"), "DID"),
        (("show", "/nonexistent"), "no such file"),
        (("bench", "--folder", "/nonexistent/a"), "no such folder"),
        (("keys", "create", "clinic", "--kind", "organisation"), "already"),
        (("keys", "api", "create", "clinic", "--label", "a\nb"), "printable"),
    ],
)
def test_it_is_named_and_nothing_is_registered(
    made: Command, arguments: tuple[str, ...], said: str
) -> None:
    Path("binary.csv").write_bytes(b"\xff\xfe\x00")
    Path("rows.csv").write_text("a\n1\n")
    before = _count(made)

    made(*arguments, code=2)

    assert said in made.words
    assert "Traceback" not in made.words
    assert _count(made) == before


@pytest.mark.parametrize(
    "arguments",
    [("policy", "trust"), ("rows", "0"), ("gaps",), ("find",), ("register", "--as", "a"),
     ("keys", "create", "a", "--kind", "ai"), ("keys", "api", "create", "a")],
)  # fmt: skip
def test_without_a_ledger_that_is_said_before_a_passphrase_is_asked_for(
    bare: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")

    bare(*arguments, code=2)

    assert "no ledger in" in bare.words


def test_a_home_that_is_a_file_is_a_usage_error(bare: Command) -> None:
    bare.home.write_text("x")

    bare("find", code=2)
    bare("init", code=2)


def test_a_policy_that_holds_already_is_not_registered_again(made: Command) -> None:
    before = _count(made)

    made("policy", "allow", "document=organisation")

    assert "says that already" in made.words
    assert _count(made) == before


def test_a_failed_beginning_does_not_stand_in_its_own_way(
    bare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare("init", "--generate-passphrase", code=2)
    assert "TALLYSTICK_PASSPHRASE_FILE" in bare.words
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")
    bare("init", "--generate-passphrase", "--origin", "not an origin", code=2)
    assert not bare.home.exists()

    bare("init", "--generate-passphrase")


def test_the_passphrase_that_is_named_wins_over_the_one_in_the_folder(
    made: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (made.home / "passphrase").write_text("wrong\n")
    made(*REGISTER, "--field", "a=1")

    (tmp_path / "other").write_text("wrong\n")
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(tmp_path / "other"))
    made(*REGISTER, "--field", "a=1", code=5)
    assert f"came from {tmp_path / 'other'}" in made.words

    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(tmp_path / "empty"))
    made(*REGISTER, "--field", "a=1", code=2)
    assert "empty passphrase" in made.words


def test_the_refused_file_and_the_way_out_are_named(made: Command) -> None:
    Path("junk.cose").write_bytes(b"junk")
    made("register", "junk.cose", code=2)
    assert "junk.cose" in made.words

    made("keys", "create", "robot", "--kind", "machine")
    made("register", "--as", "robot", "--type", "document", "--field", "a=1", code=5)
    assert "tally policy allow" in made.words


def test_all_that_a_record_needs_is_named_at_once(made: Command) -> None:
    made("register", "--as", "clinic", "--type", "decision", "--field", "outcome=accept",
         "--field", "reason=12", code=2)  # fmt: skip

    assert "outcome, reason, shown" in made.words
    assert "reason='\"12\"'" in made.words


def test_a_file_can_be_a_field_as_text(made: Command) -> None:
    Path("note.txt").write_text("grüße", encoding="utf-8")

    id_ = made(*REGISTER, "--field", "note=@@note.txt")

    assert made.json("show", id_)["content"] == {"note": "grüße"}


def test_usage_errors_are_json_where_that_was_asked_for(made: Command) -> None:
    made("find", "--nonsense", "--json", code=2)

    assert json.loads(made.words)["error"] == "input"


def test_a_variable_that_is_nearly_ours_is_noticed(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYSTICK_PASPHRASE_FILE", "x")

    made("find")

    assert "is TALLYSTICK_PASSPHRASE_FILE meant?" in made.words


def test_a_service_with_a_wrong_upstream_or_certificate_makes_nothing(bare: Command) -> None:
    Path("garbage.pem").write_text("garbage")
    bare("up", "--upstream", "foo", code=2)
    assert "upstream must be http" in bare.words
    bare("up", "--tls-certificate", "garbage.pem", "--tls-key", "garbage.pem", code=2)
    assert "PEM" in bare.words

    assert not bare.home.exists()
