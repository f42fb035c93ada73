"""`tally reads`: who read what, by record and by subject."""

import getpass
import json

from tests.unit.cli.running import Command

FIELDS = ("--type", "document", "--as", "clinic")


def test_commands_that_show_content_are_listed(made: Command) -> None:
    hers = made("register", *FIELDS, "--field", "text=hers", "--about", "case-1")
    his = made("register", *FIELDS, "--field", "text=his", "--about", "case-2")
    assert made("reads") == ""
    made("show", hers)
    made("export", his)
    made("export", his, "--withhold")

    [line] = made("reads", "--about", "case-1").splitlines()
    assert f"{getpass.getuser()}  tally show  1 record" in line
    found = [json.loads(one) for one in made("reads", "--json").splitlines()]
    assert {one["purpose"] for one in found} == {"tally show", "tally export"}
    [by] = [json.loads(one) for one in made("reads", his, "--json").splitlines()]
    assert (by["purpose"], by["records"]) == ("tally export", {his: None})
    made("reads", his, "--about", "case-1", code=2)
    assert "give either a statement, or --about REF" in made.words
