"""Say in words what is wrong with tables of the settings file, all of it at once.

    list(table_faults("[[upstreams]]", tables, UpstreamSettings, quote=False))

What stands in a table may be a key in the wrong place: `quote` says whether values may be shown.
"""

import difflib
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from tallystick.errors import InputError

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def table_faults(
    name: str, tables: object, kind: type[msgspec.Struct], *, quote: bool
) -> Iterator[InputError]:
    """Yield each fault: which table, counted from 1, which field, what was seen and expected."""
    if not isinstance(tables, list):
        yield InputError(f"{name} is {_seen(tables, quote=quote)}, expected tables in [[{name}]]")
        return
    for number, table in enumerate(tables, 1):
        where = f"{name}, table {number}"
        if isinstance(table, dict):
            yield from _in_table(where, table, kind, quote=quote)
        else:
            yield InputError(f"{where} is {_seen(table, quote=quote)}, expected a table")


def expected(kind: Any) -> str:
    """Return in words what values a type has; allowed ones are listed."""
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    if origin is Annotated:
        base, *limits = get_args(kind)
        return expected(base) + "".join(_limits(one) for one in limits)
    if origin in {Union, UnionType}:
        return " or ".join(expected(one) for one in get_args(kind) if one is not NoneType)
    if origin is tuple:
        return f"a list, each {expected(get_args(kind)[0])}"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)).lower())


def _in_table(
    where: str, table: dict[str, Any], kind: type[msgspec.Struct], *, quote: bool
) -> Iterator[InputError]:
    fields = {one.name: one for one in msgspec.structs.fields(kind)}
    for name in table.keys() - fields.keys():
        near = difflib.get_close_matches(name, fields, n=1)
        yield InputError(
            f"{where}: there is no field {name[:80]!r}",
            advice=f"did you mean {near[0]!r}?" if near else f"fields: {', '.join(fields)}",
        )
    for name, one in fields.items():
        if name not in table and one.required:
            yield InputError(f"{where}: {name} is missing, expected {expected(one.type)}")
        elif name in table and not _fits(table[name], one.type):
            seen = _seen(table[name], quote=quote)
            yield InputError(f"{where}: {name} is {seen}, expected {expected(one.type)}")


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _seen(value: object, *, quote: bool) -> str:
    if quote:
        return f"{value!r:.80}"
    words = {**_WORDS, list: "a list", dict: "a table"}
    return words.get(type(value), "something else")


def _limits(meta: Any) -> str:
    names = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
    return "".join(
        f", {word} {getattr(meta, name):g}"
        for name, word in names
        if getattr(meta, name, None) is not None
    )
