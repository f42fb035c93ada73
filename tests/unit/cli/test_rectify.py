"""`tally restrict`, `unrestrict` and `rectify`: what loaders then yield."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Command

FIELDS = ("--type", "document", "--as", "clinic")


def numbers(made: Command, *batches: str, code: int = 0) -> list[int]:
    return [json.loads(line)["n"] for line in made("rows", *batches, code=code).splitlines()]


def rows_file(folder: Path) -> None:
    (folder / "rows.csv").write_text("who,n\ncase-1,1\ncase-2,2\ncase-1,3\n")
    (folder / "right.csv").write_text("who,n\ncase-1,10\n")


def test_a_subject_is_restricted_and_free_again(made: Command, tmp_path: Path) -> None:
    rows_file(tmp_path)
    batch = made("batch", "rows.csv", "--as", "clinic", "--subject-column", "who")
    made("restrict", "--about", "case-1", "--reason", "accuracy-contested")
    assert numbers(made, batch, code=1) == [2]
    assert "2 of these are restricted" in made.words
    assert "accuracy-contested" in made("restrict", "--list")

    made("unrestrict", "--about", "case-1")
    assert numbers(made, batch) == [1, 2, 3]
    made("unrestrict", "--about", "case-1", code=2)
    assert "no restriction stands on anything" in made.words
    made("unrestrict", code=2)
    assert made("restrict", "--list") == ""


@pytest.mark.parametrize("old", ["erase", "restrict"])
def test_a_row_is_rectified(made: Command, tmp_path: Path, old: str) -> None:
    rows_file(tmp_path)
    batch = made("batch", "rows.csv", "--as", "clinic", "--subject-column", "who")
    right, _ = made(
        "rectify", f"{batch}:0", "--rows", "right.csv", "--as", "clinic", "--about", "case-1",
        "--old", old,
    ).splitlines()  # fmt: skip

    assert numbers(made, batch, right, code=1) == [2, 3, 10]
    assert numbers(made, batch, code=1) == [2, 3, 10]
    assert numbers(made, batch, "--superseded", code=1) == [2, 3]
    links = json.loads(made("show", right, "--json"))["links"]
    assert links == {"supersedes": [batch], "refutes": [batch]}
    made("erase", "--about", "case-1", "--reason", "objection")
    assert numbers(made, batch, right, code=1) == [2]


def test_content_is_rectified(made: Command) -> None:
    wrong = made("register", *FIELDS, "--field", "text=wrong", "--subject", "urn:x:1")
    right, _ = made(
        "rectify", wrong, "--field", "text=right", "--as", "clinic", "--old", "erase"
    ).splitlines()

    assert "was erased" in made("show", wrong)
    shown = json.loads(made("show", right, "--json"))
    assert (shown["content"], shown["subject"]) == ({"text": "right"}, "urn:x:1")


def size(made: Command) -> int:
    return len(made("find", "--limit", "1000").splitlines())


def test_nothing_is_half_done_while_the_wrong_content_must_be_kept(made: Command) -> None:
    wrong = made("register", *FIELDS, "--field", "text=wrong").split()[0]
    made("retention", "set", "document", "--least", "30d")
    before, right = size(made), ("rectify", wrong, "--field", "text=right", "--as", "clinic")

    made(*right, "--old", "erase", code=5)

    assert "is not erased for 'other', before that only for" in made.words
    assert size(made) == before
    made(*right, "--old", "erase", "--reason", "objection")
    assert "was erased" in made("show", wrong)


def test_nothing_is_half_done_where_the_wrong_content_is_held(made: Command) -> None:
    wrong = made("register", *FIELDS, "--field", "text=wrong")
    made("holds", "place", wrong, "--reason", "litigation")
    before, right = size(made), ("rectify", wrong, "--field", "text=right", "--as", "clinic")

    made(*right, "--old", "erase", "--reason", "court-order", code=5)

    assert "is held" in made.words
    assert size(made) == before
    made(*right, "--old", "restrict")
    made(*right, "--old", "erase", "--reason", "why", code=2)
    assert "--reason must be one of" in made.words


def test_others_rectify_nothing(made: Command) -> None:
    made("keys", "create", "lab", "--kind", "organisation")
    wrong = made("register", *FIELDS, "--field", "text=wrong")

    made("rectify", wrong, "--field", "text=right", "--as", "lab", "--old", "restrict", code=2)

    assert "who signed it, or by the operator" in made.words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "give either --field"),
        (["0", "--field", "a=b"], "is public as a whole"),
        (["0", "--rows", "right.csv"], "rectifies rows of a batch"),
        (["{batch}", "--rows", "right.csv"], "name them, such as ID:0-9,12"),
        (["{batch}:0-1", "--rows", "right.csv"], "has 1 rows, and 2 are rectified"),
    ],
)
def test_mistakes_are_named(
    made: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    rows_file(tmp_path)
    batch = made("batch", "rows.csv", "--as", "clinic")
    given = [one.format(batch=batch) for one in arguments]
    made("rectify", *given, "--as", "clinic", "--old", "erase", code=2)

    assert message in made.words
