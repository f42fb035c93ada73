"""Links and navigation: nothing leads nowhere, and no page is left out."""

from pathlib import Path

import pytest

from tools.pages import ROOT, broken_links, navigation_faults, pages

NAV = "site_name: x\n\nnav:\n  - Start: index.md\n  - Guides:\n      - guides/a.md\n"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_every_page_is_in_the_navigation() -> None:
    assert list(navigation_faults()) == []


@pytest.mark.parametrize(
    ("text", "offence"),
    [
        ("[a](nowhere.md)", "nowhere.md does not exist"),
        ("![a](nowhere.png)", "nowhere.png does not exist"),
        ("[a](b.md#nothing)", "b.md has no heading #nothing"),
        ("[a](#nothing)", "this page has no heading #nothing"),
        ("[a](../README.md)", "../README.md is not part of the site"),
    ],
)
def test_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, offence: str) -> None:
    page = _site(tmp_path, text)

    assert list(broken_links(page, tmp_path)) == [f"docs/index.md: {offence}"]


@pytest.mark.parametrize(
    "text",
    ["[a](b.md#the-end)", "[a](#start)", "[a](https://example.org/x)", "`[a](nowhere.md)`"],
)
def test_link_that_leads_somewhere_is_not(tmp_path: Path, text: str) -> None:
    assert list(broken_links(_site(tmp_path, text), tmp_path)) == []


def test_page_that_is_left_out_and_page_that_is_not_there_are_found(tmp_path: Path) -> None:
    _site(tmp_path, "")
    (tmp_path / "mkdocs.yml").write_text(NAV)

    assert list(navigation_faults(tmp_path)) == [
        "mkdocs.yml: add b.md to nav",
        "mkdocs.yml: guides/a.md does not exist",
    ]


def _site(root: Path, text: str) -> Path:
    (root / "docs").mkdir()
    (root / "README.md").touch()
    (root / "docs" / "b.md").write_text("# B\n\n## The `end`\n")
    page = root / "docs" / "index.md"
    page.write_text(f"# Start\n\n{text}\n")
    return page
