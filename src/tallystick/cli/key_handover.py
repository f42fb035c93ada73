"""`tally keys rotate --log` and `--operator`: the keys that the ledger itself signs with."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.remote import find_service
from tallystick.cli.session import Session
from tallystick.errors import ConflictError, InputError

if TYPE_CHECKING:
    from tallystick.ledger import Ledger

OWN_KEYS: Final = (
    click.option("--log", "of_log", is_flag=True, help="Replace the log's own two keys."),
    click.option("--operator", "of_operator", is_flag=True, help="Replace the operator's key."),
    click.option(
        "--reason",
        type=click.Choice(["rotated", "compromised", "lost"]),
        default="rotated",
        help="With --log: why. A compromised key is not believed, a lost one cannot agree.",
    ),
    click.option(
        "--until",
        type=click.IntRange(min=0),
        metavar="SIZE",
        help="With --log, for a compromised key: the largest size at which it is to be believed.",
    ),
)
"""Options for the keys of the ledger itself."""


def own_keys(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `OWN_KEYS`."""
    for option in reversed(OWN_KEYS):
        command = option(command)
    return command


def replace_own(
    session: Session,
    place: str | None,
    reason: str,
    until: int | None,
    *,
    existing: bool,
    of_log: bool,
) -> None:
    """Let the log, or its operator, sign with other keys from now on.

    Args:
        session: The command's.
        place: Key reference of the next keys; `{}` in it stands for the name of each.
        reason: Why the log's keys are replaced.
        until: Largest size at which a compromised key is to be believed.
        existing: Take the keys that lie there already.
        of_log: The log's keys, else the operator's.

    Raises:
        InputError: The options do not go together.
        ConflictError: A service has the ledger open.
    """
    from tallystick.ledger import Ledger
    from tallystick.ledger.succession import NEXT

    _check(place, reason, until, of_log=of_log)
    session.need_ledger()
    if (url := find_service(session.home)) is not None:
        raise ConflictError(
            f"the service at {url} signs with these keys", advice="end `tally up` first"
        )
    begun = _waiting(session)
    with session.ledger() as ledger:
        if not isinstance(ledger, Ledger):
            raise ConflictError("another process has the ledger open", advice="end it first")
        first = ("checkpoint" if of_log else "operator") + NEXT
        if first in begun and first not in ledger.keys.names():
            session.say("what an interrupted command had registered was finished; nothing else")
            _give(session, ledger)
            return
        if of_log:
            from tallystick.statement.handover import HandoverReason

            registered = ledger.hand_over(
                HandoverReason(reason), until, keys_in=place, existing=existing
            )
            session.say(f"the log's keys were handed over at index {registered.index}")
            session.say(f"whoever verifies it is best given {session.home.trust} anew")
        else:
            registered = ledger.rotate_operator(keys_in=place, existing=existing)
            session.say(f"the operator's key was rotated at index {registered.index}")
        _give(session, ledger)


def _check(place: str | None, reason: str, until: int | None, *, of_log: bool) -> None:
    if not of_log and (reason != "rotated" or until is not None):
        raise InputError("--reason and --until are for --log")
    if until is not None and reason != "compromised":
        raise InputError("--until is for a compromised key: give --reason compromised, too")
    if of_log and place is not None and "{}" not in place:
        raise InputError(
            f"one place cannot keep two keys: {place!r} has no {{}} for their names",
            advice="such as keyring:tallystick/main-2-{}",
        )


def _waiting(session: Session) -> set[str]:
    from tallystick.identity import KeyFile
    from tallystick.ledger.succession import NEXT

    names = KeyFile(session.home.service_keys, session.passphrase()).names()
    return {name for name in names if name.endswith(NEXT)}


def _give(session: Session, ledger: "Ledger") -> None:
    log, operator = ledger.card.checkpoint_key, ledger.keys.signer("operator")
    data = {"checkpoint_key": log, "operator": operator.issuer,
            "operator_key": operator.public.thumbprint().hex(),
            "size": ledger.snapshot.checkpoint.size}  # fmt: skip
    session.give(data, log)
