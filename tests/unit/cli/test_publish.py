"""`tally publish` and `tally policy visibility`: what they do, refuse and say."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.running import Command

FIELDS = ("--type", "document", "--as", "clinic")


def test_published_content_reaches_a_stranger_and_stays(made: Command, tmp_path: Path) -> None:
    bid = made("register", *FIELDS, "--field", "offer=4200", "--field", "terms=soon")
    made("publish", bid, "--field", "offer")
    bundle = made("export", bid, "--withhold", "-o", tmp_path / "bid.tally.json")

    verified = made("verify", bundle)
    shown = json.loads(made("show", bid, "--json"))

    assert "4200" in verified
    assert "soon" not in verified
    [at] = shown["published_by"]
    made("erase", bid, "--reason", "other")
    assert f"published at index {at}: that stays in the log" in made.words
    assert "4200" in made("verify", bundle)


def test_an_issuer_publishes_if_the_policy_names_it(made: Command) -> None:
    bid = made("register", *FIELDS, "--field", "offer=1")

    made("publish", bid, "--as", "clinic", code=5)
    made("policy", "allow", "publication=organisation")
    made("publish", bid, "--as", "clinic")


def test_classes_add_up_and_are_checked(made: Command) -> None:
    made("policy", "visibility", "*=sealed")
    made("policy", "visibility", "document=commitment-only")
    made("policy", "allow", "model=ai")

    assert json.loads(made("policy", "show"))["visibility"] == {
        "*": "sealed",
        "document": "commitment-only",
    }
    made("register", *FIELDS, "--field", "text=ours", code=5)
    assert "is not kept here" in made.words
    made("policy", "visibility", "*=sealed")
    assert "says that already" in made.words


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("document", "a class is TYPE=CLASS with one of public, parties"),
        ("document=secret", "got 'document=secret'"),
        ("documents=public", "documents"),
    ],
)
def test_classes_that_are_none(made: Command, argument: str, message: str) -> None:
    made("policy", "visibility", argument, code=2)

    assert message in made.words
