"""Rows of a file: what would change by being read as a number stays text."""

from pathlib import Path

import pytest

from tallystick.cli.rowfiles import read_rows
from tallystick.errors import InputError

TEXTS = ["007", "00.10", "1e5", "+5", "1_000", " 5", "0x10", "-0", "1.50", ".5", "nan", "inf", ""]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_not_written_plainly_as_a_number_stays_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"a,b\n{text},x\n")

    assert list(read_rows(file)) == [{"a": text, "b": "x"}]


def test_plain_numbers_become_numbers_unless_text_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b,c\n7,-0.5,0\n")

    assert list(read_rows(file)) == [{"a": 7, "b": -0.5, "c": 0}]
    assert list(read_rows(file, text=True)) == [{"a": "7", "b": "-0.5", "c": "0"}]


def test_a_byte_order_mark_is_dropped_and_tabs_separate_tsv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    (tmp_path / "a.tsv").write_bytes(b"a\tb\n1\tx,y\n")

    assert list(read_rows(tmp_path / "a.csv")) == [{"a": 1, "b": 2}]
    assert list(read_rows(tmp_path / "a.tsv")) == [{"a": 1, "b": "x,y"}]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"a,b\n1,2,3\n", "line 2 has 3 values"),
        ("a.csv", b"a,b\n1,2\n1\n", "line 3 has 1 values"),
        ("a.csv", b"a,a\n1,2\n", "names a column twice: 'a'"),
        ("a.csv", b"a;b\n1;2\n", "one column that holds ';'"),
        ("a.csv", b"a\tb\n1\t2\n", "one column that holds"),
        ("a.csv", b'a,b\n"1,2\n', "line 2"),
        ("a.csv", b"a,b\n1,\xff\n", "line 2 is not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a": NaN}\n', "line 2 is not JSON: NaN"),
        ("a.jsonl", b'{"a": 1e999}\n', "line 1 is not JSON: 1e999"),
        ("a.jsonl", b'{"a": 1, "a": 2}\n', "given twice"),
        ("a.jsonl", b"[1]\n", "line 1 must be an object"),
        ("a.jsonl", b"\x89PNG\n", "line 1 is not UTF-8"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(InputError, match=said):
        list(read_rows(tmp_path / name))


def test_only_a_line_feed_ends_a_line_of_json_and_empty_ones_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": "x\u2028y"}\n\n{"a": 2}\n', encoding="utf-8")

    assert list(read_rows(tmp_path / "a.jsonl")) == [{"a": "x\u2028y"}, {"a": 2}]
