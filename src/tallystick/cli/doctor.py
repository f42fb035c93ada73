"""`tally doctor`: look at everything that the service depends on, on one screen."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from tallystick.cli.reporting import give_findings
from tallystick.cli.session import Session, pass_session
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.cli.checks.finding import Check, Finding
    from tallystick.cli.checks.stored import Stored
    from tallystick.web import Settings


@click.command()
@pass_session
def doctor(session: Session) -> None:
    """Look at everything that the service depends on, and say what mends it.

    Reads only; may be run beside a running service, and on a ledger that is damaged. Keys and
    vault are opened if a file holds the passphrase. Ends with 1 if there is a problem. What is
    stored is read to its end by `tally fsck --deep`.
    """
    give_findings(session, examine(session))


def examine(session: Session) -> "Iterator[Finding]":
    """Yield what all checks find."""
    from tallystick.cli.checks import machine
    from tallystick.cli.checks.configuration import read_faults
    from tallystick.cli.checks.finding import findings
    from tallystick.web.settings import Settings

    home = session.home
    sources = session.sources()
    settings = Settings() if sources.faults else sources.settings()
    yield from findings([
        ("python", machine.python),
        ("libraries", machine.libraries),
        ("settings", lambda: read_faults(home.settings, sources)),
        ("ledger", lambda: _ledger(session, settings)),
    ])  # fmt: skip


def _ledger(session: Session, settings: "Settings") -> "Iterator[Finding]":
    """Yield what is found of the ledger; where there is none, only that."""
    from tallystick.cli.checks import machine, running, told
    from tallystick.cli.checks.certificates import certificates
    from tallystick.cli.checks.collecting import collector
    from tallystick.cli.checks.configuration import folders, key_rights
    from tallystick.cli.checks.finding import findings
    from tallystick.cli.checks.overdue import keeper
    from tallystick.cli.checks.signing_in import signing_in
    from tallystick.cli.checks.stored import Stored

    home, now = session.home, datetime.now(UTC)
    stored = Stored(home, settings.head, session.passphrase_file())
    yield from stored.check_ledger()
    yield from findings([
        ("disk", lambda: machine.disk(home.data, settings.disk_free_bytes_min)),
        ("fsync", lambda: machine.sync_time(home.data)),
        ("folders", lambda: folders(home, settings)),
        ("owner", lambda: running.two_owners(stored)),
        ("key files", lambda: key_rights(home, stored.phrase)),
        ("keys", stored.check_keys),
        ("custody", stored.check_kept),
        *_of_log(stored),
        ("vault", stored.check_vault),
        ("spool", stored.check_spool),
        ("api keys", stored.check_api_keys),
        ("sign-ins", stored.check_bindings),
        ("usage", stored.check_usage),
        ("webhooks", lambda: told.webhooks(home)),
        ("clock", lambda: running.clock(stored)),
        ("tls", lambda: certificates(settings.tls_certificate, settings.tls_key, now)),
        ("otlp", lambda: collector(settings, ask=True)),
        ("oidc", lambda: signing_in(settings)),
        ("service", lambda: running.service(stored, settings)),
        ("keeper", lambda: keeper(stored, settings)),
        ("backup", stored.check_backup),
    ])  # fmt: skip


def _of_log(stored: "Stored") -> "list[tuple[str, Check]]":
    """Return the checks that compare with the log; where that cannot be read, only that."""
    from tallystick.cli.checks import asked

    checks: list[tuple[str, Check]] = [("log", stored.check_log)]
    try:
        stored.snapshot  # noqa: B018 - whether it can be read
    except (TallystickError, OSError):
        return checks
    return [
        *checks,
        ("head store", stored.check_head),
        ("journal", stored.check_journal),
        ("index", stored.check_index),
        ("appeals", lambda: asked.appeals(stored)),
    ]
