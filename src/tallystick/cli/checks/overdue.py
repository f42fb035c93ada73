"""Content whose time is over: what erases it, and whether that does its work."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from tallystick.cli.checks.finding import Finding, ok, warning
from tallystick.cli.checks.running import ask_service
from tallystick.cli.checks.stored import Stored
from tallystick.errors import TallystickError, UnavailableError

if TYPE_CHECKING:
    from tallystick.web import Settings

LOOKED_AT_MAX: Final = 10_000
"""Statements that are looked at where no service does it all the time."""


def keeper(stored: Stored, settings: "Settings") -> Iterator[Finding]:
    """Ask the running service how its keeper does; where none runs, count what is overdue."""
    from tallystick.cli.remote import find_service

    url = find_service(stored.home)
    if stored.holder is None or url is None:
        try:
            yield _alone(stored)
        except (TallystickError, OSError):  # other checks name what is broken
            yield warning("keeper", "not looked: the ledger cannot be read")
        return
    try:
        _, health = ask_service(url, "/readyz", settings.tls_certificate)
    except UnavailableError:
        yield warning("keeper", "not asked: the service does not answer")
        return
    part = health.get("parts", {}).get("keeper")
    if part is None:
        yield warning("keeper", "the service erases nothing by time", "`tally serve`")
    elif part.get("state") == "ok":
        yield ok("keeper", part.get("detail") or "erases what is over, says the service")
    else:
        words = part.get("detail") or "in trouble; the service tells details to an operator's key"
        yield warning("keeper", words, "that it erases what is over", "look at the service's log")


def _alone(stored: Stored) -> Finding:
    from tallystick.ledger import LedgerReader
    from tallystick.ledger.retention import find_overdue, read_retention, time_to_judge_by

    phrase = stored.phrase.read_bytes().strip() if stored.phrase is not None else None
    with LedgerReader(stored.home, phrase) as ledger:
        if all(rule.most is None for rule in read_retention(ledger).rules):
            return ok("keeper", "nothing is kept for a time only: nothing is to be erased by time")
        if phrase is None:
            return warning(
                "keeper", "no service runs, and no file holds the passphrase: not looked"
            )
        now = time_to_judge_by(ledger, int(time.time()))
        looked = islice(find_overdue(ledger, now), LOOKED_AT_MAX)
        over = sum(one is not None and (not one.held or bool(one.positions)) for one in looked)
    if not over:
        return ok("keeper", "no service runs; nothing is overdue")
    return warning(
        "keeper", f"no service runs, and the time of {over} contents or more is over",
        "that they are erased", "start the service, or run `tally retention run`",
    )  # fmt: skip
