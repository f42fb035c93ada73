"""Reports: what stands in them, in every form, and what never does."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from tallystick.cli.app import tally
from tallystick.lawmap import (
    CHECKS,
    Configured,
    Seen,
    Stored,
    Upstream,
    as_markdown,
    as_page,
    draft_assessment,
    laws,
    make_report,
)

AT = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
SEEN = Seen(at=AT, origin="lab.example/law", size=7, root="ab" * 32)
NEVER = re.compile(r"complian|conformant|certified|fulfil|satisfies|meets the", re.IGNORECASE)


class _Page(HTMLParser):
    """Keeps account of tags, links and what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name == "href" and value]
        self.loaded += [str(found[name]) for name in ("src", "srcset", "data") if name in found]


def read(page: str) -> _Page:
    parser = _Page()
    parser.feed(page)
    return parser


def test_no_form_says_that_a_law_is_met() -> None:
    report = make_report(laws(), SEEN)
    texts = [as_markdown(report), as_page(report), str(report.data()), draft_assessment(SEEN)]
    texts += [word for check in CHECKS.values() for word in (check.question, check.step)]

    assert [found for text in texts for found in NEVER.findall(text)] == []
    assert all("no finding that a law is met" in text for text in texts[:3])


def test_an_article_says_whether_its_date_has_come() -> None:
    text = as_markdown(make_report(laws(["EU", "US-CO"]), SEEN))

    assert "**not in force yet**, from 2027-12-02" in text
    assert "in force since 2026-08-02" in text
    assert "**not in force yet**, from 2027-01-01" in text
    later = replace(SEEN, at=int(datetime(2028, 1, 1, tzinfo=UTC).timestamp()))
    assert "**not in force yet**" not in as_markdown(make_report(laws(["EU"]), later))


@pytest.mark.parametrize(("month", "warned"), [(5, False), (6, True)])
def test_data_that_are_old_are_called_old(month: int, warned: bool) -> None:
    at = int(datetime(2027, month, 28, tzinfo=UTC).timestamp())
    report = make_report(laws(["CH"]), replace(SEEN, at=at))

    said = [*report.warnings()]
    assert [("data are 7 months old" if warned else "") in one for one in said] == [True] * warned
    assert ("Old data." in as_page(report), "Old data." in as_markdown(report)) == (warned, warned)


def test_the_page_loads_nothing_and_all_its_links_lead_somewhere() -> None:
    page = as_page(make_report(laws(), SEEN))
    found = read(page)

    assert found.loaded == []
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert len(set(found.ids)) == len(found.ids)
    assert "http://" not in page.replace("http://127.0.0.1", "")
    assert found.tags.count("h1") == 1
    assert "default-src 'none'" in page


def test_what_others_named_steers_no_form() -> None:
    evil = "<script>alert(1)</script> | `x` [y](z)"
    chosen = Configured(
        gateway=True, upstreams=(Upstream(name=evil, url="https://a.example", location="DE"),),
        webhooks=((evil, "https://b.example"),),
    )  # fmt: skip
    seen = replace(SEEN, configured=chosen, stored=Stored(location="FR"))
    report = make_report(laws(["EU"]), seen)

    assert "script" not in read(as_page(report)).tags
    for text in (as_markdown(report), draft_assessment(seen)):
        assert "<script>" not in text.replace("\\<script\\>", "")
        assert "\\| \\`x\\`" in text


def test_every_step_names_a_command_that_there_is() -> None:
    named = {
        match
        for check in CHECKS.values()
        for match in re.findall(r"`tally ([a-z -]+?)(?= [A-Z-]|`)", check.step)
    }

    assert named
    for words in named:
        command: object = tally
        for word in words.split():
            command = command.get_command(None, word)  # type: ignore[attr-defined]
            assert command is not None, words


def test_the_draft_asks_what_no_program_can_know() -> None:
    draft = draft_assessment(SEEN)

    assert draft.count("**To be answered by the controller:**") > 25
    for heading in ("Which data", "Who receives what", "What remains after erasure", "How long",
                    "Necessity and proportionality", "Risks", "Conclusion"):  # fmt: skip
        assert heading in draft


def test_the_draft_says_who_gets_what_and_which_measures_are_absent() -> None:
    chosen = Configured(
        place="DE", gateway=True, webhooks=(("siem", "https://siem.example"),),
        upstreams=(Upstream(name="far", url="https://far.example", location="US", allowed=False),
                   Upstream(name="near", url="https://near.example", location="FR")),
    )  # fmt: skip
    stored = Stored(location="EU", backup_at=AT, backup_content=True, witnesses=2, quorum=True)
    draft = draft_assessment(replace(SEEN, configured=chosen, stored=stored))

    assert "| upstream far (https://far.example) | nothing: calls are refused | US |" in draft
    assert "| upstream near (https://near.example) | prompts, whole | FR |" in draft
    assert "| webhook siem (https://siem.example) | public headers, no content | ? |" in draft
    assert "| 2 witnesses | checkpoints | ? |" in draft
    assert "The vault says that content stays in EU." in draft
    assert "- API keys expire: does not apply here." in draft
    assert "- Anomalies are registered: **absent**." in draft
    assert "- Others must have cosigned what is believed: present." in draft
