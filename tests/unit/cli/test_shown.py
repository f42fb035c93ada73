"""What verify, show and export say about content: what is open, what is withheld, and why."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Command


@pytest.fixture
def document(made: Command) -> str:
    return made("register", "--as", "clinic", "--type", "document",
                "--field", "title=Hello", "--field", "body=a\x1b[31mb")  # fmt: skip


def test_verify_and_show_print_what_the_bundle_shows(made: Command, document: str) -> None:
    made("export", document, "-o", "all.json")

    verified = made("verify", "all.json")
    shown = made("show", "all.json")
    data = made.json("verify", "all.json")

    assert "2 of 2 fields" in verified
    assert "Hello" in verified
    assert "Hello" in shown
    assert "\x1b" not in verified + shown
    [said] = [one for one in data["statements"] if one["id"] == document]
    assert said["content"]["title"] == "Hello"
    assert said["verified"]


def test_what_is_withheld_stands_in_the_default_output(made: Command, document: str) -> None:
    made("export", document, "--field", "title", "-o", "title.json")
    made("export", document, "--withhold", "-o", "none.json")

    assert "withheld: body" in made("verify", "title.json")
    assert "withheld" in made("show", "title.json")
    assert "content not supplied" in made("verify", "none.json")


def test_a_field_that_fails_is_not_printed_as_content(made: Command, document: str) -> None:
    made("export", document, "-o", "all.json")
    text = Path("all.json").read_text().replace("ZUhlbGxv", "ZUhlbGxw")
    assert text != Path("all.json").read_text()
    Path("all.json").write_text(text)

    assert "Hello" not in made("verify", "all.json", code=1)


def test_rows_are_counted(made: Command) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    batch = made("batch", "rows.csv", "--as", "clinic")
    made("export", batch, "--rows", "-o", "rows.json")
    made("export", batch, "-o", "few.json")

    assert "2 of 2 rows" in made("verify", "rows.json")
    assert "0 of 2 rows" in made("verify", "few.json")


def test_show_says_why_content_is_not_there(
    made: Command, document: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("wrong\n")
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(tmp_path / "wrong"))

    assert "not opened: " in made("show", document)
    assert "passphrase" in made.json("show", document)["content_missing"]


def test_export_refuses_fields_that_are_not_there_and_writes_to_standard_output(
    made: Command, document: str
) -> None:
    made("export", document, "--field", "tilte", code=2)
    assert "title" in made.words
    made("export", document, "--field", "title", "--withhold", code=2)

    assert json.loads(made("export", document, "-o", "-"))["subject"] == document
    assert not Path("-").exists()


def test_a_name_cannot_steer_the_terminal(made: Command) -> None:
    made("keys", "create", "x\x1b[2J", "--kind", "machine", code=2)
    made("keys", "create", "a/b", "--kind", "machine", code=2)
    made("keys", "create", "", "--kind", "machine", code=2)
    made("keys", "create", "n" * 65, "--kind", "machine", code=2)
    made("keys", "create", "m", "--kind", "machine", "--public-name", "x\x1b[2J", code=2)

    assert "clinic" in made("keys", "list")
    assert made("keys", "list").count("\n") == 1
