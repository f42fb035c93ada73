"""Does the process live, can the service take entries, what has it counted."""

import sqlite3
from typing import Final

import msgspec

from tallystick import __version__
from tallystick.errors import NotFoundError, TallystickError, UnavailableError
from tallystick.ledger import Ledger
from tallystick.ledger.admission import BACKLOG_MAX
from tallystick.merkle import HASH_BYTES
from tallystick.web.answers import NEVER, Answer, json_answer
from tallystick.web.call import Call
from tallystick.web.metrics import TEXT_FORMAT

_NOBODY: Final = bytes(HASH_BYTES)
"""No statement has this id."""


class Health(msgspec.Struct):
    """How the service is.

    Attributes:
        status: `alive` or `ready`.
        size: Entries that are signed.
        published: Entries that everybody can read.
        version: Release of the service.
    """

    status: str
    size: int
    published: int
    version: str = __version__


async def alive(call: Call) -> Answer:
    """Answer as long as the process does; says nothing about the ledger."""
    return _health(call, "alive")


async def ready(call: Call) -> Answer:
    """Answer 200 while the service takes statements, 503 with the reasons otherwise.

    Raises:
        UnavailableError: It does not.
    """
    ledger = call.service.ledger
    vault = await call.blocking(vault_trouble, ledger)
    late = ledger.index.backlog > BACKLOG_MAX
    troubles = [
        "the service is ending" if call.service.closing else None,
        ledger.trouble,
        vault and f"the vault cannot be read: {vault}",
        "the index cannot be written" if late else None,
    ]
    if found := [trouble for trouble in troubles if trouble]:
        raise UnavailableError("; ".join(found))
    return _health(call, "ready")


async def metrics(call: Call) -> Answer:
    """Return all counts in the text format of Prometheus."""
    telemetry = call.service.telemetry
    telemetry.vault_ok = await call.blocking(vault_trouble, call.service.ledger) is None
    return Answer(telemetry.render(), TEXT_FORMAT, headers=(NEVER,))


def vault_trouble(ledger: Ledger) -> str | None:
    """Say what keeps the vault from being read; None if nothing does."""
    try:
        ledger.vault.get(_NOBODY)
    except NotFoundError:
        return None
    except (TallystickError, sqlite3.Error) as error:
        return str(error)
    return None


def _health(call: Call, status: str) -> Answer:
    ledger = call.service.ledger
    return json_answer(Health(status, ledger.snapshot.checkpoint.size, ledger.published))
