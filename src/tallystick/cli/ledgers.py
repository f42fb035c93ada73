"""`tally ledgers add|list`: further ledgers that the same service opens."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.options import new_ledger_options
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, TallystickError

if TYPE_CHECKING:
    from tallystick.ledger import Home


@click.group()
def ledgers() -> None:
    """Make and list further ledgers that the same service opens.

    Each lies in `ledgers/NAME` of the first one's folder, with keys, policy, API keys and settings
    of its own. Commands reach it with `tally --ledger NAME`, programs at /ledgers/NAME.
    """


@ledgers.command("add")
@click.argument("name")
@click.option("--origin", help="Name of its log, <host>/<name>; never changed [that of the first "
              "with NAME in place of its last part].")  # fmt: skip
@new_ledger_options
@pass_session
def add(
    session: Session,
    name: str,
    origin: str | None,
    allow: tuple[str, ...],
    keys_in: str | None,
    *,
    private: bool,
    generate_passphrase: bool,
) -> None:
    """Make the further ledger NAME. A service that is running opens it at its next start."""
    from dataclasses import replace

    from tallystick.cli.home import make_ledger
    from tallystick.cli.policies import rules_from
    from tallystick.ledger import read_card

    _refuse_nested(session)
    host = read_card(session.home).origin.rpartition("/")[0]
    made = session.of(name)
    origin = origin or f"{host}/{name}"
    from tallystick.cli.acts import record
    from tallystick.statement.administration import Act

    policy = replace(rules_from(allow), private=private)
    card = make_ledger(made, origin, policy, keys_in, generate=generate_passphrase)
    # The first ledger may be public: whoever reads it learns that there is one more, not which.
    record(session, Act.LEDGER_ADDED, card.genesis if private else name)
    session.say(f"made the ledger {origin} in {made.home.root}; `tally up` serves it, too")
    session.give(
        {"name": name, "home": str(made.home.root), "origin": origin,
         "checkpoint_key": card.checkpoint_key, "genesis": card.genesis},
        card.checkpoint_key,
    )  # fmt: skip


@ledgers.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the further ledgers: name, log, size, and whether they are being served."""
    _refuse_nested(session)
    session.need_ledger()
    session.give_all(_rows(session))


def _refuse_nested(session: Session) -> None:
    if session.further is not None:
        raise InputError(
            f"the ledger {session.further} is a further one itself, and has none beside it",
            advice="leave out --ledger",
        )


def _rows(session: Session) -> Iterator[tuple[Mapping[str, Any], str]]:
    for name in session.home.further_names():
        yield _row(name, session.home.further(name))


def _row(name: str, home: "Home") -> tuple[Mapping[str, Any], str]:
    from tallystick.cli.remote import find_service
    from tallystick.ledger import LedgerReader, read_card

    row: dict[str, Any] = {"name": name, "home": str(home.root)}
    try:
        row |= {"origin": read_card(home).origin, "url": find_service(home)}
        with LedgerReader(home) as reader:
            row["size"] = reader.snapshot.checkpoint.size
    except TallystickError as error:
        row["error"] = str(error)
        return row, f"{name:<20} {error}"
    where = row["url"] or "not served"
    return row, f"{name:<20} {row['origin']:<32} {row['size']:>10} {where}"
