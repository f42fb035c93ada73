"""The data: of their form, dated, sourced, asking only what there is, and never a verdict."""

import re
from datetime import date

import pytest

from tallystick.errors import EncodingError, InputError
from tallystick.lawmap import CHECKS, jurisdictions, laws
from tallystick.lawmap.articles import Article, Law, months_between, parse_law

ARTICLES = [(law, article) for law in laws() for article in law.articles]
WANTED = {
    "eu-ai-act": "10 11 12 13 14 15 18 19 26 50 72 73",
    "eu-gdpr": "5 12 15 16 17 18 20 22 25 28 30 32 33 34 35 44",
    "ch": "8 12 16 19 22 24 25 32",
}
GOOD = """\
format = 1
id = "x"
jurisdiction = "EU"
name = "A law"
checked = 2026-01-31
note = "A note."
[[articles]]
article = "Art. 1"
title = "Title"
duty = "Do it."
who = "all"
in_force = 2026-01-01
authority = "somebody"
sources = ["the text"]
checks = ["backed-up"]
"""


def test_whose_laws_are_known() -> None:
    assert jurisdictions() == ["CH", "EU", "GB", "US-CO"]
    assert {law.jurisdiction for law in laws(["EU", "CH"])} == {"EU", "CH"}
    with pytest.raises(InputError, match="nothing of XX"):
        laws(["EU", "XX"])


@pytest.mark.parametrize("name", WANTED)
def test_the_articles_that_matter_are_there(name: str) -> None:
    [law] = [law for law in laws() if law.id == name]
    numbers = {found for one in law.articles for found in re.findall(r"\d+", one.article)}

    assert set(WANTED[name].split()) <= numbers


def test_the_sixteen_recommendations_are_there_and_say_what_was_not_seen() -> None:
    [law] = [law for law in laws() if law.id == "eu-edpb-blockchain"]
    numbers = [int(n) for one in law.articles for n in re.findall(r"\d+", one.article)]

    assert numbers == list(range(1, 17))
    assert all(one.doubt for one in law.articles[11:])
    assert "final version was not found" in law.note


def test_serious_incidents_have_their_three_limits() -> None:
    [found] = [one for law, one in ARTICLES if (law.id, one.article) == ("eu-ai-act", "Art. 73")]

    limits = {one.case[:10]: one.within for one in found.deadlines}
    assert limits == {"serious in": "15 days", "death of a": "10 days", "widespread": "2 days"}


@pytest.mark.parametrize(("law", "article"), ARTICLES, ids=lambda x: getattr(x, "article", None))
def test_an_article_asks_for_checks_that_there_are(law: Law, article: Article) -> None:
    assert set(article.checks) <= set(CHECKS)
    assert len(set(article.checks)) == len(article.checks)
    assert date(2016, 1, 1) < article.in_force < date(2029, 1, 1)
    assert law.checked_on(article) <= date(2026, 11, 28)
    assert article.duty.endswith(".")


def test_every_check_is_asked_for_by_some_article() -> None:
    assert {name for _, article in ARTICLES for name in article.checks} == set(CHECKS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("format = 1", "format = 2"), "format"),
        (('id = "x"', 'id = "X y"'), "id"),
        (('checks = ["backed-up"]', "checks = []"), "checks"),
        (('sources = ["the text"]', "sources = []"), "sources"),
        (("in_force = 2026-01-01", 'in_force = "soon"'), "in_force"),
        (('who = "all"', ""), "who"),
        (('who = "all"', 'who = "all"\ncompliant = true'), "compliant"),
        (('who = "all"', 'deadlines = [{case = "all", within = "soon"}]\nwho = "all"'), "within"),
        (("note =", "note ="), None),
        (("[[articles]]", "[[articles"), "x.toml"),
    ],
)
def test_data_of_another_form_are_refused(change: tuple[str, str], message: str | None) -> None:
    text = GOOD.replace(*change)
    if message is None:
        assert parse_law(text, "x.toml").articles[0].checks == ("backed-up",)
        return
    with pytest.raises(EncodingError, match=message):
        parse_law(text, "x.toml")


@pytest.mark.parametrize(
    ("earlier", "later", "months"),
    [("2026-01-31", "2026-02-28", 0), ("2026-01-31", "2026-03-01", 1),
     ("2025-11-28", "2026-11-28", 12), ("2026-11-28", "2026-01-01", 0)],
)  # fmt: skip
def test_months_are_whole_ones(earlier: str, later: str, months: int) -> None:
    assert months_between(date.fromisoformat(earlier), date.fromisoformat(later)) == months
