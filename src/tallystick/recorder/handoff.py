"""The application's side: a call is said by one write, and nothing waits for network or signature.

A process has a file of its own in the recorder's folder, which it locks for as long as it lives.
What was written survives its death; a thread has it synced within `SYNC_SECONDS`, so that a power
cut takes no more than that. The forwarder, another process, does all the rest.
"""

import atexit
import os
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

from tallystick.errors import UnavailableError, missing_extra
from tallystick.log import lock_holder
from tallystick.recorder.frames import PROCESS_BYTES, FrameWriter
from tallystick.recorder.place import SUFFIX, Place
from tallystick.recorder.said import Asked, Closed, Ended, Missed, Said, encode

SYNC_SECONDS: Final = 0.05
"""What nobody waits for is synced so often."""
PAUSE_SECONDS_MAX: Final = 60.0
"""Between two starts of a forwarder that ends again, each time twice as long."""
FILE_BYTES: Final = 64 << 20
"""A file that has grown to this is closed, and the next one begun."""
WORDS_BYTES: Final = 1 << 20
"""What forwarders said is forgotten beyond this."""
LOOK_SECONDS: Final = 2.0
"""Between two looks whether a forwarder runs."""


class _File:
    """A process's file, and how many of the calls in it have not ended."""

    def __init__(self, writer: FrameWriter) -> None:
        self.writer, self.under_way, self.retired = writer, 0, False
        self.pid = os.getpid()


