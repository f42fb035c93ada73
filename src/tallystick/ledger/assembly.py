"""Put the parts of a ledger together: log, index, state and vault of one folder, in step."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tallystick.errors import DamagedError
from tallystick.identity import KeyFile
from tallystick.ledger.admission import LedgerAdmission
from tallystick.ledger.appeals import Appeals
from tallystick.ledger.approved import find_approval
from tallystick.ledger.creation import OPERATOR, VAULT, Card, checkpoint_key
from tallystick.ledger.delegated import find_granted
from tallystick.ledger.entries import read_statement
from tallystick.ledger.erasures import carry_out
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index, Property
from tallystick.ledger.indexed_appeals import IndexedAppeals
from tallystick.ledger.indexed_marks import IndexedMarks
from tallystick.ledger.located import check_placed
from tallystick.ledger.marks import Marks
from tallystick.ledger.operator import Clock, Operator
from tallystick.ledger.retained import Retained
from tallystick.ledger.retention import find_kept, find_retention
from tallystick.ledger.rules import Candidate
from tallystick.ledger.state import LedgerState
from tallystick.ledger.succession import take_registered, tell
from tallystick.log import EmbeddedLog, HalfwayStore, PosixDisk, Sequencer, Snapshot
from tallystick.statement import parse_vkey
from tallystick.statement.governance import StatementType
from tallystick.vault import ReadBook, Vault


@dataclass(slots=True)
class Parts:
    """A ledger's open parts; `close` gives them back in the right order."""

    log: EmbeddedLog
    index: Index
    state: LedgerState
    vault: Vault
    admission: LedgerAdmission
    sequencer: Sequencer[Candidate]
    halfway: HalfwayStore
    closed: bool = False

    def close(self, *, finish: bool) -> None:
        """Close all, once; `finish` ends the epoch first, which an unhealthy log cannot."""
        if self.closed:
            return
        self.closed = True
        with ExitStack() as stack:  # an error in one does not keep the others open
            for part in (self.halfway, self.vault, self.index, self.log):
                stack.callback(part.close)
            if finish:
                last = self.admission.close_epoch()
                if last:
                    self.log.append(last)


def assemble(
    home: Home,
    card: Card,
    keys: KeyFile,
    clock: Clock,
    head: Path | None,
    place: str | None = None,
) -> Parts:
    """Open a ledger for writing, and bring what is derived up to the log.

    Raises:
        DamagedError: The log is not what was signed, or not the one the folder says.
        LocationError: Its content may not lie in `place`.
    """
    while True:
        parts = _assemble(home, card, keys, clock, head, place)
        if parts is not None:
            tell(home, card, parts.state.log_keys)
            return parts


def _assemble(
    home: Home, card: Card, keys: KeyFile, clock: Clock, head: Path | None, place: str | None
) -> Parts | None:
    """Open a ledger; None if other keys were taken, with which it must be opened again."""
    key = checkpoint_key(keys, card.origin, (parse_vkey(card.checkpoint_key),))
    with ExitStack() as opened:  # what is open stays so only if all is
        halfway = HalfwayStore(home.halfway, writable=True)
        opened.callback(halfway.close)
        log = EmbeddedLog(home.places(head), key, PosixDisk(), os.urandom, halfway)
        opened.callback(log.close)
        check_genesis(log.snapshot, card)
        index = Index(home.index, bytes.fromhex(card.genesis), writable=True)
        opened.callback(index.close)
        check_index(index, log.snapshot)
        catch_up(index, log.snapshot)
        state = read_state(index, log.snapshot)
        if take_registered(keys, state):
            return None
        state.look_up_delegation = lambda one: find_granted(index, log.snapshot, one)
        state.look_up_approval = lambda one: find_approval(index, log.snapshot, one)
        state.marks = Marks(IndexedMarks(index, lambda: log.snapshot))
        state.appeals = Appeals(IndexedAppeals(index, lambda: log.snapshot))
        state.retained.stored = lambda one: find_kept(index, log.snapshot, one)
        vault = Vault(home.vault, keys.secret(VAULT))
        opened.callback(vault.close)
        vault.book = ReadBook(home.reads)
        where = check_placed(vault, index, log.snapshot, place)
        if where is not None and where != vault.location:
            vault.keep_in(where)  # so that copies of it say so, too
        carry_out(vault, index, log.snapshot)  # what is said to be erased is, before anybody asks
        operator = _operator(keys, index, log.snapshot, clock)
        admission = LedgerAdmission(state, index, operator, vault)
        admission.follow(log.snapshot)
        opened.pop_all()
    sequencer = Sequencer(log, admission, lambda c: len(c.statement.entry))
    return Parts(log, index, state, vault, admission, sequencer, halfway)


