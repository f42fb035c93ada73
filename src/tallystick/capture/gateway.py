"""The gateway: an OpenAI-compatible way to a model, with evidence of every call.

    gateway = Gateway(ledger, signer, GatewaySettings(upstream="http://127.0.0.1:9000/v1"))
    app = gateway_app(gateway)          # alone: uvicorn runs its lifespan
    await gateway.start(); ...; await gateway.stop()   # mounted: the owner does

On start, what a crash left in the spool is registered, and a new epoch opened, before any call
is taken; on stop, the epoch is closed and everything registered.

Trust: whoever runs the gateway can let calls pass beside it, record another answer than was
delivered, and read every prompt; not change afterwards what was registered, nor leave out a
number between two that were.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from tallystick.capture.api_keys import ApiKeys
from tallystick.capture.callers import Callers
from tallystick.capture.delegated import Delegations
from tallystick.capture.metering import Meter
from tallystick.capture.models import ModelNames
from tallystick.capture.recorder import FAIL_OPEN, Recorder
from tallystick.capture.registration import Registration
from tallystick.capture.routes import Routes
from tallystick.capture.running import Running
from tallystick.capture.settings import GatewaySettings
from tallystick.capture.spool import Spool, Spooled
from tallystick.capture.usage import Source, recorded
from tallystick.capture.writing import SpoolWriter
from tallystick.errors import DamagedError, UnavailableError
from tallystick.evidence import Change, Numbering, emitter_id
from tallystick.identity import Signer
from tallystick.ledger import Ledger
from tallystick.log import PosixDisk, WriterLock
from tallystick.vault import About, SealedContent

STOP_SECONDS: Final = 10.0
"""How long stopping may wait for the disk, and again for the ledger."""
KEEP_SECONDS: Final = 1.0
"""Between two looks at what is due."""
MODELS_SECONDS: Final = 10.0
"""Between two looks for newly registered models."""

SWITCH_SECONDS: Final = 0.0005
"""How long another thread, such as the one that registers, may keep the interpreter from a call.
It holds for the whole process; Python's own 5 ms would be most of a call's time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStatus:
    """How a gateway does.

    Attributes:
        epoch: Number of this run of it.
        last_seq: Number of its newest statement.
        open_intents: Intents without outcome, of all its epochs.
        served: Calls that had an intent, since the start.
        under_way: Calls now.
        waiting: Statements that are durable in the spool and not registered yet.
        turned_away: Callers without a valid key, since the start.
        unrecorded: Calls without evidence that are not recorded as such yet.
        spool_failure: Why the spool cannot be written; None while it can.
        ledger_failure: Why the ledger takes nothing; None while it does.
        usage_failure: Why budgets cannot be kept; None while they can.
        refused: Calls beyond a key's scope or budget, by the code that the caller got.
    """

    epoch: int
    last_seq: int
    open_intents: int
    served: int
    under_way: int
    waiting: int
    turned_away: int
    unrecorded: int
    spool_failure: str | None
    ledger_failure: str | None
    usage_failure: str | None = None
    refused: Mapping[str, int] = field(default_factory=dict)