class Handoff:
    """Hands what one process says to the operating system; safe to share between threads."""

    def __init__(self, folder: Path, *, forwarder: bool = True) -> None:
        """Use a recorder's folder.

        Args:
            folder: Made by `tally recorder create`.
            forwarder: Start one where none runs.

        Raises:
            NotFoundError: There is no recorder.
            MissingExtraError: The forwarder lacks a package.
        """
        self._place, self._wants_forwarder = Place(folder), forwarder
        self._card = self._place.read_card()
        self._forwarder: subprocess.Popen[bytes] | None = None
        self._pause_s, self._not_before = LOOK_SECONDS, 0.0
        self._files: list[_File] = []
        self._newest: _File | None = None
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.close)
        if forwarder:
            need_forwarder()
            self._try_forwarder()

    def ask(self, asked: Asked, *, durable: bool = False) -> tuple[_File, int] | None:
        """Say that a call begins; return what its end is said with.

        Args:
            asked: What.
            durable: Wait for the disk.

        Returns:
            None where nothing can be recorded and calls go on all the same.

        Raises:
            UnavailableError: Nothing can be recorded, and then nothing is to be called.
        """
        try:
            file = self._enter()
        except OSError as error:
            self._miss(error)
            return None
        try:
            return file, self._write(file, asked, durable=durable)
        except BaseException as error:
            self._leave(file)
            if not isinstance(error, OSError):
                raise
            self._miss(error)
            return None

    def end(self, file: _File, ended: Ended, *, durable: bool = False) -> None:
        """Say that a call ended.

        Raises:
            UnavailableError: It cannot be recorded: the answer must not be acted upon.
        """
        if file.pid != os.getpid():
            return  # a process that was forked meanwhile: the call is the other one's
        try:
            self._write(file, ended, durable=durable)
        except OSError as error:
            self._miss(error)
        finally:
            self._leave(file)

    def close(self) -> None:
        """Say that this process says no more, and sync; what is under way stays without end."""
        with self._lock:
            files, self._files = self._files, []
            self._newest = None
            self._over.set()
            self._dirty.set()
        if self._pid == os.getpid():
            for file in files:
                _finish(file)

    def _begin(self) -> None:
        """Forget what belongs to the process that this one was forked from."""
        self._pid = os.getpid()
        self._lock = Lock()
        for file in self._files:  # what the other process holds is not said to be written here
            file.writer.leave()
        self._files, self._newest = [], None
        self._dirty, self._over = Event(), Event()
        self._missed, self._missed_since, self._why = 0, 0, ""

    def _leave(self, file: _File) -> None:
        with self._lock:
            file.under_way -= 1
            self._drop_retired()

    def _enter(self) -> _File:
        """Return the file to write to; until `_leave` nobody finishes it."""
        with self._lock:
            newest = self._newest
            if newest is None or newest.writer.bytes >= FILE_BYTES:
                if newest is None:
                    self._over.clear()
                    Thread(target=self._keep, name="tallystick-sync", daemon=True).start()
                else:
                    newest.retired = True
                self._newest = newest = _File(self._make())
                self._files.append(newest)
                self._drop_retired()
            newest.under_way += 1
            return newest

    def _make(self) -> FrameWriter:
        self._place.calls.mkdir(mode=0o700, exist_ok=True)
        process = os.urandom(PROCESS_BYTES)
        path = self._place.calls / process.hex()
        writer = FrameWriter(path, bytes.fromhex(self._card.seal_for), process)
        writer.lock()
        writer.sync()  # what is renamed has a beginning, also after a power cut
        path.rename(path.with_suffix(SUFFIX))  # nobody reads it before it is locked
        return writer

    def _write(self, file: _File, said: Said, *, durable: bool) -> int:
        if self._missed:
            self._account(file)
        number = file.writer.write(encode(said))
        if durable:
            file.writer.sync()
        elif not self._dirty.is_set():
            self._dirty.set()
        return number

    def _miss(self, error: OSError) -> None:
        """Count what cannot be recorded, or stop it.

        Raises:
            UnavailableError: Calls do not go on without a record.
        """
        if not self._card.fail_open:
            raise UnavailableError(
                f"the call cannot be recorded in {self._place.calls}: {error}",
                advice="nothing is called without a record, unless the recorder is made with "
                "--fail-open",
            ) from error
        with self._lock:
            self._missed_since = self._missed_since or _now_ms()
            self._missed, self._why = self._missed + 1, str(error)

    def _account(self, file: _File) -> None:
        """Say how much could not be said, as soon as something can be said again."""
        with self._lock:
            missed, since, self._missed, self._missed_since = (
                self._missed, self._missed_since, 0, 0,
            )  # fmt: skip
        try:
            file.writer.write(encode(Missed(missed, since, _now_ms(), self._why)))
        except OSError:
            with self._lock:
                self._missed, self._missed_since = self._missed + missed, since
            raise

    def _drop_retired(self) -> None:
        """Finish files in which no call is under way; the lock is held."""
        done = [file for file in self._files if file.retired and not file.under_way]
        self._files = [file for file in self._files if file not in done]
        for file in done:
            _finish(file)

    def _keep(self) -> None:
        """Sync what was written, and see to it that a forwarder runs."""
        looked = 0.0
        while not self._over.is_set():
            self._dirty.wait(LOOK_SECONDS)
            if self._dirty.is_set():
                self._over.wait(SYNC_SECONDS)
                self._dirty.clear()
                self._sync()
            if self._wants_forwarder and time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._try_forwarder()

    def _sync(self) -> None:
        with self._lock:
            files = list(self._files)
        for file in files:
            with suppress(OSError, ValueError):  # closed meanwhile; else the next write says so
                file.writer.sync()

    def _try_forwarder(self) -> None:
        """Start a forwarder if need be; where that fails now, what is said waits."""
        with suppress(OSError):
            self._have_forwarder()

    def _have_forwarder(self) -> None:
        """Start one unless it runs; of several that start at once one stays."""
        started, now = self._forwarder, time.monotonic()
        if now < self._not_before or (started and started.poll() is None):
            return
        if lock_holder(self._place.lock) is not None:
            self._pause_s = LOOK_SECONDS
            return
        self._not_before, self._pause_s = (
            now + self._pause_s,
            min(2 * self._pause_s, PAUSE_SECONDS_MAX),
        )
        with suppress(FileNotFoundError):
            if self._place.words.stat().st_size > WORDS_BYTES:
                self._place.words.unlink()
        command = [sys.executable, "-m", "tallystick", "recorder", "run", "--until-idle"]
        with self._place.words.open("ab") as words:
            self._forwarder = subprocess.Popen(  # noqa: S603 - this very program
                [*command, str(self._place.root)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,  # it outlives the application, until all is registered
            )


def need_forwarder() -> None:
    """Say at once if the forwarder could not start for want of a package.

    Raises:
        MissingExtraError: It is not installed; the advice names the command.
    """
    try:
        import_module("h11")
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error


def _finish(file: _File) -> None:
    with suppress(OSError):
        file.writer.write(encode(Closed()))
        file.writer.sync()
    file.writer.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
