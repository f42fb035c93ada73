"""The page of all settings, from `tallystick.web.Settings`."""

import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from tallystick.web.settings import Settings
from tallystick.web.sources import PREFIX
from tools.reference_text import members

_HEAD = """\
# Settings

Of the service, `tally up`. Each has one name in three places; later ones win: `tallystick.toml` in
the ledger's folder, the environment, and a flag where the command has one. What is unknown, or of
the wrong type, is an error that names its place. Paths in the file are relative to the file.

```toml
port = 8471
publish_seconds = 0.1
```

`tally config show` shows each with its value and place, `tally config check` whether they work.

Besides these, `TALLYSTICK_HOME` names the ledger's folder and `TALLYSTICK_PASSPHRASE_FILE` a file
with the passphrase of its keys.
"""
_COMPUTED = {"workers": "one per core"}
"""Defaults that depend on the machine."""
_TABLES = {"upstreams", "routes", "oidc_roles"}
"""Settings that only the file can hold."""
_BASES = {int: "whole number", float: "seconds", bool: "true or false", str: "text", Path: "path"}


def settings_page() -> str:
    """Return the page.

    Raises:
        ValueError: A setting is not described in the docstring.
    """
    texts, hints = members(Settings), get_type_hints(Settings, include_extras=True)
    fields = msgspec.structs.fields(Settings)
    if missing := {field.name for field in fields} ^ texts.keys():
        raise ValueError(f"docstring and members of Settings differ: {sorted(missing)}")
    parts = [_HEAD]
    for field in fields:
        if field.name in _TABLES:
            parts.append(f"## `{field.name}`\n\ntables · default none\n\n{texts[field.name]}\n")
            continue
        facts = f"{_kind(hints[field.name])} · default {_default(field)}"
        variable = f"`{PREFIX}{field.name.upper()}`"
        text = texts[field.name]
        parts.append(f"## `{field.name}`\n\n{facts} · {variable}\n\n{text}\n")
    return "\n".join(parts)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.name in _COMPUTED:
        return _COMPUTED[field.name]
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, int) and field.default >= 1 << 20:
        return f"`{field.default}` ({field.default >> 20} MiB)"
    return f"`{field.default}`"


def _kind(hint: Any) -> str:
    """Return a type in words, with its bounds."""
    if get_origin(hint) is Annotated:
        base, meta = get_args(hint)[:2]
        return (meta.title or _BASES[base]) + _bounds(meta)
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(hint))
    if isinstance(hint, UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    return _BASES[hint]


def _bounds(meta: msgspec.Meta) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most"}
    found = [f"{word} {getattr(meta, name)}" for name, word in words.items()
             if getattr(meta, name) is not None]  # fmt: skip
    return re.sub(r"^(?=.)", ", ", ", ".join(found))
