"""What was looked at on one ledger: plain values, so that every check is a pure function of them.

Whoever fills it in reads settings, files and the whole log, and judges nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tallystick.lawmap.answer import Evidence

PLACES_KEPT: Final = 3
"""Newest statements of a type that evidence names; the count says how many there are."""


@dataclass(frozen=True, slots=True)
class Place:
    """One statement.

    Attributes:
        index: Where it stands in the log.
        id: Its id.
        at: When its issuer says that it was signed, seconds since 1970; None where it does not.
    """

    index: int
    id: bytes
    at: int | None = None

    def text(self) -> str:
        """Return index and the beginning of the id, for people and for `tally show`."""
        return f"{self.index} ({self.id.hex()[:16]})"


@dataclass(slots=True)
class Kind:
    """All statements of one kind: how many, the newest of them, and from when to when.

    Attributes:
        number: How many there are.
        newest: The last few, oldest first.
        first_at: Earliest issue time.
        last_at: Latest issue time.
    """

    number: int = 0
    newest: list[Place] = field(default_factory=list)
    first_at: int | None = None
    last_at: int | None = None

    def add(self, place: Place) -> None:
        """Count one more."""
        self.number += 1
        self.newest.append(place)
        del self.newest[:-PLACES_KEPT]
        if place.at is not None:
            self.first_at = place.at if self.first_at is None else min(self.first_at, place.at)
            self.last_at = place.at if self.last_at is None else max(self.last_at, place.at)

    def evidence(self, what: str) -> Evidence:
        """Return how many there are, and where the newest stand."""
        where = ", ".join(place.text() for place in self.newest)
        return Evidence(what, f"{self.number}, newest at index {where}" if where else "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A model API that prompts are sent to.

    Attributes:
        name: As the settings call it.
        url: Its base URL.
        location: Where the settings say that it lies.
        allowed: Content may be sent there.
        own: It runs on this machine, from a file that ships with Tallystick.
    """

    name: str
    url: str
    location: str | None = None
    allowed: bool = True
    own: bool = False

    def where(self) -> str:
        """Return where it lies, in words."""
        return "this machine" if self.own else self.location or "no location is declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the settings say.

    Attributes:
        place: Where this machine lies (`data_location`).
        gateway: There is a gateway before a model API.
        upstreams: Those APIs.
        fail_open: Calls pass that cannot be recorded.
        require_key: Every caller needs an API key.
        show_content: The service gives content to trusted callers.
        head_apart: The last signed checkpoint lies elsewhere than the data.
        open_host: Address beyond this machine that is listened on; None for loopback.
        encrypted: TLS is set up.
        webhooks: Name and target of each.
        api_keys: Valid API keys.
        endless_keys: How many of them never expire.
    """

    place: str | None = None
    gateway: bool = False
    upstreams: tuple[Upstream, ...] = ()
    fail_open: bool = False
    require_key: bool = False
    show_content: bool = False
    head_apart: bool = False
    open_host: str | None = None
    encrypted: bool = False
    webhooks: tuple[tuple[str, str], ...] = ()
    api_keys: int = 0
    endless_keys: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What lies in the ledger's folder beside the log.

    Attributes:
        records: Contents in the vault that are not erased, rows of batches as their segments.
        erased: Contents that were erased.
        location: Where content may lie, as the vault says.
        applied: Index of the newest erasure that was carried out; None if none was.
        spooled: Statements that a gateway made durable and the ledger may not have yet.
        written: A process has the ledger open for writing.
        passphrase_beside: The passphrase lies in the folder that it protects.
        witnesses: Cosigners that the trust policy names.
        quorum: It asks for their cosignatures.
        backup_at: When the last backup ended; None if none is known.
        backup_content: It holds the vault, too.
        recovery: Issuers that have a recovery key.
        kinds: Issuers by kind: person, organisation, machine, ai.
        ended: Keys that ended.
        rules: Rules of the registration policy, in words.
    """

    records: int = 0
    erased: int = 0
    location: str | None = None
    applied: int | None = None
    spooled: int = 0
    written: bool = False
    passphrase_beside: bool = False
    witnesses: int = 0
    quorum: bool = False
    backup_at: int | None = None
    backup_content: bool = False
    recovery: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    ended: int = 0
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One ledger, as it was when somebody looked.

    Attributes:
        at: When, seconds since 1970.
        origin: Name of the log.
        size: Its entries then.
        root: Its root then, in hex.
        configured: What the settings say.
        stored: What lies beside the log.
        types: Statements by type, those included that this release does not know.
        documents: Papers whose text is there, by their subject.
        calls: AI calls that were announced.
        open_calls: Index of each that has no outcome.
        modelless: Calls that name no model by its digest.
        faults: Numbers that are missing or out of order, in words.
        emitters: Processes that number what they say, the log's own aside.
        decided_by: Decisions by the kind of who signed them.
        undecided_on: Decisions that name nothing that they decided about.
        rowless: Models that name no registered data set.
        open_payloads: Statements that say in public what belongs into the vault.
        named_subjects: Statements about people's cases whose subject is no random name.
        nameless: Statements about cases whose content names nobody whom it is about.
        superseded: Statements that replace another one.
        early: Content erased while it was to be kept, by type: index, days that it was kept.
        reported: Days from each anomaly to the report that links to it.
        last_erasure: Index of the newest erasure statement.
        asked: What people asked of decisions about them.
        waiting: Of these, those that nobody answered and nobody withdrew.
        answered_late: Of these, those that waited longer than a month.
    """

    at: int
    origin: str
    size: int
    root: str
    configured: Configured = field(default_factory=Configured)
    stored: Stored = field(default_factory=Stored)
    types: Mapping[str, Kind] = field(default_factory=dict)
    documents: Mapping[str, Kind] = field(default_factory=dict)
    calls: int = 0
    open_calls: tuple[int, ...] = ()
    modelless: Kind = field(default_factory=Kind)
    faults: tuple[str, ...] = ()
    emitters: int = 0
    decided_by: Mapping[str, int] = field(default_factory=dict)
    undecided_on: Kind = field(default_factory=Kind)
    rowless: Kind = field(default_factory=Kind)
    open_payloads: Kind = field(default_factory=Kind)
    named_subjects: Kind = field(default_factory=Kind)
    nameless: Kind = field(default_factory=Kind)
    superseded: Kind = field(default_factory=Kind)
    early: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    reported: tuple[tuple[int, int], ...] = ()
    last_erasure: int | None = None
    asked: Kind = field(default_factory=Kind)
    waiting: tuple[Place, ...] = ()
    answered_late: Kind = field(default_factory=Kind)

    def kind(self, *types: str) -> Kind:
        """Return the statements of a type; of several, the first that there are any of."""
        found = [self.types[type_] for type_ in types if type_ in self.types]
        return found[0] if found else Kind()


def day(seconds: int) -> str:
    """Return a moment as a date."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
