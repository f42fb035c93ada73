"""`tally retention`: set, show, run and report."""

import json

import pytest

from tests.unit.cli.running import Command

FIELDS = ("--type", "document", "--as", "clinic")


def test_rules_are_set_shown_obeyed_and_reported(made: Command) -> None:
    hers = made("register", *FIELDS, "--field", "text=hers")
    made("retention", "show")
    assert "nothing is kept for a set time" in made.words
    made("retention", "set", "any", "--least", "1y", "--despite", "none")
    made("retention", "set", "document", "--least", "180d", "--most", "2y")
    first, second = made("retention", "show").splitlines()
    assert first.startswith("document: at least 180d (before that: consent-withdrawn, court")
    assert first.endswith(", at most 2y")
    assert second == "any: at least 1y (before that: nothing)"

    made("erase", hers, "--reason", "other", code=5)
    assert "must be kept until" in made.words
    made("erase", hers, "--reason", "objection")
    made("retention", "set", "any", "--remove")
    assert made("retention", "show").count("\n") == 0
    made("retention", "set", "any", "--remove", code=2)
    assert "there is no rule for any" in made.words


def test_what_is_over_is_erased_and_reported(made: Command) -> None:
    hers = made("register", *FIELDS, "--field", "text=hers")
    his = made("register", *FIELDS, "--field", "text=his")
    made("holds", "place", his, "--reason", "audit")
    made("retention", "set", "document", "--most", "1s")
    deadline = "1 would be erased, 1 are over and held"
    while made("retention", "run", "--dry-run") != deadline:
        pass
    assert "1 over, 1 of what is over held" in made("retention", "report")
    made("retention", "run")
    assert "was erased" in made("show", hers)
    assert "his" in made("show", his)

    report = json.loads(made("retention", "report", "--json"))
    assert [one["erased"] for one in report["erasures"]] == [[hers]]
    assert (report["rules"][0]["overdue"], report["rules"][0]["held"]) == (0, 1)
    assert "1 erased by time, in 1 statements" in made("retention", "report")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["story"], "no statement type 'story'"),
        (["any", "--least", "long"], "a time is a number and s, m, h, d or y"),
        (["any", "--least", "2d", "--most", "1d"], "keeps at least"),
        (["any", "--issuer", "me"], "expected a DID"),
        (["any", "--emitter", "xy"], "an emitter is 32 hex digits"),
        (["any", "--emitter", "00"], "an emitter has 16 bytes"),
        (["any", "--despite", "because"], "no reason for an erasure: 'because'"),
    ],
)
def test_mistakes_are_named(made: Command, arguments: list[str], message: str) -> None:
    made("retention", "set", *arguments, code=2)

    assert message in made.words
