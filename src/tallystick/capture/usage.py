"""What was used: calls and tokens by key, model and day, each from an outcome that was recorded.

    counts = counts_of(outcome)
    place = place_of(intent.api_key, outcome, issued_at)
    table.setdefault(place, Counts()).add(counts)

The gateway counts while it runs; `recorded` counts the same from the ledger. Both agree because
both use these two functions, on nothing but what the statements say.

Trust: tokens are the upstream's own count. One that counts wrong is believed here; that the answer
said so is in the evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from threading import Event
from typing import Any, Final, NamedTuple

from tallystick.capture.budgets import day_of
from tallystick.errors import DamagedError, EncodingError, NotFoundError, UnavailableError
from tallystick.evidence import Intent, Outcome
from tallystick.ledger import Found, Query, Reads
from tallystick.statement import Assurance, Relation, SignedStatement
from tallystick.statement.governance import StatementType
from tallystick.vault import unsafe_unrecorded

ASSERTED: Final = "asserted"
"""Stands in place of a key where a call came without one."""
UNKNOWN: Final = "unknown"
"""Stands in place of a key where the intent does not say which; those of older releases do not."""
TOKENS_MAX: Final = 2**32
"""Most tokens of one call that are believed; a count beyond is none."""
EPOCHS_ALL: Final = 2**62
"""More epochs than there are."""
PAGE_MAX: Final = 500
"""Statements that are looked up at once."""

Mark = tuple[int, int]
"""Epoch and number of a statement of the gateway: what is counted reaches up to it."""


class Place(NamedTuple):
    """Where something is counted.

    Attributes:
        key: Id of the API key, or `ASSERTED`, or `UNKNOWN`.
        model: As the upstream named it; empty where it named none.
        day: Of UTC, when the outcome was signed.
    """

    key: str
    model: str
    day: str


@dataclass(slots=True)
class Counts:
    """What was counted.

    Attributes:
        calls: Calls that went to the upstream, or were to.
        uncounted: Those of them for which the upstream gave no count of tokens.
        prompt_tokens: Tokens in.
        completion_tokens: Tokens out.
        errors: Calls that did not end well: failed, broke off, cancelled.
        refused: Calls that the gateway refused; they are none of `calls`.
    """

    calls: int = 0
    uncounted: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: int = 0
    refused: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.prompt_tokens + self.completion_tokens

    def add(self, other: "Counts") -> None:
        """Count what another one counted, too."""
        self.calls += other.calls
        self.uncounted += other.uncounted
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.errors += other.errors
        self.refused += other.refused

    def values(self) -> tuple[int, ...]:
        """Return all counts in the order of the attributes."""
        return astuple(self)


Table = dict[Place, Counts]


def counts_of(outcome: Outcome) -> Counts:
    """Return what one outcome counts for."""
    if outcome.status == "refused":
        return Counts(refused=1)
    usage = outcome.usage or {}
    prompt, completion = (_tokens(usage, f"{side}_tokens") for side in ("prompt", "completion"))
    return Counts(
        calls=1,
        uncounted=prompt is None and completion is None,
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        errors=outcome.status != "ok",
    )


def place_of(key: str | None, outcome: Outcome, at: int) -> Place:
    """Return where one outcome is counted.

    Args:
        key: Id of the API key; None where the call came without one.
        outcome: What became of the call.
        at: When the outcome was signed, in seconds since 1970.
    """
    return Place(key or ASSERTED, outcome.model or "", day_of(at))


def _tokens(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= TOKENS_MAX else None


@dataclass(slots=True)
class Recorded:
    """What the ledger says was used.

    Attributes:
        table: Counts by place.
        mark: The newest outcome that was counted; None where there is none.
        outcomes: How many were counted.
        unreadable: Outcomes whose content is erased or cannot be read: nobody can count them.
    """

    table: Table
    mark: Mark | None = None
    outcomes: int = 0
    unreadable: int = 0

    def take(self, key: str | None, outcome: Outcome, at: int) -> None:
        """Count one outcome."""
        place = place_of(key, outcome, at)
        self.table.setdefault(place, Counts()).add(counts_of(outcome))
        self.outcomes += 1


@dataclass(frozen=True, slots=True)
class Source:
    """Where to count what one gateway recorded.

    Attributes:
        ledger: Open with its key file, for the vault.
        issuer: DID of the gateway's issuer.
        emitter: Which of that issuer's gateways.
        epochs: Count epochs below this one only: the running one is counted while it runs.
    """

    ledger: Reads
    issuer: str
    emitter: bytes
    epochs: int = EPOCHS_ALL


def recorded(source: Source, after: Mark | None = None, given_up: Event | None = None) -> Recorded:
    """Count from the ledger what a gateway recorded, after a statement of it or from the start.

    Raises:
        UnavailableError: It was told to give up.
    """
    counted = Recorded({})
    for found in _newest_first(source):
        mark = mark_of(found.statement)
        if given_up is not None and given_up.is_set():
            raise UnavailableError("counting from the ledger was broken off")
        if after is not None and mark <= after:
            break
        if mark[0] >= source.epochs or Relation.GENERATED_BY not in found.statement.header.links:
            continue  # counted elsewhere, or an intent
        counted.mark = counted.mark or mark
        try:
            counted.take(*_read(source.ledger, found))
        except (NotFoundError, DamagedError, EncodingError):
            counted.unreadable += 1
    return counted


def mark_of(statement: SignedStatement) -> Mark:
    """Return epoch and number of a statement of the gateway."""
    sequence = statement.header.sequence
    return (sequence.epoch, sequence.seq) if sequence else (0, 0)


def _newest_first(source: Source) -> Iterator[Found]:
    query = Query(
        issuer=source.issuer, emitter=source.emitter, type=StatementType.INFERENCE, limit=PAGE_MAX
    )
    return source.ledger.find_all(query)


def _read(ledger: Reads, found: Found) -> tuple[str | None, Outcome, int]:
    """Return key, outcome and time of a statement."""
    header = found.statement.header
    [intent_id] = header.links[Relation.GENERATED_BY]
    with unsafe_unrecorded():  # tokens are counted, and nothing is shown to anybody
        outcome = Outcome.read(ledger.vault.get(found.statement.id).values())
        key = Intent.read(ledger.vault.get(intent_id).values()).api_key
    if key is None:
        assurance = ledger.get(intent_id).statement.header.assurance
        key = UNKNOWN if assurance == Assurance.API_KEY else None
    return key, outcome, header.issued_at or 0
