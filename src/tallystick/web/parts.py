"""How each part of the service does: what `/readyz` tells and `/metrics` counts.

A part is `ok`, in `warning` (it works, and somebody should look), or in `problem` (the service is
not ready). Details name folders and errors, and are for callers who may write; others get states.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from tallystick.affected.deadlines import count_overdue
from tallystick.errors import NotFoundError, TallystickError
from tallystick.ledger.admission import BACKLOG_MAX
from tallystick.merkle import HASH_BYTES

if TYPE_CHECKING:
    from tallystick.capture import GatewayStatus
    from tallystick.ledger import Ledger
    from tallystick.ledger.keeping import Keeping
    from tallystick.web.service import Service

CLOCK_SECONDS: Final = 60
"""A clock further behind the ledger's newest heartbeat than this has jumped back."""
SPOOL_ITEMS: Final = 10_000
"""Statements in a gateway's spool from which on somebody should look at the ledger."""
CERTIFICATE_SECONDS: Final = 30 * 86_400
"""Before it expires, a certificate is warned of for so long."""
FURTHER: Final = "ledgers"
"""The part that further ledgers are, told to callers on this machine: some may be private."""
_NOBODY: Final = bytes(HASH_BYTES)
"""No statement has this id."""
_MIB: Final = 1 << 20

State = Literal["ok", "warning", "problem"]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a part of the service does.

    Attributes:
        state: `ok`, `warning` or `problem`.
        detail: In words; for callers who may write.
    """

    state: State
    detail: str = ""


class Parts(msgspec.Struct, frozen=True):
    """All parts; numbers are read at the same time, for the metrics.

    Attributes:
        states: By name.
        disk_free_bytes: Free space where the ledger lies.
        clock_behind_seconds: How far the clock is behind the newest heartbeat; 0 if it is not.
        api_keys: Valid API keys.
        requests_open: What people asked of decisions, and nobody has answered yet.
        requests_overdue: Of these, those whose time is past.
        keeping: How what erases by time does; None where nothing does.
    """

    states: dict[str, Part]
    disk_free_bytes: int
    clock_behind_seconds: int
    api_keys: int
    requests_open: int = 0
    requests_overdue: int = 0
    keeping: "Keeping | None" = None

    @property
    def troubles(self) -> list[str]:
        """Why the service is not ready; empty while it is."""
        return [part.detail for part in self.states.values() if part.state == "problem"]

    @property
    def in_trouble(self) -> list[str]:
        """The names of the parts that are; all that strangers are told."""
        return [name for name, part in self.states.items() if part.state == "problem"]


def look(service: "Service", gateway: "GatewayStatus | None") -> Parts:
    """Look at every part. Reads files, so it runs in a thread.

    Args:
        service: Its ledger and settings; may be used by any thread.
        gateway: How it does, as its event loop said; None without one.
    """
    ledger = service.ledger
    free = shutil.disk_usage(ledger.home.data).free
    behind = max(0, ledger.state.now - ledger.clock())
    keys, keys_part = _keys(service)
    asked = service.asked_of_us.look(ledger)
    waiting, overdue = len(asked), count_overdue(asked, ledger.clock())
    states = {
        "service": _service(service),
        "log": _part(ledger.stopped),
        "publisher": _part(ledger.publisher_trouble),
        "queue": _queue(service),
        "vault": _vault(ledger),
        "disk": _disk(service, free),
        "clock": _clock(behind),
        "keys": keys_part,
        "webhooks": _webhooks(service),
        "appeals": _appeals(waiting, overdue),
    }
    if (keeping := service.keeping()) is not None:
        states["keeper"] = _keeper(service, keeping)
    if service.further:
        states[FURTHER] = _further(service)
    if gateway is not None:
        states["spool"] = _spool(gateway)
        states["usage"] = _usage(gateway)
    return Parts(states, free, behind, keys, waiting, overdue, keeping)


def vault_trouble(ledger: "Ledger") -> str | None:
    """Say what keeps the vault from being read; None if nothing does."""
    try:
        ledger.vault.get(_NOBODY)
    except NotFoundError:
        return None
    except (TallystickError, sqlite3.Error) as error:
        return str(error)
    return None


def _part(trouble: str | None) -> Part:
    return Part("problem", trouble) if trouble else Part("ok")


def _service(service: "Service") -> Part:
    return _part("the service is ending" if service.closing else None)


def _vault(ledger: "Ledger") -> Part:
    trouble = vault_trouble(ledger)
    return _part(trouble and f"the vault cannot be read: {trouble}")


def _queue(service: "Service") -> Part:
    """Tell whether the index keeps up, and whether there is room for requests."""
    if service.ledger.index.backlog > BACKLOG_MAX:
        return Part("problem", "the index cannot be written")
    busy = service.load.requests, service.load.requests_max
    if busy[0] > busy[1] * 3 // 4:
        return Part("warning", f"{busy[0]} of at most {busy[1]} requests are being answered")
    return Part("ok")


def _disk(service: "Service", free: int) -> Part:
    least = service.settings.disk_free_bytes_min
    if free < least:
        words = f"{free // _MIB} MiB are free on the ledger's disk, at least {least // _MIB} needed"
        return Part("problem", words)
    if free < 2 * least:
        return Part("warning", f"{free // _MIB} MiB are free on the ledger's disk")
    return Part("ok")


def _clock(behind: int) -> Part:
    if behind > CLOCK_SECONDS:
        return Part("warning", f"the clock is {behind} s behind the newest heartbeat")
    return Part("ok")


def _keys(service: "Service") -> tuple[int, Part]:
    """Look at the file of API keys, and at the certificate's time."""
    now = service.ledger.clock()
    try:
        known = service.api_keys.known()
    except TallystickError as error:
        return 0, Part("problem", f"the file of API keys cannot be read: {error}")
    ended = [(key.revoked_at, key.expires_at) for key in known]
    valid = sum(not any(at is not None and at <= now for at in both) for both in ended)
    return valid, next(_certificate(service.certificate_ends), Part("ok"))


