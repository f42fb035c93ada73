"""The runner of pages: it must fail where a page is wrong."""

from pathlib import Path

import pytest

from tests.docs import runner
from tests.docs.blocks import read_blocks
from tests.docs.runner import Page, PageError, matches


def run(folder: Path, text: str) -> list[str]:
    path = folder / "guide.md"
    path.write_text(text)
    with Page(path, folder) as page:
        return page.run()


def console(*lines: str, says: str = "") -> str:
    comment = f"<!-- test: {says} -->\n" if says else ""
    return f"# Page\n\n{comment}```console\n" + "\n".join(lines) + "\n```\n"


@pytest.mark.parametrize(
    ("expected", "written", "same"),
    [
        (["one"], "one\n", True),
        (["one"], "one  \n", True),
        (["one"], "two\n", False),
        (["one", "two"], "one\n", False),
        (["one"], "one\nmore\n", False),
        (["one", "…"], "one\nmore\nand more\n", True),
        (["…", "last"], "first\nlast\n", True),
        (["…", "last"], "first\nlasting\n", False),
        (["id …, index …"], "id 3fa4, index 7\n", True),
        (["id …, index …"], "id 3fa4\n", False),
        (["a.c"], "abc\n", False),
    ],
)
def test_lines_match_whole_and_in_order(expected: list[str], written: str, same: bool) -> None:
    assert matches(expected, written) is same


def test_command_that_writes_what_is_shown_passes(tmp_path: Path) -> None:
    assert run(tmp_path, console("$ echo hello", "hello", "$ true")) == []


def test_expected_line_that_does_not_appear_fails(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="goodbye"):
        run(tmp_path, console("$ echo hello", "goodbye"))


def test_unexpected_exit_code_fails(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="ends with 3, not 0"):
        run(tmp_path, console("$ exit 3"))


def test_announced_exit_code_passes_for_the_last_command_only(tmp_path: Path) -> None:
    assert run(tmp_path, console("$ true", "$ (exit 3)", says="fails 3")) == []


def test_command_that_should_fail_and_does_not_fails(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="ends with 0, not 1"):
        run(tmp_path, console("$ true", says="fails 1"))


def test_folder_and_variables_last_from_command_to_command(tmp_path: Path) -> None:
    lines = ["$ mkdir -p here && cd here && export NAME='a  b'", '$ pwd; echo "$NAME"']

    run(tmp_path, console(*lines, "…/here", "a  b"))


def test_command_goes_on_over_several_lines(tmp_path: Path) -> None:
    run(tmp_path, console("$ cat <<E", "> one", "> E", "one"))


def test_words_on_standard_error_are_part_of_what_is_shown(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="warning"):
        run(tmp_path, console("$ echo data; echo warning >&2", "data"))


def test_the_command_tally_is_there_and_its_ledger_is_the_pages_own(tmp_path: Path) -> None:
    run(tmp_path, console("$ tally init --origin localhost/page", "…"))

    assert (tmp_path / "page" / "ledger" / "data" / "ledger.json").exists()


def test_skipped_block_is_not_run_and_its_reason_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, console("$ exit 1", says="skip needs a network")) == [
        "line 4: needs a network"
    ]


def test_command_that_never_ends_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "COMMAND_SECONDS_MAX", 0.5)

    with pytest.raises(PageError, match="killed after"):
        run(tmp_path, console("$ sleep 60"))


def test_python_blocks_share_one_namespace(tmp_path: Path) -> None:
    run(tmp_path, "```python\nx = 2\n```\n\n```python\nassert x == 2\n```\n")


def test_python_block_that_is_wrong_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run(tmp_path, "```python\nassert 1 == 2\n```\n")


def test_python_block_must_raise_what_it_announces(tmp_path: Path) -> None:
    wrong = "<!-- test: fails KeyError -->\n```python\n{}[1]\n```\n"
    right = "<!-- test: fails KeyError -->\n```python\n{}.get(1)\n```\n"

    run(tmp_path, wrong)
    (tmp_path / "again").mkdir()
    with pytest.raises(PageError, match="does not raise KeyError"):
        run(tmp_path / "again", right)


@pytest.mark.parametrize(
    "text",
    [
        "<!-- test: skip it -->\n\nwords between\n\n```console\n$ true\n```\n",
        "<!-- test: skipp it -->\n```console\n$ true\n```\n",
        "<!-- test: fails -->\n```console\n$ true\n```\n",
    ],
)
def test_comment_that_nothing_obeys_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "guide.md"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"comment|needs a word"):
        read_blocks(path)


def test_output_before_any_command_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before any command"):
        run(tmp_path, console("hello"))


def test_service_answers_under_the_address_that_the_page_shows(tmp_path: Path) -> None:
    python = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8471/readyz').status)"
    up = console(f'$ python -c "{python}"', "200", says="service")

    run(tmp_path, up)
