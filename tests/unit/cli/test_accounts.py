"""An upstream's account: read as it is written, compared per day and model, wrong files named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.cli import accounts
from tallystick.cli.accounts import (
    NUMBER_MAX,
    Line,
    Numbers,
    compare,
    read_account,
)
from tallystick.errors import InputError, LimitError, TallystickError

HEAD = "day,model,requests,prompt_tokens,completion_tokens\n"
DAY = "2026-11-27"
ROW = {
    "day": DAY, "model": "m", "requests": 3, "prompt_tokens": 20, "completion_tokens": 10,
}  # fmt: skip
LINE = Line(DAY, "m")


def written(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"{HEAD}{DAY},m,3,20,10\n"),
        ("a.csv", f"\ufeff{HEAD}\n{DAY},m,1,20,4\n{DAY},m,2,0,6\n"),
        ("a.csv", f"project,{HEAD}x,{DAY},m,3,20,10\n"),
        ("a.tsv", f"{HEAD}{DAY},m,3,20,10\n".replace(",", "\t")),
        ("a.json", json.dumps([ROW])),
        ("a.json", json.dumps([{**ROW, "cost": 0.25}])),
        ("a.jsonl", json.dumps(ROW) + "\n"),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert read_account(written(tmp_path, name, text)) == {LINE: Numbers(3, 20, 10)}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "no row"),
        ("a.csv", HEAD, "no row"),
        ("a.csv", "day,model,requests\n2026-11-27,m,1\n", "line 2 has no column 'prompt_tokens'"),
        ("a.csv", f"{HEAD}{DAY},m,3,20\n", "line 2 has 4 values"),
        ("a.csv", f"{HEAD}{DAY},m,3,20,10\n27.11.2026,m,1,1,1\n", "line 3, column day"),
        ("a.csv", f"{HEAD}2026-02-30,m,1,1,1\n", "line 2, column day"),
        ("a.csv", f"{HEAD}{DAY},,1,1,1\n", "line 2, column model"),
        ("a.csv", f"{HEAD}{DAY},{'x' * 257},1,1,1\n", "line 2, column model"),
        ("a.csv", f"{HEAD}{DAY},\x1b[2J,1,1,1\n", "line 2, column model"),
        ("a.csv", f"{HEAD}{DAY},m,1,-1,1\n", "line 2, column prompt_tokens"),
        ("a.csv", f"{HEAD}{DAY},m,1.5,1,1\n", "line 2, column requests"),
        ("a.csv", f"{HEAD}{DAY},m,1,1,1e3\n", "line 2, column completion_tokens"),
        ("a.csv", f"{HEAD}{DAY},m,\u0663,1,1\n", "line 2, column requests"),
        ("a.csv", f"{HEAD}{DAY},m,{'9' * 5000},1,1\n", "line 2, column requests"),
        ("a.csv", f"{HEAD}{DAY},m,{NUMBER_MAX + 1},1,1\n", "line 2, column requests"),
        ("a.csv", HEAD.replace(",", ";"), "separate by commas"),
        ("a.csv", HEAD.encode() + b"\xff\xfe", "line 2 is not UTF-8"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.json", b"\xff", "not JSON"),
        ("a.json", json.dumps(ROW), "an array of objects"),
        ("a.json", "[[]]", "entry 1 must be an object"),
        ("a.json", json.dumps([ROW, {**ROW, "requests": "3"}]), "entry 2, column requests"),
        ("a.json", json.dumps([{**ROW, "requests": True}]), "entry 1, column requests"),
        ("a.json", json.dumps([{**ROW, "day": 7}]), "entry 1, column day"),
        ("a.json", json.dumps([{**ROW, "model": None}]), "entry 1, column model"),
        ("a.json", '[{"day":"a","day":"b"}]', "given twice"),
        ("a.jsonl", '{"day":"2026-11-27"}\n', "line 1 has no column 'model'"),
        ("a.jsonl", "\n[]\n", "line 2 must be an object"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_column(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_account(written(tmp_path, name, text))

    assert said in f"{caught.value} {caught.value.advice}"
    assert len(str(caught.value)) < 1000


def test_a_file_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "a.json", json.dumps([ROW]))
    monkeypatch.setattr(accounts, "FILE_BYTES_MAX", file.stat().st_size)
    read_account(file)

    monkeypatch.setattr(accounts, "FILE_BYTES_MAX", file.stat().st_size - 1)
    with pytest.raises(LimitError, match="at most"):
        read_account(file)


@pytest.mark.parametrize(
    ("here", "there", "percent", "verdict", "columns"),
    [
        (Numbers(3, 20, 10), Numbers(3, 20, 10), 0, "equal", ()),
        (Numbers(3, 20, 10), Numbers(3, 21, 10), 0, "differs", ("prompt_tokens",)),
        (Numbers(3, 20, 10), Numbers(4, 20, 11), 0, "differs", ("requests", "completion_tokens")),
        (Numbers(100, 99, 100), Numbers(100, 100, 100), 1, "equal", ()),
        (Numbers(100, 98, 100), Numbers(100, 100, 100), 1, "differs", ("prompt_tokens",)),
        (Numbers(0, 0, 0), Numbers(0, 0, 0), 0, "equal", ()),
        (Numbers(1, 1, 1), None, 100, "only here", ()),
        (None, Numbers(1, 1, 1), 100, "only there", ()),
    ],
)
def test_a_line_compares(
    here: Numbers | None, there: Numbers | None, percent: float, verdict: str,
    columns: tuple[str, ...],
) -> None:  # fmt: skip
    sides = [{} if side is None else {LINE: side} for side in (here, there)]

    [found] = compare(sides[0], sides[1], percent)

    assert (found.verdict, found.differing) == (verdict, columns)


@given(st.sampled_from([".csv", ".tsv", ".json", ".jsonl"]), st.binary(max_size=200))
def test_hostile_bytes_raise_our_error_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, ending: str, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    for body in (data, HEAD.encode() + data):
        with pytest.raises(TallystickError):
            read_account(written(folder, f"a{ending}", body))
