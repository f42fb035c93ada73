"""Numbers of the service that are read when somebody asks for the metrics."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from tallystick import __version__
from tallystick.errors import TallystickError
from tallystick.ledger.backups import read_backup_note
from tallystick.web.metrics import Gauge, Reading
from tallystick.web.parts import FURTHER

if TYPE_CHECKING:
    from tallystick.capture import GatewayStatus
    from tallystick.ledger.keeping import Keeping
    from tallystick.web.parts import Parts
    from tallystick.web.service import Service

_LEVELS: Final = {"ok": 0, "warning": 1, "problem": 2}


def gauges(service: "Service") -> Iterator[Gauge]:
    """Yield all gauges of a service."""
    yield Gauge(
        "tallystick_build_info", "Release; always 1.", lambda: {(__version__,): 1}, ["version"]
    )
    begun = time.time()
    yield Gauge("tallystick_start_timestamp_seconds", "When the service began.", lambda: begun)
    yield from _of_ledger(service)
    yield from _of_parts(service)
    yield from _of_keeper(service)
    yield from _of_gateway(service)


def _of_ledger(service: "Service") -> Iterator[Gauge]:
    ledger = service.ledger
    table: tuple[tuple[str, str, Callable[[], Reading]], ...] = (
        ("size", "Entries, signed.", lambda: ledger.snapshot.checkpoint.size),
        ("published_size", "Entries, published.", lambda: ledger.published),
        ("index_backlog", "Entries not in the index yet.", lambda: ledger.index.backlog),
        ("requests_running", "Requests being answered.", lambda: service.load.requests),
        ("subscribers", "Streams of new statements.", lambda: service.feed.subscribers),
        ("requests_max", "Most of them.", lambda: service.load.requests_max),
        ("buffered_bytes", "Bytes of bodies in memory.", lambda: service.load.budget.held),
        ("buffered_bytes_max", "Most.", lambda: service.settings.buffered_bytes_max),
        ("heartbeat_timestamp_seconds", "The newest heartbeat.", lambda: ledger.state.now),
        ("backup_timestamp_seconds", "The last backup.", lambda: _backup(service)),
        ("certificate_end_timestamp_seconds", "The end of the TLS certificate.",
         lambda: service.certificate_ends),
        ("disk_free_bytes_min", "Free space below which the service is not ready.",
         lambda: service.settings.disk_free_bytes_min),
    )  # fmt: skip
    for name, text, read in table:
        yield Gauge(f"tallystick_{name}", text, read)


def _of_parts(service: "Service") -> Iterator[Gauge]:
    """Yield what was looked at just before."""

    def read(number: Callable[["Parts"], Reading]) -> Callable[[], Reading]:
        return lambda: number(parts) if (parts := service.telemetry.parts) else None

    table: tuple[tuple[str, str, Callable[[Parts], Reading]], ...] = (
        ("ready", "Whether the service takes statements.", lambda p: not p.troubles),
        ("disk_free_bytes", "Free space where the ledger lies.", lambda p: p.disk_free_bytes),
        ("clock_behind_seconds", "How far the clock is behind the newest heartbeat.",
         lambda p: p.clock_behind_seconds),
        ("api_keys", "Valid API keys.", lambda p: p.api_keys),
        ("requests_of_people_open", "What people asked of decisions, not answered yet.",
         lambda p: p.requests_open),
        ("requests_of_people_overdue", "Of these, those whose time is past.",
         lambda p: p.requests_overdue),
        ("vault_ok", "Whether the vault can be read.", lambda p: p.states["vault"].state == "ok"),
    )  # fmt: skip
    for name, text, number in table:
        yield Gauge(f"tallystick_{name}", text, read(number))
    yield Gauge(
        "tallystick_part_state", "How each part does: 0 ok, 1 warning, 2 problem.",
        read(lambda p: {(name,): _LEVELS[part.state] for name, part in p.states.items()
                        if name != FURTHER or not _hides(service)}),
        ["part"],
    )  # fmt: skip


def _of_keeper(service: "Service") -> Iterator[Gauge]:
    """Yield how what erases by time does; no samples without it."""

    def read(number: Callable[["Keeping"], Reading]) -> Callable[[], Reading]:
        return lambda: number(seen) if (seen := service.keeping()) else None

    table: tuple[tuple[str, str, Callable[[Keeping], Reading]], ...] = (
        ("alive", "Whether it runs, and does not hang.", lambda k: k.alive),
        ("ok", "Whether nothing keeps it from its work.", lambda k: k.trouble is None),
        ("sweep_timestamp_seconds", "The last whole sweep.", lambda k: k.swept_at),
        ("next_timestamp_seconds", "When the next sweep begins.", lambda k: k.next_at),
        ("erased", "Statements whose content it erased, since the start.", lambda k: k.erased),
        ("failures", "Looks that failed, since the start.", lambda k: k.failures),
        ("overdue", "Contents whose time is over, and that nothing holds.", lambda k: k.overdue),
        ("held", "Contents whose time is over, and that have to stay.", lambda k: k.held),
    )
    for name, text, number in table:
        yield Gauge(f"tallystick_keeper_{name}", text, read(number))
    yield Gauge(
        "tallystick_erasures_pending", "Whether content that is registered as erased is left.",
        lambda: service.ledger.erasures_pending,
    )  # fmt: skip


def _of_gateway(service: "Service") -> Iterator[Gauge]:
    """Yield how the gateway does; no samples without one."""

    def read(number: Callable[["GatewayStatus"], float]) -> Callable[[], Reading]:
        return lambda: number(status) if (status := service.gateway_status()) else None

    table: tuple[tuple[str, str, Callable[[GatewayStatus], float]], ...] = (
        ("calls_running", "Calls under way.", lambda s: s.under_way),
        ("calls_served", "Calls that had an intent, since the start.", lambda s: s.served),
        ("open_intents", "Intents without outcome.", lambda s: s.open_intents),
        ("spool_waiting", "Statements in the spool.", lambda s: s.waiting),
        ("spool_ok", "Whether the spool can be written.", lambda s: s.spool_failure is None),
        ("ledger_ok", "Whether the ledger takes them.", lambda s: s.ledger_failure is None),
        ("turned_away", "Callers without a valid key, since the start.", lambda s: s.turned_away),
        ("unrecorded", "Calls without evidence, not recorded as such yet.", lambda s: s.unrecorded),
    )
    for name, text, number in table:
        yield Gauge(f"tallystick_gateway_{name}", text, read(number))


def _hides(service: "Service") -> bool:
    """Tell whether a further ledger is private: who reads these numbers need not know of it."""
    return any(one is None or one.private for one in service.further.values())


def _backup(service: "Service") -> Reading:
    try:
        note = read_backup_note(service.ledger.home)
    except (TallystickError, OSError):
        return None
    return None if note is None else note.at
