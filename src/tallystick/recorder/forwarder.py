"""The forwarder: what applications said is signed, spooled, and registered, in order.

    applications --frames--> forwarder: number, sign, seal --spool--> service

A process of its own, so that no thread of an application waits for a signature or a network. It
may be killed at any moment: a frame counts as taken only when its statement is durable in the
spool, and a statement leaves the spool only when the ledger has it. After any error it begins
anew from what is on the disk.

Trust: whoever controls this process or its folder can leave out what applications said, or record
something else; not change afterwards what is registered, nor leave out a number between two.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Final

from tallystick.capture.spool import Spool, Spooled, scrub
from tallystick.client import Client
from tallystick.errors import TallystickError
from tallystick.evidence import Numbering, emitter_id
from tallystick.identity import Signer
from tallystick.log import PosixDisk, WriterLock
from tallystick.recorder.delivery import Delivery
from tallystick.recorder.intake import Intake
from tallystick.recorder.place import Place
from tallystick.recorder.sealing import Sealing
from tallystick.recorder.speaking import Speaker
from tallystick.recorder.taken import read_taken

PAUSE_SECONDS: Final = 0.02
"""Between two looks for frames, where there were none."""
RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 60.0
"""After an error, before it begins anew: each time twice as long."""
IDLE_SECONDS: Final = 5.0
"""Without an application and with nothing to forward, after which it may end."""
STOP_SECONDS: Final = 10.0
"""How long it may go on registering when it is told to end; the spool keeps the rest."""

_log = logging.getLogger(__name__)


class Forwarder:
    """Works in the folder of one recorder; holds its lock.

    Attributes:
        trouble: Why the ledger does not take what waits; None while it does.
    """

    def __init__(
        self, place: Place, signer: Signer, keys: Mapping[str, bytes], client: Client
    ) -> None:
        """Prepare.

        Args:
            place: The folder.
            signer: Key of the issuer.
            keys: `frames` opens what applications sealed, `spool` what waits.
            client: Speaks to the service; its patience is its caller's.
        """
        self._place, self._card, self._signer = place, place.read_card(), signer
        self._opens, self._sealing, self._client = keys["frames"], Sealing(keys["spool"]), client
        self._over = Event()
        self.trouble: str | None = None

    def stop(self) -> None:
        """Have `run` end after what it does just now."""
        self._over.set()

    def run(self, *, until_idle: bool = False) -> None:
        """Forward until `stop`.

        Args:
            until_idle: Also end when no application is left and everything is registered.

        Raises:
            ConflictError: Another forwarder works here.
        """
        lock, pause_s = WriterLock(self._place.lock), RETRY_SECONDS
        try:
            while not self._over.is_set() and self._is_there():
                began = time.monotonic()
                try:
                    if self._epoch(until_idle=until_idle):
                        break
                except (TallystickError, OSError) as error:
                    self._tell(error)
                lasted = time.monotonic() - began
                pause_s = RETRY_SECONDS if lasted > pause_s else min(2 * pause_s, RETRY_SECONDS_MAX)
                self._over.wait(pause_s)
            self._scrub()
        finally:
            self._client.close()
            lock.release()

    def _scrub(self) -> None:
        """Overwrite what was registered: also of what is erased, nothing readable is to be left."""
        try:
            scrub(self._place.spool)
        except (TallystickError, OSError) as error:
            _log.warning("the spool is not overwritten: %s", error)

    def _is_there(self) -> bool:
        """Tell whether the folder is still that of this recorder."""
        try:
            return self._place.read_card() == self._card
        except TallystickError:
            return False

    def _epoch(self, *, until_idle: bool) -> bool:
        """Work from what is on the disk until something goes wrong; tell whether to end."""
        spool = Spool(PosixDisk(), self._place.spool, os.urandom)
        try:
            left = spool.replay()
            taken = read_taken(self._place.taken)
            taken.epoch = _next_epoch(taken.epoch, left)  # durable with what is said first
            emitter = emitter_id(
                bytes.fromhex(self._card.genesis), self._signer.issuer, self._card.name
            )
            numbering = Numbering(self._signer, emitter, taken.epoch, lambda: int(time.time()))
            speaker = Speaker(numbering, spool, self._sealing, left)
            intake = Intake(self._place, self._opens, speaker, spool, taken)
            return self._work(
                intake, Delivery(self._client, self._sealing, spool, left), until_idle=until_idle
            )
        finally:
            spool.close()

    def _work(self, intake: Intake, delivery: Delivery, *, until_idle: bool) -> bool:
        intake.say("start")
        idle_since = time.monotonic()
        while True:
            over = self._over.is_set()
            moved = intake.take()
            delivery.add(intake.durable())
            moved |= delivery.step()
            self._tell(delivery.trouble)
            if moved or intake.files or delivery.waiting:
                idle_since = time.monotonic()
            if over or (until_idle and time.monotonic() - idle_since > IDLE_SECONDS):
                intake.say("end")
                delivery.add(intake.durable())
                delivery.finish(STOP_SECONDS)
                return True
            intake.beat()
            if not moved:
                self._over.wait(PAUSE_SECONDS)

    def _tell(self, error: Exception | None) -> None:
        words = None if error is None else f"{type(error).__name__}: {error}"
        if words != self.trouble:
            _log.log(
                logging.INFO if words is None else logging.WARNING, "%s", words or "well again"
            )
        self.trouble = words


def _next_epoch(begun: int, left: Sequence[Spooled]) -> int:
    """Return the first epoch that was not begun: a crash may have noted it in the spool only."""
    sequences = [item.statement.header.sequence for item in left]
    return max([begun, *(one.epoch for one in sequences if one is not None)]) + 1
