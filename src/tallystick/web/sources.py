"""Read settings from the file, the environment and flags, and say where each came from.

    load_settings(home.settings, os.environ)              # raises at the first fault
    found = trace(home.settings, os.environ, {})          # all of them: `tally config check`
    found.values["port"].place, found.faults

What is unknown or of the wrong type is a fault that names its place. Values of secrets stand in
no message.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_origin

import msgspec

from tallystick.capture.settings import RouteSettings, UpstreamSettings
from tallystick.errors import EncodingError, InputError
from tallystick.web.settings import UNQUOTED, RoleRule, Settings
from tallystick.web.tables import expected, table_faults

PREFIX: Final = "TALLYSTICK_"
OTHER_VARIABLES: Final = frozenset(
    {
        "HOME",
        "PASSPHRASE_FILE",
        "RECORDER",
        "API_KEY",
        "DATA",
        "VECTORS",
        "ORACLES",
        "KILLS",
        "CUSTODY",
        "PKCS11_MODULE",
        "PKCS11_PIN_FILE",
        "OIDC_CLIENT_SECRET",
    }
)
"""Variables with our prefix that are no settings: folder, secrets, and the test suite's."""
FILE_BYTES_MAX: Final = 1 << 20
"""Largest file of settings that is read."""
LINES_MAX: Final = 100
"""Keys whose line is looked for; there are fewer settings."""
DEFAULT: Final = "default"
"""Place of a value that nobody set."""

_TYPES: Final[Mapping[str, Any]] = {
    field.name: field.type for field in msgspec.structs.fields(Settings)
}
_TABLES: Final[Mapping[str, type[msgspec.Struct]]] = {
    "upstreams": UpstreamSettings,
    "routes": RouteSettings,
    "oidc_roles": RoleRule,
}
_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_KEY: Final = re.compile(r"""^\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*[=.]|^\s*\[+\s*(\w+)""")


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value, and where it came from.

    Attributes:
        value: Of the setting's type.
        place: `default`, `FILE, line N`, `environment, VARIABLE`, or a flag.
    """

    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong in one place.

    Attributes:
        place: As in `Sourced`.
        error: What is wrong.
    """

    place: str
    error: InputError


@dataclass(slots=True)
class Sources:
    """All settings with their places, and all faults, in the order in which they were read."""

    values: dict[str, Sourced]
    faults: list[Fault] = field(default_factory=list)

    def settings(self) -> Settings:
        """Return the settings.

        Raises:
            InputError: There is a fault; of several, the first.
        """
        if self.faults:
            raise self.faults[0].error
        return Settings(**{name: found.value for name, found in self.values.items()})