def check_genesis(snapshot: Snapshot, card: Card) -> None:
    """Refuse a folder whose log begins with another entry than it says.

    Raises:
        DamagedError: It does.
    """
    found = read_statement(snapshot.reader, 0).id.hex() if snapshot.checkpoint.size else ""
    if found != card.genesis:
        raise DamagedError(
            f"the log begins with {found[:16] or 'nothing'}, ledger.json says {card.genesis[:16]}…"
        )


def check_index(index: Index, snapshot: Snapshot) -> None:
    """Refuse an index that knows of entries which the log does not have.

    Raises:
        DamagedError: It does.
    """
    if index.size > snapshot.checkpoint.size:
        raise DamagedError(
            f"the index covers {index.size} entries, the log has {snapshot.checkpoint.size}",
            advice="run `tally rebuild-index`",
        )


def catch_up(
    index: Index, snapshot: Snapshot, progress: Callable[[int, int], None] | None = None
) -> None:
    """Read into the index what the log has beyond it.

    Args:
        index: Behind the log.
        snapshot: The log.
        progress: Called now and then with entries done and entries in all.
    """
    size = snapshot.checkpoint.size
    for at in range(index.start, size):
        index.add(read_statement(snapshot.reader, at), at)
        if progress and (at % 1024 == 0 or at == size - 1):
            progress(at + 1, size)


def read_state(index: Index, snapshot: Snapshot) -> LedgerState:
    """Compute the state from the few entries that make it, which the index finds.

    Only the newest policy and the newest of the operator's heartbeats matter, and every key.
    """
    state = LedgerState(
        look_up=index.counted,
        look_up_delegation=lambda one: find_granted(index, snapshot, one),
        look_up_approval=lambda one: find_approval(index, snapshot, one),
        marks=Marks(IndexedMarks(index, lambda: snapshot)),
        appeals=Appeals(IndexedAppeals(index, lambda: snapshot)),
        retained=Retained(lambda one: find_kept(index, snapshot, one)),
    )
    state.apply(read_statement(snapshot.reader, 0), 0)
    size = snapshot.checkpoint.size
    wanted = sorted(index.find([Property("type", StatementType.KEY.encode())], size))
    wanted += index.find([Property("type", StatementType.HANDOVER.encode())], size)
    for type_ in (StatementType.POLICY, StatementType.HEARTBEAT):
        assert state.genesis is not None  # noqa: S101 - entry 0 was applied
        by = [Property("type", type_.encode()), Property("issuer", state.genesis.operator.encode())]
        wanted += [at for at, _ in zip(index.find(by, size), range(1), strict=False)]
    for at in sorted(wanted):
        statement = read_statement(snapshot.reader, at)
        if statement.header.type in {
            StatementType.KEY, StatementType.HANDOVER, StatementType.POLICY,
            StatementType.HEARTBEAT,
        }:  # fmt: skip
            state.apply(statement, at)
    if (said := find_retention(index, snapshot)) is not None:
        state.apply(said.statement, said.index)
    state.size = size
    state.retained.settle()
    state.appeals.settle()
    return state


def _operator(keys: KeyFile, index: Index, snapshot: Snapshot, clock: Clock) -> Operator:
    signer = keys.signer(OPERATOR)
    genesis = read_statement(snapshot.reader, 0)
    assert genesis.header.sequence is not None  # noqa: S101 - `create` numbers it
    emitter = genesis.header.sequence.emitter
    epoch = (index.last_epoch(genesis.header.issuer, emitter) or 0) + 1
    return Operator(signer, emitter, epoch, os.urandom, clock)