def _certificate(ends: int | None) -> Iterator[Part]:
    if ends is None:
        return
    left = ends - int(datetime.now(UTC).timestamp())
    if left <= 0:
        yield Part("problem", "the TLS certificate has expired")
    elif left < CERTIFICATE_SECONDS:
        yield Part("warning", f"the TLS certificate expires in {left // 86_400} days")


def _webhooks(service: "Service") -> Part:
    """Tell of webhooks that do not deliver: somebody should look, but statements are taken."""
    words = service.telling.troubles()
    return Part("warning", "; ".join(words)) if words else Part("ok")


def _appeals(waiting: int, overdue: int) -> Part:
    """Tell of people who were not answered in time: somebody should, but statements are taken."""
    if not overdue:
        return Part("ok", f"{waiting} wait for an answer" if waiting else "")
    whose = (
        "request of a person is past its" if overdue == 1 else "requests of people are past their"
    )
    return Part("warning", f"{overdue} {whose} time: `tally appeals list`")


def _keeper(service: "Service", keeping: "Keeping") -> Part:
    """Tell of content that should be gone: somebody should look, but statements are taken."""
    if keeping.trouble is not None:
        overdue = f"; {keeping.overdue} are overdue" if keeping.overdue else ""
        return Part("warning", f"{keeping.trouble}{overdue}")
    now = service.ledger.clock()
    if keeping.swept_at is None:
        return Part("ok", "the first sweep is not over")
    words = f"last sweep {now - keeping.swept_at} s ago, next in {max(0, keeping.next_at - now)} s"
    held = f"; holds keep {keeping.held} whose time is over" if keeping.held else ""
    return Part("ok", words + held)


def _further(service: "Service") -> Part:
    """Tell of further ledgers in trouble: somebody should look, but this one takes statements."""
    words = []
    for name, one in service.further.items():
        if one is None:
            words.append(f"the ledger {name} could not be opened")
        else:
            words += [f"the ledger {name}: {trouble}" for trouble in look(one, None).troubles]
    return Part("warning", "; ".join(words)) if words else Part("ok")


def _spool(gateway: "GatewayStatus") -> Part:
    if gateway.spool_failure is not None:
        return Part("problem", f"the spool cannot be written: {gateway.spool_failure}")
    if gateway.ledger_failure is not None:
        words = f"the ledger takes nothing from the gateway: {gateway.ledger_failure}"
        return Part("problem", words)
    if gateway.waiting > SPOOL_ITEMS:
        return Part("warning", f"{gateway.waiting} statements wait in the spool")
    return Part("ok")


def _usage(gateway: "GatewayStatus") -> Part:
    """Only keys with a budget wait for it."""
    if gateway.usage_failure is None:
        return Part("ok")
    return Part("warning", f"keys with a budget are refused: {gateway.usage_failure}")
