"""Recording what was done to files: told and made up later where it cannot be registered now."""

import logging
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from tallystick.cli.session import Session
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.identity import KeyFile
    from tallystick.ledger import Home, Ledger
    from tallystick.statement.administration import Act, AdminAct
    from tallystick.web import Settings

SECURITY: Final = (
    *("host", "public_url", "require_key", "show_content", "fail_open", "data_location"),
    *("content_locations", "upstream_location", "webhook_loopback", "webhook_networks"),
    *("issuer_loopback", "issuer_networks", "requests_per_second", "access_log"),
    *("oidc_issuer", "oidc_loopback", "oidc_networks", "oidc_audience", "oidc_skew_seconds"),
    *("session_idle_seconds_max", "session_seconds_max"),
)
"""Settings that change who may do what, or where something goes."""
LATER: Final = "the next command or service that opens the ledger for writing registers it"

_log = logging.getLogger(__name__)


def done(act: "Act", what: str | int, **details: str | int) -> "AdminAct":
    """Return the record of what was done just now; its target is one of its own."""
    from tallystick.statement.administration import AdminAct

    now = int(time.time())
    return AdminAct(
        act=act, target=f"{what}-{now}-{secrets.token_hex(4)}".lower(), at=now, details=details
    )


def note(session: Session, act: "AdminAct", *, now: bool = True) -> int | None:
    """Register what was done, or keep that for later and say so; what was done stands.

    Args:
        session: The ledger.
        act: What was done.
        now: Try at once, if nobody has to be asked for a passphrase.

    Returns:
        The index of the newest entry that was registered; None if none was.
    """
    from tallystick.ledger.acts import keep, register_kept

    try:
        keep(session.home, act)
        if not now or not _has_passphrase(session):
            session.say(f"this is not registered yet: {LATER}")
            return None
        with session.ledger() as ledger, session.reader() as reads:
            fresh = register_kept(session.home, ledger, reads)
        return max([one.index for one in fresh] or _places(session, act), default=None)
    except (TallystickError, OSError) as error:
        session.say(f"note: this could not be registered: {error}; {LATER}")
        return None


def _places(session: Session, act: "AdminAct") -> list[int]:
    """Return where an act is registered, as far as that is published."""
    from tallystick.ledger import Query

    with session.reader() as reads:
        return [found.index for found in reads.find(Query(subject=act.subject, limit=1)).found]


def _has_passphrase(session: Session) -> bool:
    """Tell whether the ledger's keys can be opened without asking anybody."""
    path = session.passphrase_file()
    return session.home.service_keys.exists() and (
        (path is not None and path.exists()) or session.knows_passphrase
    )


def at_start(home: "Home", ledger: "Ledger", settings: "Settings") -> None:
    """Register what is kept, and what of settings and custody changed; a service starts anyway."""
    from tallystick.ledger.acts import register_kept

    try:
        register_kept(home, ledger, ledger)
        _settings(ledger, settings)
        _custody(ledger, ledger.keys)
    except (TallystickError, OSError) as error:
        _log.warning("administrative acts could not be registered: %s; %s", error, LATER)


def _settings(ledger: "Ledger", settings: "Settings") -> None:
    from tallystick.ledger.acts import record_change
    from tallystick.statement.administration import Act
    from tallystick.web import Settings

    record_change(
        ledger, Act.SETTINGS_CHANGED, _security(settings), _security(Settings()),
        **{"require-key": int(settings.require_key), "show-content": int(settings.show_content),
           "fail-open": int(settings.fail_open), "loopback": int(settings.loopback),
           "encrypted": int(settings.tls_certificate is not None)},
    )  # fmt: skip


def _security(settings: "Settings") -> dict[str, Any]:
    chosen = {name: getattr(settings, name) for name in SECURITY}
    return {**chosen, "encrypted": settings.tls_certificate is not None}


def _custody(ledger: "Ledger", keys: "KeyFile") -> None:
    from tallystick.ledger.acts import record_change
    from tallystick.ledger.creation import CHECKPOINT, OPERATOR, RECEIPT
    from tallystick.statement.administration import Act

    kept = {name: _custodian(keys.reference(name)) for name in (CHECKPOINT, RECEIPT, OPERATOR)}
    usual = dict.fromkeys(kept, _custodian(None))
    record_change(ledger, Act.CUSTODY_CHANGED, kept, usual, **kept)


def _custodian(reference: str | None) -> str:
    """Return who keeps a key, by the scheme of its reference; never where exactly."""
    return "file" if reference is None else reference.partition(":")[0].lower()
