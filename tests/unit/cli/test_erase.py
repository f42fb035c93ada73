"""`tally erase`: what it asks for, refuses and says; and whom content is about."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Command

FIELDS = ("--type", "document", "--as", "clinic")


def registered(made: Command, *more: str) -> str:
    return made("register", *FIELDS, *more)


def test_a_subjects_content_and_rows_are_erased_by_reference(made: Command, tmp_path: Path) -> None:
    hers = registered(made, "--field", "text=hers", "--about", "case-1", "--purpose", "care")
    his = registered(made, "--field", "text=his", "--about", "case-2")
    (tmp_path / "rows.csv").write_text("who,n\ncase-1,1\ncase-2,2\n,3\n")
    batch = made("batch", "rows.csv", "--as", "clinic", "--subject-column", "who")

    made("erase", "--about", "case-1", "--purpose", "study", "--reason", "objection", code=2)
    assert "nothing is kept about that" in made.words
    made("erase", "--about", "case-1", "--reason", "objection")

    assert "was erased" in made("show", hers)
    bundle = made("export", hers, "-o", tmp_path / "hers.tally.json")
    assert "(objection), as the operator of the log declared" in made("verify", bundle)
    assert "his" in made("show", his)
    rows = made("rows", batch, code=1)
    assert [json.loads(line)["n"] for line in rows.splitlines()] == [2, 3]
    made("erase", hers, "--reason", "other", code=4)
    assert "erased already, see entry" in made.words
    made("erase", f"{batch}:1-2", "--reason", "retention")
    assert made("rows", batch, code=1) == ""
    made("erase", "--pending")
    made("fsck", "--deep")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "--reason must be one of consent-withdrawn"),
        (["0", "--reason", "because"], "got 'because'"),
        (["--reason", "other"], "give either statements, or --about REF"),
        (["0", "--about", "x", "--reason", "other"], "give either statements, or --about REF"),
        (["0", "--purpose", "x", "--reason", "other"], "--purpose needs --about REF"),
        (["--about", " ", "--reason", "other"], "--about is empty"),
        (["0", "--reason", "other"], "is public as a whole"),
        (["0:1", "--reason", "other"], "positions, such as ID:0-9,12, are those of a batch"),
    ],
)
def test_mistakes_are_named(made: Command, arguments: list[str], message: str) -> None:
    made("erase", *arguments, code=2)

    assert message in made.words


def test_a_column_that_is_not_there_is_named(made: Command, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("n\n1\n")
    made("batch", "rows.csv", "--as", "clinic", "--subject-column", "who", code=2)

    assert "row 1 has no column 'who'" in made.words


def test_an_issuer_erases_where_the_policy_names_that(made: Command) -> None:
    hers = registered(made, "--field", "text=hers")
    made("erase", hers, "--reason", "other", "--as", "clinic", code=5)
    made("policy", "allow", "erasure=organisation")

    made("erase", hers, "--reason", "other", "--as", "clinic")
    assert "was erased" in made("show", hers)
