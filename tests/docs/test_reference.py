"""The reference says what is: its generated pages equal what reality makes of them."""

from pathlib import Path

from tallystick.cli.app import COMMANDS
from tallystick.statement.governance import StatementType
from tools.reference import FOLDER, differences, files, write
from tools.reference_cli import cli_page, exit_codes


def test_pages_equal_reality() -> None:
    assert list(differences(files())) == []


def test_changed_missing_and_left_over_files_are_told(tmp_path: Path) -> None:
    made = {"a.md": "a", "b/c.json": "c"}
    write(made, tmp_path)
    (tmp_path / "a.md").write_text("changed")
    (tmp_path / "b" / "c.json").unlink()
    (tmp_path / "old.md").touch()

    found = list(differences(made, tmp_path))

    assert found == ["a.md differs", "b/c.json is missing", "old.md is made by nothing"]


def test_writing_removes_what_nothing_makes_any_more(tmp_path: Path) -> None:
    (tmp_path / "old.md").touch()
    (tmp_path / "formats.md").touch()

    write({"a.md": "a"}, tmp_path)

    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.md", "formats.md"]


def test_every_command_and_exit_code_is_on_the_page() -> None:
    page = cli_page()

    assert all(f"## `tally {name}`" in page for name in COMMANDS)
    assert all(f"\n| {code} | " in page for code in exit_codes())


def test_every_statement_type_has_a_heading() -> None:
    page = (FOLDER / "statements.md").read_text()

    assert all(f"\n## `{kind}`\n" in page for kind in StatementType)
