"""`tally config show|check`: which settings hold, where they come from, and whether they work."""

import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from tallystick.cli.options import serving_options
from tallystick.cli.passphrases import PASSPHRASE_FILE
from tallystick.cli.printing import short
from tallystick.cli.reporting import give_findings
from tallystick.cli.session import Session, pass_session

if TYPE_CHECKING:
    from tallystick.capture.settings import RouteSettings, UpstreamSettings
    from tallystick.web.settings import RoleRule
    from tallystick.web.sources import Sources

SET, NOT_SET = "set", "not set"
"""All that is shown of a secret."""
_COLUMN: Final = 24
_BUILT_IN: Final = "built in"
_TABLES: Final = frozenset({"upstreams", "routes", "oidc_roles"})


@click.group()
def config() -> None:
    """Show settings and where each comes from; check them and what they point to."""


@config.command("show")
@serving_options
@pass_session
def show(session: Session, /, **flags: Any) -> None:
    """Show every setting, its value, and where that comes from.

    Takes the options of `tally up`, and shows what holds with them. Of secrets it shows whether
    they are set. What is built in cannot be set.
    """
    sources = session.sources(flags)
    rows = [*_places(session), *_settings(sources), *_gateway()]
    if session.as_json:
        data = {name: {"value": value, "from": place} for name, value, place in rows}
        session.give({"settings": data}, "")
    else:
        for name, value, place in rows:
            click.echo(f"{name:<{_COLUMN}} {_text(value):<28} {place}")
    if sources.faults:
        raise sources.faults[0].error


@config.command("check")
@click.argument("file", required=False, type=click.Path(exists=True, path_type=Path))
@serving_options
@pass_session
def check(session: Session, /, file: Path | None, **flags: Any) -> None:
    """Check settings, and the files, folders, port and certificate that they name.

    FILE is read instead of tallystick.toml in the ledger's folder. Takes the options of `tally up`.
    Ends with 1 if the service would not start, or not be safe.
    """
    from tallystick.cli.checks.configuration import configuration

    read = file or session.home.settings
    sources = session.sources(flags, read)
    found = configuration(session.home, read, sources, session.passphrase_file())
    give_findings(session, found)


_Row = tuple[str, Any, str]
"""Name, value as JSON has it, and place."""


def _places(session: Session) -> Iterator[_Row]:
    place = "--home" if session.chosen_home else "default"
    if not session.chosen_home and os.environ.get("TALLYSTICK_HOME"):
        place = "environment, TALLYSTICK_HOME"
    yield "home", str(session.home.root), place
    phrase = session.passphrase_file()
    named = os.environ.get(PASSPHRASE_FILE)
    yield (
        "passphrase_file",
        str(phrase) if phrase else None,
        f"environment, {PASSPHRASE_FILE}" if named else "default",
    )


def _settings(sources: "Sources") -> Iterator[_Row]:
    from tallystick.web.settings import SECRET

    for name, found in sources.values.items():
        value = found.value
        if name in SECRET:
            value = SET if value else NOT_SET
        elif isinstance(value, str):
            value = without_credentials(value)
        elif name in _TABLES:
            value = [_named(one) for one in value]
        yield name, str(value) if isinstance(value, Path) else value, found.place


def _named(table: "UpstreamSettings | RouteSettings | RoleRule") -> str:
    """Return what a table is about; a key may stand in the wrong place of it."""
    from tallystick.capture.settings import RouteSettings
    from tallystick.web.settings import RoleRule

    if isinstance(table, RoleRule):
        return f"{table.value} → {table.role}"
    if isinstance(table, RouteSettings):
        return f"{table.model} → {', '.join(table.to)}"
    return f"{table.name} {without_credentials(table.url)}"


def _gateway() -> Iterator[_Row]:
    """Yield what the gateway keeps to and nobody can set."""
    from tallystick.capture.settings import GatewaySettings
    from tallystick.web import Settings

    built_in = GatewaySettings(upstream="")
    for one in fields(built_in):
        if one.name not in {*Settings.__struct_fields__, "environ"}:
            yield f"gateway.{one.name}", getattr(built_in, one.name), _BUILT_IN


def without_credentials(text: str) -> str:
    """Return a URL without the user and password in it; other text as it is."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if "@" not in parts.netloc:
        return text
    return parts._replace(netloc="…@" + parts.netloc.rpartition("@")[2]).geturl()


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return short(value) if value != [] else "none"
