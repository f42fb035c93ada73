"""An upstream's own account of a period, and how it compares with what was counted here.

Read `read_account` first. Who wrote the file is not known, so nothing in it is believed: it is
compared. Rows of the same day and model are added up, since accounts are often split further.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from tallystick.cli.rowfiles import numbered_rows, parse_json
from tallystick.errors import InputError, LimitError

FILE_BYTES_MAX: Final = 16 << 20
MODEL_LETTERS_MAX: Final = 256
NUMBER_MAX: Final = 2**53
TABLES: Final = frozenset({".csv", ".tsv"})
"""Ends of names of files in which all values are text."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


class Line(NamedTuple):
    """What is compared: a model on a day of UTC."""

    day: str
    model: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one side says of a line.

    Attributes:
        requests: Calls.
        prompt_tokens: Tokens in.
        completion_tokens: Tokens out.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def plus(self, other: "Numbers") -> "Numbers":
        """Return the sum."""
        return Numbers(*(getattr(self, name) + getattr(other, name) for name in COLUMNS))


COLUMNS: Final = ("requests", "prompt_tokens", "completion_tokens")
Account = Mapping[Line, Numbers]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one line compares.

    Attributes:
        line: Day and model.
        here: What was counted here; None where nothing was.
        there: What the upstream says; None where it says nothing.
        differing: Columns that differ by more than is tolerated.
    """

    line: Line
    here: Numbers | None
    there: Numbers | None
    differing: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`equal`, `differs`, `only here`, `only there`."""
        if self.here is None or self.there is None:
            return "only there" if self.here is None else "only here"
        return "differs" if self.differing else "equal"


def read_account(file: Path) -> dict[Line, Numbers]:
    """Read an account: `.csv`, `.tsv`, an array of objects in `.json`, else JSON lines.

    Columns are `day`, `model`, `requests`, `prompt_tokens`, `completion_tokens`; others are passed
    over.

    Raises:
        InputError: It is no account; the message names line and column.
        LimitError: It is too large.
    """
    if (size := file.stat().st_size) > FILE_BYTES_MAX:
        raise LimitError(f"{file} has {size} bytes, at most {FILE_BYTES_MAX} are read")
    account: dict[Line, Numbers] = {}
    for where, row in _rows(file):
        line, numbers = _line(where, row), _numbers(where, row, file.suffix.lower() in TABLES)
        account[line] = account.get(line, Numbers()).plus(numbers)
    if not account:
        raise InputError(f"{file} holds no row")
    return account


def compare(here: Account, there: Account, percent: float) -> Iterator[Comparison]:
    """Compare line by line, by day and model.

    Args:
        here: What was counted here.
        there: What the upstream says.
        percent: How much less one number may be than the other and still agree.
    """
    for line in sorted({*here, *there}):
        ours, theirs = here.get(line), there.get(line)
        differing: tuple[str, ...] = ()
        if ours is not None and theirs is not None:
            differing = tuple(
                name
                for name in COLUMNS
                if not _agree(getattr(ours, name), getattr(theirs, name), percent)
            )
        yield Comparison(line, ours, theirs, differing)


def _agree(one: int, other: int, percent: float) -> bool:
    return abs(one - other) * 100 <= percent * max(one, other)


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows, each with its place in words."""
    if file.suffix.lower() != ".json":
        for number, row in numbered_rows(file, text=True):
            yield f"{file}, line {number}", row
        return
    try:
        rows = parse_json(file.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{file} is not JSON: {error}", advice="one object a line goes into .jsonl"
        ) from error
    if not isinstance(rows, list):
        raise InputError(f"{file} must be an array of objects")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{file}, entry {number} must be an object")
        yield f"{file}, entry {number}", row


def _line(where: str, row: Mapping[str, Any]) -> Line:
    day, model = _member(where, row, "day"), _member(where, row, "model")
    if not isinstance(day, str) or not _DAY.fullmatch(day) or not _is_date(day):
        raise InputError(f"{where}, column day: expected a day like 2026-11-27, got {day!r:.80}")
    short = isinstance(model, str) and 0 < len(model) <= MODEL_LETTERS_MAX
    if not short or not model.isprintable():
        raise InputError(
            f"{where}, column model: expected 1..{MODEL_LETTERS_MAX} printable letters, "
            f"got {model!r:.80}"
        )
    return Line(day, model)


def _is_date(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _numbers(where: str, row: Mapping[str, Any], is_text: bool) -> Numbers:  # noqa: FBT001
    return Numbers(*(_number(where, name, _member(where, row, name), is_text) for name in COLUMNS))


def _number(where: str, name: str, value: Any, is_text: bool) -> int:  # noqa: FBT001
    if is_text and isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value <= NUMBER_MAX:
        raise InputError(
            f"{where}, column {name}: expected a whole number in 0..{NUMBER_MAX}, got {value!r:.80}"
        )
    return int(value)


def _member(where: str, row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        there = ", ".join(map(repr, row))
        raise InputError(f"{where} has no column {name!r}; there are {there:.200}")
    return row[name]