class Gateway:
    """One gateway to its upstreams, on one open ledger. Belongs to one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        signer: Signer,
        settings: GatewaySettings,
        *,
        models: Mapping[str, bytes] | None = None,
    ) -> None:
        """Prepare a gateway; `start` begins.

        Args:
            ledger: Open for writing; stays open until after `stop`.
            signer: Key of the gateway's issuer, registered there, which the registration policy
                allows `GATEWAY_TYPES`.
            settings: What the operator decided.
            models: Digests of models by name, before those that the ledger has.

        Raises:
            InputError: A setting is wrong.
        """
        settings = replace(settings, kept_in=ledger.vault.location)
        settings.check()
        self._ledger, self._signer, self.settings = ledger, signer, settings
        self.keys = ApiKeys(ledger.home.api_keys, ledger.api_secret)
        self.models = ModelNames(ledger, models)
        self._running: Running | None = None
        self._spool: Spool | None = None
        self._lock: WriterLock | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._epoch = -1

    @property
    def running(self) -> Running | None:
        """The parts of it, while it runs."""
        return self._running

    async def start(self) -> None:
        """Register what was left, and open an epoch.

        Raises:
            RefusedError: The ledger refuses this issuer's statements.
            DamagedError: The spool is not whole.
            UnavailableError: The ledger takes nothing now.
            ConflictError: Another gateway uses the spool.
        """
        sys.setswitchinterval(min(SWITCH_SECONDS, sys.getswitchinterval()))
        home = self._ledger.home
        self._lock = WriterLock(home.spool / "lock")
        try:
            await self._start()
        except BaseException:
            self._give_back()
            raise

    async def stop(self) -> None:
        """Close the epoch, and register everything.

        Raises:
            UnavailableError: Something could not be made durable, and is lost.
        """
        running, self._running = self._running, None
        if running is None:
            return
        running.stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        try:
            await _finished(running)
            running.recorder.account()
            running.recorder.heartbeat("end")
            await running.recorder.writer.close(STOP_SECONDS)
        finally:
            await running.registration.close(STOP_SECONDS)
            running.routes.close()
            await running.meter.stop()
            self._give_back()

    def status(self) -> GatewayStatus | None:
        """Return how it does; None while it does not run."""
        running = self._running
        if running is None:
            return None
        recorder, registration = running.recorder, running.registration
        return GatewayStatus(
            epoch=self._epoch,
            last_seq=recorder.last_seq,
            open_intents=recorder.open_intents,
            served=running.served,
            under_way=running.calls,
            waiting=registration.waiting,
            turned_away=running.callers.refused,
            unrecorded=recorder.unrecorded.passed + recorder.unrecorded.refused,
            spool_failure=recorder.writer.failure,
            ledger_failure=registration.failure,
            usage_failure=running.meter.failure,
            refused=dict(running.meter.refused),
        )

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        left = await loop.run_in_executor(None, self._open_spool)
        assert self._spool is not None  # noqa: S101 - just opened
        registration = Registration(
            self._ledger, self._spool, self._account, self.settings.register_s
        )
        registration.add(left)
        try:
            await registration.catch_up()
            await loop.run_in_executor(None, self.models.refresh)
            running = self._assemble(registration, self._next_epoch(left))
            await self._open_epoch(running)
        except BaseException:
            await registration.close(0)
            raise
        registration.start()
        source = Source(self._ledger, self._signer.issuer, self._emitter(), self._epoch)
        await running.meter.start(partial(recorded, source))
        self._running = running
        self._keeping = asyncio.create_task(self._keep(running))

    def _open_spool(self) -> list[Spooled]:
        self._spool = Spool(PosixDisk(), self._ledger.home.spool, os.urandom)
        left = self._spool.replay()
        self._spool.reserve()
        if left:
            _log.info("%d statements of an earlier run are registered first", len(left))
        return left

    def _next_epoch(self, left: list[Spooled]) -> int:
        """Return the first epoch that neither the ledger nor the spool has seen."""
        issuer, emitter = self._signer.issuer, self._emitter()
        last = self._ledger.index.last_epoch(issuer, emitter)
        headers = [item.statement.header for item in left]
        seen = [
            header.sequence.epoch
            for header in headers
            if header.sequence and (header.issuer, header.sequence.emitter) == (issuer, emitter)
        ]
        return max([*seen, -1 if last is None else last], default=-1) + 1

    def _emitter(self) -> bytes:
        genesis = bytes.fromhex(self._ledger.card.genesis)
        return emitter_id(genesis, self._signer.issuer, self.settings.name)

    def _assemble(self, registration: Registration, epoch: int) -> Running:
        ledger, spool = self._ledger, self._spool
        assert spool is not None  # noqa: S101 - `_start` opened it
        self._epoch = epoch
        numbering = Numbering(self._signer, self._emitter(), epoch, ledger.clock)
        writer = SpoolWriter(spool, registration.add, self._account)
        return Running(
            self.settings,
            Callers(self.keys, self.settings, ledger.clock),
            self.models,
            Routes(self.settings),
            Recorder(numbering, self._seal, spool, writer, ledger.clock),
            registration,
            Meter(ledger.home.usage, ledger.clock),
            Delegations(ledger),
        )

    def _seal(self, statement_id: bytes, plain: bytes, about: About | None) -> SealedContent:
        """Seal with the vault that the ledger has now: it may have been opened again."""
        return self._ledger.vault.seal_encoded(statement_id, plain, about)

    async def _open_epoch(self, running: Running) -> None:
        """Say that an epoch begins, and whether it fails open; the ledger must have that."""
        recorder, spool = running.recorder, self._spool
        assert spool is not None  # noqa: S101 - `_start` opened it
        said = recorder.heartbeat("start")
        before, after = spool.mark.fail_open, self.settings.fail_open
        if before or after:
            reason = "the gateway was started with this setting"
            said = recorder.say(Change(what=FAIL_OPEN, before=before, after=after, reason=reason))
        await recorder.writer.durable(said)
        await running.registration.catch_up()
        if before != after:
            spool.remember(fail_open=after)

    def _account(self) -> None:
        running = self._running
        if running is not None and running.registration.held is None:
            running.recorder.account()

    async def _keep(self, running: Running) -> None:
        """Do what is due from time to time."""
        assert self._spool is not None  # noqa: S101 - `_start` opened it
        loop, looked_at = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            running.recorder.beat()
            self._account()
            try:
                await loop.run_in_executor(None, self._spool.reserve)
                if loop.time() - looked_at >= MODELS_SECONDS:
                    looked_at = loop.time()
                    await loop.run_in_executor(None, self.models.refresh)
            except (OSError, DamagedError, UnavailableError) as error:
                _log.warning("the gateway's housekeeping failed, trying again: %s", error)

    def _give_back(self) -> None:
        spool, self._spool = self._spool, None
        lock, self._lock = self._lock, None
        try:
            if spool is not None:
                spool.close()
        finally:
            if lock is not None:
                lock.release()


async def _finished(running: Running) -> None:
    """Wait for calls under way, but not for ever."""
    if running.calls:
        with suppress(TimeoutError):
            await asyncio.wait_for(running.quiet.wait(), STOP_SECONDS)
