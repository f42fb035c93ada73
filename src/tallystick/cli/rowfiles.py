"""Rows out of a file, exactly as it gives them: a value that would change stays text."""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tallystick.errors import InputError

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_OTHER_DELIMITERS: Final = (";", "\t", ",", "|")


def read_rows(file: Path, *, text: bool = False) -> Iterator[dict[str, Any]]:
    """Read rows from `.csv`, `.tsv`, or JSON lines in any other file; UTF-8, with or without BOM.

    Args:
        file: What to read.
        text: Keep all values of a table as text. Otherwise what is written as this program would
            write the number becomes one: `7` and `0.5` do, `007`, `+5` and `1e5` do not.

    Raises:
        InputError: A line that is no row; the message names it.
    """
    return (row for _, row in numbered_rows(file, text=text))


def numbered_rows(file: Path, *, text: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read rows as `read_rows` does, each with the number of the line on which it ends.

    Raises:
        InputError: A line that is no row; the message names it.
    """
    delimiter = _DELIMITERS.get(file.suffix.lower())
    lines = _lines(file)
    if delimiter is None:
        return _of_json(file, lines)
    return _of_table(file, lines, delimiter, text=text)


def _lines(file: Path) -> Iterator[str]:
    """Yield the lines with their ends; only a line feed ends one."""
    with file.open("rb") as data:
        for number, line in enumerate(data, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"{file}, line {number} is not UTF-8: {error.reason}") from error


def _of_json(file: Path, lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number} must be an object")
        yield number, row


def parse_json(text: str) -> Any:
    """Parse JSON in which no member stands twice and every number is one.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a member that is given twice: one of the values would vanish."""
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a member is given twice")
    return row


def _of_table(
    file: Path, lines: Iterator[str], delimiter: str, *, text: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    table = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        header = next(table, [])
        _check_header(file, header)
        for cells in table:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{file}, line {table.line_num} has {len(cells)} values, "
                    f"the header names {len(header)}"
                )
            values = cells if text else map(_value, cells)
            yield table.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise InputError(f"{file}, line {table.line_num}: {error}") from error


def _check_header(file: Path, header: list[str]) -> None:
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{file}, line 1 names a column twice: {', '.join(map(repr, twice))}")
    if len(header) == 1 and (other := [d for d in _OTHER_DELIMITERS if d in header[0]]):
        raise InputError(
            f"{file}, line 1 is one column that holds {other[0]!r}",
            advice="separate by commas in .csv, by tabs in .tsv",
        )


def _value(text: str) -> Any:
    """Return the number that is written exactly like this, else the text."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:  # not such a number, or one with too many digits
            continue
        if (kind is int or math.isfinite(number)) and repr(number) == text:
            return number if kind is float or -(2**63) <= number < 2**64 else text
    return text
