"""`tally holds`: place, lift, list; and erasing beside a hold."""

import json

import pytest

from tests.unit.cli.running import Command

FIELDS = ("--type", "document", "--as", "clinic")


def test_a_subject_is_held_listed_and_lifted(made: Command) -> None:
    hers = made("register", *FIELDS, "--field", "text=hers", "--about", "case-1")
    made("register", *FIELDS, "--field", "text=more", "--about", "case-1", "--purpose", "study")
    made("holds", "place", hers, "--reason", "litigation")
    made("erase", "--about", "case-1", "--reason", "objection", code=5)
    assert "is held, as entry" in made.words

    made("erase", "--about", "case-1", "--reason", "objection", "--except-held")
    assert "something is under a hold, and stays" in made.words
    assert "hers" in made("show", hers)
    listed = json.loads(made("holds", "list", "--json"))
    assert (listed["state"], listed["marked"]) == ("stands", {hers: None})
    assert "litigation" in made("holds", "list")

    made("holds", "lift", str(listed["index"]))
    assert made("holds", "list") == ""
    assert "lifted at" in made("holds", "list", "--all")
    made("erase", "--about", "case-1", "--reason", "objection")
    assert "was erased" in made("show", hers)


def test_an_issuer_holds_where_the_policy_names_that(made: Command) -> None:
    hers = made("register", *FIELDS, "--field", "text=hers")
    made("holds", "place", hers, "--reason", "audit", "--as", "clinic", code=5)
    made("policy", "allow", "hold=organisation")
    placed = made("holds", "place", hers, "--reason", "audit", "--as", "clinic")

    made("holds", "lift", placed, code=5)
    assert "who placed it, or by whom it names" in made.words
    made("holds", "lift", placed, "--as", "clinic")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "--reason must be one of litigation"),
        (["0", "--reason", "why"], "got 'why'"),
        (["--reason", "audit"], "give either statements, or --about REF"),
        (["0", "--reason", "audit"], "is public as a whole"),
        (["--about", "nobody", "--reason", "audit"], "nothing is kept about that"),
        (["0", "--reason", "audit", "--lifter", "me"], "expected a DID"),
    ],
)
def test_mistakes_are_named(made: Command, arguments: list[str], message: str) -> None:
    made("holds", "place", *arguments, code=2)

    assert message in made.words
