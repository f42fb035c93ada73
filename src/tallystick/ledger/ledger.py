"""The ledger: open, register, prove, find, watch. The only place where all parts meet.

    with Ledger.open(Home(path), passphrase) as ledger:
        [registered] = ledger.register([Submission(statement.entry)])
        proof = ledger.prove(registered.id)

One process writes at a time. Methods may be called from any thread.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Final, Self

from tallystick.errors import TallystickError, UnavailableError
from tallystick.identity import KeyFile, Signer
from tallystick.ledger.assembly import Parts, assemble
from tallystick.ledger.batches import Batches
from tallystick.ledger.contested import with_requests
from tallystick.ledger.creation import (
    API,
    CHECKPOINT,
    OPERATOR,
    RECEIPT,
    read_card,
    trust_policy,
)
from tallystick.ledger.derived import with_derived
from tallystick.ledger.erasures import Targets, carry_out, check_targets, sign_erasures
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index
from tallystick.ledger.located import location_change
from tallystick.ledger.operator import Clock, operator_says
from tallystick.ledger.policy import RegistrationPolicy
from tallystick.ledger.reading import Reads
from tallystick.ledger.reads import finished, sign_reads
from tallystick.ledger.registrar import Registrar
from tallystick.ledger.signatures import InlineChecks, SignatureChecks
from tallystick.ledger.state import LedgerState
from tallystick.ledger.submission import Registered, Submission
from tallystick.ledger.succession import make_next, next_handover, next_operator
from tallystick.log import Snapshot, WriterLock
from tallystick.statement import ErasureReason, Found, Proof, parse_statement
from tallystick.statement.administration import AdminAct
from tallystick.statement.governance import StatementType
from tallystick.statement.handover import HandoverReason
from tallystick.statement.keylife import KeyStatement
from tallystick.statement.retention import Retention
from tallystick.vault import Vault
from tallystick.vault.location import check_location, parse_location

PUBLISH_SECONDS: Final = 0.1
"""How long entries wait, at most, until everybody can read them."""

_log = logging.getLogger(__name__)


class _KeysChangedError(UnavailableError):
    """Not a failure: the ledger is to be opened with the keys that it handed over to."""


class Ledger(Reads):
    """A ledger opened for writing."""

    def __init__(  # noqa: PLR0913 - `open` is how it is called
        self,
        home: Home,
        keys: KeyFile,
        lock: WriterLock,
        *,
        clock: Clock,
        checks: SignatureChecks,
        head: Path | None,
        place: str | None,
        publish_seconds: float,
    ) -> None:
        """Use `Ledger.open`."""
        self.home, self.card, self.keys = home, read_card(home), keys
        self.batches = Batches(home.rows)
        self.clock, self._checks, self._head, self._place = clock, checks, head, place
        self._lock = lock
        self._parts: Parts = assemble(home, self.card, keys, clock, head, place)
        self.card = read_card(home)  # opening may finish a handover
        self._failed: TallystickError | None = None
        self._reopening, self._erasures = Lock(), Lock()
        self._erasing = False
        self._grown = Condition()
        self._receipt = keys.signer(RECEIPT)
        self._closing = Event()
        self._publish_seconds = publish_seconds
        self.publish_error: str | None = None
        self._publisher = Thread(target=self._publish, name="tallystick-publisher", daemon=True)
        self._publisher.start()

    @classmethod
    def open(
        cls,
        home: Home,
        passphrase: bytes,
        *,
        clock: Clock = lambda: int(time.time()),
        checks: SignatureChecks | None = None,
        head: Path | None = None,
        place: str | None = None,
        publish_seconds: float = PUBLISH_SECONDS,
    ) -> Self:
        """Open a ledger for writing.

        Args:
            home: Its folder.
            passphrase: Opens its key file.
            clock: Seconds since 1970.
            checks: Where signatures are checked; in the calling thread by default.
            head: Folder of the head store, if it is not in `home`.
            place: Where this machine lies, for a vault that says where its content may lie.
            publish_seconds: How long entries wait, at most, until everybody can read them.

        Raises:
            NotFoundError: There is no ledger.
            ConflictError: Another process is writing to it.
            RefusedError: The passphrase is wrong.
            LocationError: Content may not lie in that place, or nobody says where this is.
            DamagedError: The data is not what was signed.
        """
        read_card(home)
        lock = WriterLock(home.lock)
        try:
            keys = KeyFile(home.service_keys, passphrase)
            return cls(
                home,
                keys,
                lock,
                clock=clock,
                checks=checks or InlineChecks(),
                head=head,
                place=place,
                publish_seconds=publish_seconds,
            )
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def snapshot(self) -> Snapshot:
        """The log as it was last signed."""
        return self._parts.log.snapshot

    @property
    def index(self) -> Index:
        """The index, up to date with `snapshot`."""
        return self._parts.index

    @property
    def state(self) -> LedgerState:
        """Policy, keys and time, as the log says."""
        return self._parts.state

    @property
    def vault(self) -> Vault:
        """Encrypted content."""
        return self._parts.vault

    @property
    def receipt_signer(self) -> Signer:
        """Signs receipts."""
        return self._receipt

    @property
    def published(self) -> int:
        """Size that everybody can read."""
        return self._parts.log.published

    @property
    def trouble(self) -> str | None:
        """Why nothing can be registered or published now; None while all is well."""
        return self.stopped or self.publisher_trouble

    @property
    def stopped(self) -> str | None:
        """Why the log stopped; None while it has not. The next registration opens it again."""
        return None if self._failed is None else f"the log stopped: {self._failed}"

    @property
    def publisher_trouble(self) -> str | None:
        """Why nothing is published; None while it is."""
        if not self._publisher.is_alive():
            return "the ledger is closed" if self._closing.is_set() else "the publisher ended"
        return self.publish_error and f"publishing fails: {self.publish_error}"

    @property
    def api_secret(self) -> bytes:
        """Key under which API keys are hashed."""
        return self.keys.secret(API)

    def register(self, submissions: Sequence[Submission]) -> list[Registered | TallystickError]:
        """Register statements durably; return, for each, where it is or why it is not.

        Statements of one call are sequenced in their order. A retry of the same bytes returns the
        first index. Content and leaf hashes are durable before the statement is.

        Raises:
            UnavailableError: Nothing is known to be registered; call again with the same bytes.
        """
        parts = self._healthy()
        registrar = Registrar(parts, self._checks, self.batches)
        try:
            answers = registrar.register(submissions)
        except Exception as error:
            failure = error if isinstance(error, TallystickError) else None
            failure = failure or UnavailableError(f"{type(error).__name__}: {error}")
            if parts is self._parts:  # else it was opened again meanwhile
                self._failed = failure
            raise failure from error
        with self._grown:
            self._grown.notify_all()
        if registrar.erasing:
            self._erasing = True
            self.carry_out_erasures()
        return answers

    def register_one(self, submission: Submission) -> Registered:
        """Register one statement.

        Raises:
            RefusedError: The registration policy says no.
            SignatureError: The signature does not match.
            InputError: Not a statement.
            UnavailableError: As `register`.
        """
        [answer] = self.register([submission])
        if isinstance(answer, TallystickError):
            raise answer
        return answer

    def set_policy(self, policy: RegistrationPolicy) -> Registered:
        """Register a new registration policy, as the operator."""
        return self._say(StatementType.POLICY, policy.encode(), subject=self.card.origin)

    def set_retention(self, retention: Retention) -> Registered:
        """Register how long content is kept from now on, as the operator."""
        return self._say(StatementType.RETENTION, retention.encode(), subject=self.card.origin)

    def register_key(self, said: KeyStatement) -> Registered:
        """Register an issuer's key, what follows it, or its end, as the operator.

        Raises:
            RefusedError: The key did not sign its possession for this log, or no valid key of the
                issuer agreed.
        """
        return self._say(StatementType.KEY, said.encode(), subject=said.issuer)

    def record_act(self, act: AdminAct) -> Registered:
        """Register what was done to the service, as the operator."""
        return self._say(StatementType.ACCESS, act.encode(), subject=act.subject)

    def hand_over(
        self,
        reason: HandoverReason = HandoverReason.ROTATED,
        until: int | None = None,
        *,
        keys_in: str | None = None,
        existing: bool = False,
    ) -> Registered:
        """Sign checkpoints and receipts with other keys from now on, and register that.

        Args:
            reason: Why. A key that was lost does not agree.
            until: Largest size at which a compromised key is to be believed.
            keys_in: Key reference of the next keys, with `{}` for the name of each.
            existing: Take the keys that lie there already.

        Raises:
            RefusedError: It does not follow from the keys before.
            UnavailableError: A key cannot be reached. If it is registered, the next process that
                opens the ledger finishes it.
        """
        make_next(self.keys, (CHECKPOINT, RECEIPT), keys_in, existing=existing)
        text = self.home.trust.read_text() if self.home.trust.exists() else trust_policy(self.card)
        said = next_handover(self.keys, self.card.origin, text, reason, until)
        return self._succeed(StatementType.HANDOVER, said.encode(), self.card.origin)

    def rotate_operator(self, *, keys_in: str | None = None, existing: bool = False) -> Registered:
        """Sign as the operator with another key from now on, and register that.

        Args:
            keys_in: Key reference of the next key; `{}` in it stands for its name.
            existing: Take the key that lies there already.

        Raises:
            TallystickError: As `hand_over`.
        """
        make_next(self.keys, (OPERATOR,), keys_in, existing=existing)
        said = next_operator(self.keys, self.state.chains)
        return self._succeed(StatementType.KEY, said.encode(), said.issuer)

    def _succeed(self, type_: StatementType, payload: bytes, subject: str) -> Registered:
        """Register what ends keys of the ledger itself, then open it with those that follow."""
        operator = self.keys.signer(OPERATOR)
        said = operator_says(operator, type_, payload, subject=subject, now=self.clock())
        admission = self._healthy().admission
        admission.expected = parse_statement(said.entry).id
        try:
            registered = self.register_one(said)
            self._failed = _KeysChangedError("the ledger changes its keys")
        finally:
            admission.expected = None
        self._healthy()
        return registered

    def erase(
        self, targets: Targets, reason: ErasureReason, signer: Signer | None = None
    ) -> list[Registered]:
        """Register that content is erased, and erase it; it does not come back.

        Rows go in the batches, too, that were taken from the ones that are named; with all of a
        decision goes what was asked of it and answered.

        Args:
            targets: Statements whose content is to go, as `vault.about` returns them: None for
                all of it, else positions of rows of a batch.
            reason: Why; a code, which is public.
            signer: Whom the policy lets erase; the operator by default.

        Raises:
            NotFoundError: Nothing was named, or no such statement is registered.
            InputError: It has no content, or is a batch with fewer rows.
            ConflictError: All of it was erased before.
            RefusedError: The registration policy says no.
            UnavailableError: It is registered, and not all was carried out yet: the ledger goes
                on trying, and does so when it is opened.
        """
        check_targets(self, targets)
        targets = with_derived(self, with_requests(self, targets))
        by = signer or self.keys.signer(OPERATOR)
        registered = []
        for answer in self.register(sign_erasures(by, targets, reason, self.clock())):
            if isinstance(answer, TallystickError):
                raise answer
            registered.append(answer)
        return registered

    def keep_content_in(self, where: str, reason: str) -> Registered:
        """Let content stay in one place from now on, and register that as the operator.

        Args:
            where: A country, or a union of countries; this machine must be declared to lie there.
            reason: Why, in words; kept in the vault.

        Raises:
            InputError: Not the name of a place.
            LocationError: This machine does not lie there.
            UnavailableError: As `register`; or it is registered, and the vault could not be
                written: it holds from when the ledger is opened again.
        """
        check_location(parse_location(where), self._place, "this machine")
        operator, before = self.keys.signer(OPERATOR), self.vault.location
        said = location_change(operator, before, where, reason, self.clock())
        registered = self.register_one(said)
        self.vault.keep_in(where)
        return registered

    @property
    def erasures_pending(self) -> bool:
        """Whether something is registered as erased that the vault may still hold."""
        return self._erasing

    def carry_out_erasures(self) -> None:
        """Erase what the log says is erased, if something still is to be.

        Raises:
            UnavailableError: The vault cannot be written, or another process is reading it.
        """
        with self._erasures:
            if not self._erasing:
                return
            self._erasing = False  # before: what is registered meanwhile is to be carried out, too
            try:
                carry_out(self.vault, self.index, self.snapshot)
            except BaseException:
                self._erasing = True
                raise

    def register_reads(self) -> int:
        """Register who read content, as far as that is noted; return in how many statements.

        Raises:
            UnavailableError: Nothing is lost: call again.
        """
        if self.vault.book is not None:
            self.vault.book.turn()
        count, failed = 0, list[TallystickError]()
        for path in finished(self.home.reads):
            try:
                count += self._register_reads(path)
            except TallystickError as error:  # the others must not wait for it
                failed.append(error)
        if failed:
            raise failed[0]
        return count

    def _register_reads(self, path: Path) -> int:
        signed = list(sign_reads(self, path, self.keys.signer(OPERATOR), self.clock()))
        for answer in self.register(signed) if signed else ():
            if isinstance(answer, TallystickError):
                raise answer
        path.unlink()
        return len(signed)

    def prove_registered(self, registered: Registered) -> Proof:
        """Prove a registration, as of the checkpoint that it was answered with."""
        return self.prove_found(self.at(registered.index), registered.snapshot)

    def watch(self, start: int, timeout_s: float) -> Iterator[Found]:
        """Yield statements from index `start` on as they are registered.

        Ends when nothing came for `timeout_s` seconds.
        """
        while self.wait_beyond(start, timeout_s):
            for at in range(start, self.snapshot.checkpoint.size):
                yield self.at(at)
                start = at + 1

    def wait_beyond(self, size: int, timeout_s: float) -> bool:
        """Wait until the log is larger than `size`; return whether it is."""
        with self._grown:
            return self._grown.wait_for(lambda: self.snapshot.checkpoint.size > size, timeout_s)

    def publish(self) -> int:
        """Make everything readable by everybody now; return the size that is."""
        return self._parts.log.integrate()

    def close(self) -> None:
        """Finish, publish and give everything back; closing again does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._publisher.join()
        try:
            self._parts.close(finish=self._failed is None)
        finally:
            self._checks.close()
            self._lock.release()

    def _say(self, type_: StatementType, payload: bytes, subject: str) -> Registered:
        operator = self.keys.signer(OPERATOR)
        return self.register_one(
            operator_says(operator, type_, payload, subject=subject, now=self.clock())
        )

    # --- keeping it alive

    def _healthy(self) -> Parts:
        """Return the parts; after an error half-way, open them again first."""
        if self._failed is None:
            return self._parts
        with self._reopening:
            if self._failed is not None:
                if not isinstance(self._failed, _KeysChangedError):
                    _log.warning("opening the ledger again after: %s", self._failed)
                self._open_again()
        return self._parts

    def _open_again(self) -> None:
        with suppress(OSError, TallystickError):  # what failed before may fail to close too
            self._parts.close(finish=False)
        try:
            self._parts = assemble(
                self.home, self.card, self.keys, self.clock, self._head, self._place
            )
            self.card, self._receipt = read_card(self.home), self.keys.signer(RECEIPT)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"the ledger cannot be opened again: {error}") from error
        self._failed = None

    def _publish(self) -> None:
        crowded = False
        while not self._closing.wait(0 if crowded else self._publish_seconds):
            crowded = False
            try:
                parts = self._parts
                parts.log.integrate()
                parts.index.flush()
                crowded = parts.index.merge()
                self.carry_out_erasures()
                self.publish_error = None
            except (OSError, TallystickError) as error:
                if self.publish_error is None:
                    _log.warning("publishing failed, trying again: %s", error)
                self.publish_error = str(error)
