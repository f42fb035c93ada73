"""`tally gaps`: whether anything that was numbered is missing."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import check_did
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.errors import DamagedError, VerificationError

if TYPE_CHECKING:
    from tallystick.ledger.state import LedgerState
    from tallystick.verify.completeness import Account, Epoch


@click.command()
@click.option("--issuer", metavar="DID", help="Only what this issuer said.")
@pass_session
def gaps(session: Session, issuer: str | None) -> None:
    """Show what every emitter numbered, and whether anything of it is missing.

    Reads and checks the whole log first, every signature included. Exits with 1 if a number is
    missing or out of order. Intents without outcome are shown; they are evidence, not damage.
    """
    check_did(issuer)
    session.need_ledger()
    account, state = _read(session)
    chosen = [epoch for epoch in account.epochs() if issuer in {None, epoch.issuer}]
    session.give_all(_lines(chosen, state))
    sys.stdout.flush()  # what follows stands below the lines, also where both go to one file
    session.say("what bypassed an emitter, or was never numbered, cannot be seen here")
    wrong = sum(bool(epoch.faults) for epoch in chosen)
    if wrong:
        raise VerificationError(
            f"{wrong} of {len(chosen)} epochs have a number missing or misplaced"
        )


def _read(session: Session) -> "tuple[Account, LedgerState]":
    from tallystick.ledger.maintenance import check, check_statements
    from tallystick.ledger.state import LedgerState
    from tallystick.verify.completeness import Account

    with session.progress("Checking files") as step:
        damage = list(check(session.home, step).damage)
    account, state = Account(), LedgerState()
    if not damage:
        with session.progress("Checking statements") as step:
            damage = list(check_statements(session.home, step, state=state, seen=account.add))
    if damage:
        raise DamagedError(f"{damage[0].path}: {damage[0].what}", advice="see `tally fsck --deep`")
    return account, state


def _lines(epochs: "list[Epoch]", state: "LedgerState") -> "Iterator[tuple[dict[str, Any], str]]":
    now = int(time.time())
    names = {record.issuer: record.name for _, record in state.keys.values()}
    for epoch in epochs:
        data = _as_data(epoch, now) | {"name": names.get(epoch.issuer)}
        yield data, _sentence(epoch, names.get(epoch.issuer) or epoch.issuer, now)


def _as_data(epoch: "Epoch", now: int) -> dict[str, Any]:
    return {
        "issuer": epoch.issuer,
        "emitter": epoch.emitter.hex(),
        "epoch": epoch.number,
        "first_index": epoch.first_index,
        "last_index": epoch.last_index,
        "last_seq": epoch.last_seq,
        "faults": epoch.faults,
        "intents": epoch.intents,
        "open_intents": {id_.hex(): index for id_, index in epoch.open_intents.items()},
        "ended": epoch.ended,
        "superseded": epoch.later,
        "last_heartbeat": epoch.heartbeat.time if epoch.heartbeat else None,
        "overdue": epoch.overdue(now),
    }


def _sentence(epoch: "Epoch", name: str, now: int) -> str:
    said = f"{readable(name)}, epoch {epoch.number}: #0 to #{epoch.last_seq}, "
    said += "; ".join(epoch.faults) if epoch.faults else "no number missing"
    if epoch.intents:
        where = ", ".join(map(str, epoch.open_intents.values()))
        said += f", {epoch.intents} calls, {len(epoch.open_intents)} without outcome"
        said += f" (intents at {where})" if where else ""
    return f"{said}, {_end(epoch, now)}"


def _end(epoch: "Epoch", now: int) -> str:
    if epoch.genesis:
        return "the genesis of the log"
    if epoch.heartbeat is None:
        return "no heartbeat: what came after the last number cannot be known"
    when = f"{datetime.fromtimestamp(epoch.heartbeat.time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if epoch.ended:
        return f"ended {when}"
    if epoch.later:
        return f"broke off after {when}: what came after the last number cannot be known"
    return f"last heartbeat {when}" + (", the next one is overdue" if epoch.overdue(now) else "")