def load_settings(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read settings; later sources win.

    Args:
        file: `tallystick.toml`; it need not exist.
        environ: Environment, such as `os.environ`.
        overrides: Values of flags by setting; None stands for a flag that was not given.

    Raises:
        InputError: An unknown name or a wrong value; says where, what was seen and expected.
        EncodingError: The file is not TOML.
    """
    return trace(file, environ, overrides).settings()


def trace(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Sources:
    """Read settings as `load_settings` does, and keep where each came from and what is wrong."""
    sources = Sources({name: Sourced(v, DEFAULT) for name, v in _defaults().items()})
    if file is not None:
        read_file(sources, file)
    for found in (*_from_environment(environ or {}), *_from_flags(overrides or {})):
        _take(sources, *found)
    return sources


def read_file(
    sources: Sources, file: Path, refuse: Callable[[str, str], None] = lambda _place, _name: None
) -> set[str]:
    """Read a file over the values that are there, and return which settings it names.

    Args:
        sources: Take the values and the faults.
        file: It need not exist.
        refuse: Raises an `InputError` for a setting (its place, its name) that must not be there.
    """
    try:
        found = list(_from_file(file))
    except InputError as error:
        sources.faults.append(Fault(str(file), error))
        return set()
    for place, name, value, strict in found:
        try:
            refuse(place, name)
        except InputError as error:
            sources.faults.append(Fault(place, error))
        else:
            _take(sources, place, name, value, strict=strict)
    return {name for _, name, _, _ in found}


def _take(sources: Sources, place: str, name: str, value: Any, strict: bool) -> None:  # noqa: FBT001
    if wrong := list(_wrong_tables(place, name, value)):
        sources.faults += (Fault(place, error) for error in wrong)
        return
    try:
        sources.values[name] = Sourced(_convert(place, name, value, strict=strict), place)
    except InputError as error:
        sources.faults.append(Fault(place, error))


def _defaults() -> dict[str, Any]:
    default = Settings()
    return {name: getattr(default, name) for name in _TYPES}


_Found = tuple[str, str, Any, bool]
"""Place, name, value, and whether the value has a type of its own."""


def _from_file(file: Path) -> Iterator[_Found]:
    text = _read(file)
    content = _parse(file, text)
    lines = _lines(text, content)
    for name, value in content.items():
        place = f"{file}, line {lines[name]}" if name in lines else str(file)
        if _TYPES.get(name) == Path | None and isinstance(value, str):
            # A path in the file is relative to the file, wherever the service is started.
            yield place, name, str(file.parent / Path(value).expanduser()), True
        else:
            yield place, name, value, True


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise EncodingError(f"{file} has more than {FILE_BYTES_MAX} bytes: no settings")
        return data.decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise EncodingError(f"{file} is not a readable TOML file: {error}") from error


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = _AT.sub("", str(error))
        line, column = _where(str(error), text)
        raise EncodingError(
            f"{file}, line {line}, column {column}: not a readable TOML file: {what}",
            advice="each line is `name = value`; text stands in quotes",
        ) from error


def _where(message: str, text: str) -> tuple[int, int]:
    """Return line and column of a TOML error: the end, where it says no other."""
    found = _AT.search(message)
    if found and found[1]:
        return int(found[1]), int(found[2])
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _lines(text: str, content: Mapping[str, Any]) -> dict[str, int]:
    """Return the line of each key: the first that looks like it and is no part of a longer text."""
    lines, found = text.split("\n"), dict[str, int]()
    for at, line in enumerate(lines):
        if len(found) == LINES_MAX:
            break
        match = _KEY.match(line)
        name = next((str(part) for part in match.groups() if part), "") if match else ""
        if name in content and name not in found and _is_toml("\n".join(lines[:at])):
            found[name] = at + 1
    return found


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Found]:
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX)
        if name != variable and name not in OTHER_VARIABLES:
            yield f"environment, {variable}", name.lower(), value, False


def _from_flags(overrides: Mapping[str, Any]) -> Iterator[_Found]:
    for name, value in overrides.items():
        if value is not None:
            yield f"--{name.replace('_', '-')}", name, value, False


def _wrong_tables(place: str, name: str, value: Any) -> Iterator[InputError]:
    kind = _TABLES.get(name)
    if kind is not None:
        for error in table_faults(name, value, kind, quote=name not in UNQUOTED):
            yield InputError(f"{place}: {error}", advice=error.advice)


def _convert(place: str, name: str, value: Any, *, strict: bool) -> Any:
    if name not in _TYPES:
        near = difflib.get_close_matches(name, _TYPES, n=1)
        raise InputError(
            f"{place}: there is no setting {name[:80]!r}",
            advice=f"did you mean {near[0]!r}?" if near else f"settings: {', '.join(_TYPES)}",
        )
    try:
        return msgspec.convert(value, _TYPES[name], strict=strict, dec_hook=_decode)
    except msgspec.ValidationError as error:
        shown = "a value" if name in UNQUOTED else f"{value!r:.80}"
        if get_origin(_TYPES[name]) is Literal:
            raise InputError(
                f"{place}: {name} is {shown}, expected {expected(_TYPES[name])}"
            ) from (error)
        raise InputError(f"{place}: {name} is {shown}: {error}") from error


def _decode(kind: type, value: Any) -> Any:
    """Read what msgspec does not know."""
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    raise msgspec.ValidationError(f"Expected `{kind.__name__.lower()}`")
