"""From the applications' files to the spool: what is durable there counts as taken, not before."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tallystick.capture.spool import Spool, Spooled
from tallystick.errors import DamagedError, UnavailableError
from tallystick.evidence.numbering import HEARTBEAT_SECONDS
from tallystick.recorder.frames import Frame, FrameReader, is_written
from tallystick.recorder.place import SUFFIX, Place
from tallystick.recorder.speaking import Speaker
from tallystick.recorder.taken import Progress, Taken, write_taken

FRAMES_AT_ONCE: Final = 256
"""Frames of one file that are taken together, with one sync."""
DAMAGED_SUFFIX: Final = ".damaged"

_log = logging.getLogger(__name__)


class _File:
    """One file, and how far it was taken."""

    def __init__(self, path: Path, opens: bytes, progress: Progress) -> None:
        self.path, self.progress = path, progress
        self.reader = FrameReader(path, opens)
        self.reader.skip(progress.frames)
        self._held: Frame | None = None
        self.finished = False

    def frames(self) -> Iterator[Frame]:
        """Yield what follows; again the last one, unless the caller asked for the next."""
        if self._held is not None:
            yield self._held
        for frame in self.reader.read(FRAMES_AT_ONCE):
            self._held = frame
            yield frame
        self._held = None


class Intake:
    """Belongs to one thread.

    Attributes:
        files: Of applications, that are not at their end.
    """

    def __init__(
        self, place: Place, opens: bytes, speaker: Speaker, spool: Spool, taken: Taken
    ) -> None:
        """Read from a place; `opens` is the forwarder's private key."""
        self._place, self._opens, self._speaker = place, opens, speaker
        self._spool, self._taken = spool, taken
        self.files: dict[str, _File] = {}
        self._beaten_at, self._full = 0.0, False

    def say(self, state: str) -> None:
        """Say a heartbeat, as soon as there is room for it.

        Raises:
            OSError: The spool cannot be written.
        """
        self._beaten_at = time.monotonic()
        self._with_room(lambda: self._speaker.heartbeat(state))

    def beat(self) -> None:
        """Say a heartbeat if one is due."""
        if time.monotonic() - self._beaten_at >= HEARTBEAT_SECONDS:
            self.say("beat")

    def take(self) -> bool:
        """Say what the files hold, as far as there is room; tell whether there was anything.

        Raises:
            OSError: The spool cannot be written.
        """
        before = len(self._speaker.fresh)
        self._with_room(self._take_all)
        return len(self._speaker.fresh) > before

    def _take_all(self) -> None:
        self._look()
        for name, file in [*self.files.items()]:
            self._take(name, file)

    def _with_room(self, step: Callable[[], None]) -> None:
        """First say what found no room; nothing else is said before that."""
        try:
            self._speaker.go_on()
            step()
        except UnavailableError as error:
            if not self._full:
                _log.warning("%s: what applications say waits in their files", error)
            self._full = True
        else:
            self._full = False

    def durable(self) -> list[Spooled]:
        """Sync, note how far it came, and return what may be registered now.

        Raises:
            OSError: The disk does not take it.
        """
        fresh = self._speaker.fresh
        if fresh:
            self._spool.sync()
            write_taken(self._place.taken, self._taken)
            self._speaker.fresh = []
        self._end()
        return fresh

    def _look(self) -> None:
        """Open files that were begun since, oldest first."""
        found = [*self._place.calls.glob(f"*{SUFFIX}")]
        for path in sorted(found, key=lambda path: path.stat().st_mtime_ns):
            if path.stem not in self.files:
                progress = self._taken.files.setdefault(path.stem, Progress())
                try:
                    self.files[path.stem] = _File(path, self._opens, progress)
                except BlockingIOError as error:  # nobody will write the rest of its beginning
                    if not is_written(path):
                        self._set_aside(path, progress, error)
                except DamagedError as error:
                    self._set_aside(path, progress, error)

    def _take(self, name: str, file: _File) -> None:
        gone = not is_written(file.path)  # before the last look at what it wrote
        taken = 0
        try:
            for frame in file.frames():
                self._speaker.take(frame, file.progress)
                taken += 1
        except DamagedError as error:
            del self.files[name]
            self._set_aside(file.path, file.progress, error)
            return
        file.finished = gone and taken < FRAMES_AT_ONCE

    def _end(self) -> None:
        """Remove files of which everything is in the spool."""
        finished = [name for name, file in self.files.items() if file.finished]
        for name in finished:
            self.files.pop(name).path.unlink()
        known = {path.stem for path in self._place.calls.glob("*")}
        gone = [name for name in self._taken.files if name not in known]
        for name in gone:  # also those that a crash left here
            del self._taken.files[name]
        if gone:
            write_taken(self._place.taken, self._taken)

    def _set_aside(self, path: Path, progress: Progress, error: Exception) -> None:
        """Keep a file that cannot be read on, and record that."""
        _log.error("%s: what follows frame %d is not recorded", error, progress.frames)
        path.rename(path.with_suffix(DAMAGED_SUFFIX))
        self._speaker.damaged(progress.frames, str(error))
