"""Open a ledger as the settings say; loads no web framework, so that it can go on beside that."""

import hmac
from collections import Counter
from typing import Final

import msgspec

from tallystick.ledger import Home, Ledger, PooledChecks, Query, SignatureChecks
from tallystick.statement.administration import Act, AdminAct, parse_act
from tallystick.statement.governance import StatementType
from tallystick.web.settings import Settings

PROVIDER: Final = "oidc"
"""What roles are given by, as the record of it says."""
NOBODY: Final = "none"


def open_ledger(
    home: Home, passphrase: bytes, settings: Settings, checks: SignatureChecks | None = None
) -> Ledger:
    """Open a ledger as the settings say.

    Args:
        home: Its folder.
        passphrase: Opens its key file.
        settings: Of this ledger.
        checks: Where signatures are checked; by default in as many processes as the settings say.

    Raises:
        TallystickError: As `Ledger.open`.
    """
    if checks is None and settings.workers:
        checks = PooledChecks(settings.workers)
    return Ledger.open(
        home, passphrase, checks=checks, head=settings.head, place=settings.data_location,
        publish_seconds=settings.publish_seconds,
    )  # fmt: skip


def record_roles(ledger: Ledger, settings: Settings) -> None:
    """Register which roles people get by signing in, unless that was registered last.

    The record is public: it says how many values of the claim give each role, and a code that
    changes with the table, the provider and what it calls us; not what stands in them.

    Raises:
        TallystickError: It cannot be registered: nobody signs in by a table that is not on record.
    """
    rules = settings.oidc_roles if settings.oidc_issuer is not None else ()
    said = AdminAct(
        act=Act.ROLES_GIVEN,
        target=PROVIDER,
        at=ledger.clock(),
        details={
            "table": _code(ledger.api_secret, settings) if rules else NOBODY,
            **Counter(str(rule.role) for rule in rules),
        },
    )
    operator = ledger.at(0).statement.header.issuer
    query = Query(type=StatementType.ACCESS, issuer=operator, subject=said.subject, limit=1)
    last = [parse_act(one.statement.payload).details for one in ledger.find(query).found]
    if last != [said.details] and (last or rules):
        ledger.record_act(said)


def _code(secret: bytes, settings: Settings) -> str:
    """Return a code for what decides about roles, which nobody can find out by guessing."""
    names = ("oidc_issuer", "oidc_client_id", "oidc_audience", "oidc_roles_claim", "oidc_roles")
    table = msgspec.json.encode([getattr(settings, name) for name in names])
    return hmac.digest(secret, b"tallystick/roles/1\0" + table, "sha256").hex()[:32]
