"""Options that say which statements are asked for: for find, watch, searches and webhooks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click

from tallystick.cli.arguments import check_did, check_type, find_id, parse_digest, parse_id
from tallystick.cli.session import Session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger.searches import Filters

Command = TypeVar("Command", bound=Callable[..., object])

_EMITTER_LETTERS: Final = 32
_ID_LETTERS: Final = 64
_OPTIONS: Final = (
    click.option("--issuer", metavar="DID"),
    click.option("--subject"),
    click.option("--type", "type_"),
    click.option("--model", metavar="SHA256"),
    click.option("--link", metavar="ID|INDEX", help="Statements that point to this one."),
    click.option("--emitter", metavar="HEX", help="Statements of this process."),
    click.option(
        "--in-name-of", metavar="DID", help="Who signed, was acted for, or is what it is about."
    ),
)
_SAVED: Final = click.option("--saved", metavar="NAME", help="A saved search; more may be given.")


def filter_options(command: Command) -> Command:
    """Give a command the options that filter statements."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def saved_option(command: Command) -> Command:
    """Give a command the option that names a saved search."""
    return _SAVED(command)


def read_filters(session: Session, wanted: dict[str, str | None]) -> "Filters":
    """Read the options; what a saved search asks for must hold, too.

    Raises:
        InputError: One is malformed, or asks for something else than the saved search does.
        NotFoundError: There is no such search, or no statement at an index.
    """
    from tallystick.ledger.searches import Filters, Searches

    given = _given(session, wanted)
    saved = wanted.get("saved")
    known = {} if saved is None else Searches(session.home.searches).get(saved).given()
    for name in sorted(known.keys() & given.keys()):
        if known[name] != given[name]:
            option = name.replace("_", "-")
            raise InputError(f"the search {saved} asks for another {option} than --{option} does")
    return Filters(**{**known, **given})


def _given(session: Session, wanted: dict[str, str | None]) -> dict[str, str]:
    emitter, model, link = wanted["emitter"], wanted["model"], wanted["link"]
    found = {
        "issuer": check_did(wanted["issuer"]),
        "subject": wanted["subject"],
        "type": check_type(wanted["type_"]),
        "model": parse_digest(model).hex() if model else None,
        "link": _link(session, link).hex() if link else None,
        "emitter": _emitter(emitter).hex() if emitter else None,
        "in_name_of": check_did(wanted["in_name_of"]),
    }
    return {name: value for name, value in found.items() if value is not None}


def _link(session: Session, text: str) -> bytes:
    """Read an id; an index is looked up in this ledger."""
    if not text.isdigit() or len(text) >= _ID_LETTERS:
        return parse_id(text)
    with session.reader() as ledger:
        return find_id(ledger, text)


def _emitter(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if 2 * len(data) != _EMITTER_LETTERS:
        raise InputError(f"an emitter is {_EMITTER_LETTERS} hex digits, got {text[:80]!r}")
    return data
