"""The embedded engine: one process appends, everybody reads files.

The walk of an append, in this order, because each step rests on the one before:

1. the batch is written to the journal and synced,
2. its leaves join the tree, the new checkpoint is signed,
3. the checkpoint replaces the last one in the head store, and is synced,
4. now it may be answered: entries have their index, whatever happens next.

Tiles and bundles follow (`integrate`), and the checkpoint becomes public once they are durable
(`publish`). After a crash the journal is replayed; what was answered is there, what was not may
be. An error in steps 1 to 3 leaves it unknown whether the batch will be there after reopening, so
the engine answers nothing more until then.

Trust: whoever runs this engine alone, while nobody else holds a checkpoint or receipt, can
rewrite everything; afterwards, can withhold, delay, or show two views to two parties.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final

from tallystick.errors import (
    DamagedError,
    EncodingError,
    TallystickError,
    UnavailableError,
)
from tallystick.log.bundle import encode_bundle, parse_bundle
from tallystick.log.disk import Disk
from tallystick.log.halfway import HalfwayStore
from tallystick.log.head import HeadStore
from tallystick.log.journal import Journal
from tallystick.log.layout import CHECKPOINT, ENTRIES, partial_folder, tile_path
from tallystick.log.snapshot import LogKey, Places, Snapshot
from tallystick.log.tiles import Tail, TileCache, TileReader
from tallystick.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    Edge,
    Tile,
    edge_tiles,
    halfway_hashes,
    tile_width,
)
from tallystick.statement import (
    Checkpoint,
    parse_checkpoint,
    parse_note,
    verify_note,
)

PENDING_BYTES_MAX: Final = 32 << 20
"""Entries held in memory until they are in bundles; beyond that an append integrates first."""

PARTIALS_KEPT: Final = 8
"""Earlier versions of a partial tile that are kept in any case."""
PARTIAL_SECONDS: Final = 60
"""Younger ones are kept too."""


class EmbeddedLog:
    """Owns the files of one log. `append` belongs to one thread; the rest may be called by any."""

    def __init__(
        self,
        places: Places,
        key: LogKey,
        disk: Disk,
        entropy: Callable[[int], bytes],
        halfway: HalfwayStore | None = None,
    ) -> None:
        """Open a log, or begin an empty one, and finish what a crash interrupted.

        Raises:
            DamagedError: The files are not what the last signed checkpoint says.
        """
        self._places, self._key, self._disk = places, key, disk
        self._cache = TileCache()
        self._halfway = halfway
        self._lock = Lock()  # guards _full, _bundles, _written and the snapshot
        self._integrating = Lock()
        self._failed: str | None = None
        self._head = HeadStore(disk, places.head)
        self._journal = Journal(disk, places.journal, entropy)
        self._full: dict[tuple[int, int], bytes] = {}  # tiles complete, not in files yet
        self._bundles: dict[int, list[bytes]] = {}  # the same for bundles, and the partial one
        self._appended_bytes = self._settled_bytes = 0
        self._published = 0
        self._edge = Edge()
        self._snapshot: Snapshot
        try:
            self._recover()
        except BaseException:
            self._release()
            raise

    @property
    def snapshot(self) -> Snapshot:
        """The log as it was last signed."""
        return self._snapshot

    @property
    def published(self) -> int:
        """Size of the checkpoint that everybody can read."""
        return self._published

    def append(self, entries: Sequence[bytes]) -> Snapshot:
        """Append a batch durably and return the log with it.

        The first entry gets the index that was the size before. Entries must already be admitted:
        nothing is checked here but their length.

        Raises:
            LimitError: An entry, or the batch, is too long; nothing was appended.
            UnavailableError: The disk is full, and nothing was appended; or an earlier or this
                append failed half-way, and the log must be reopened.
        """
        if self._failed:
            raise UnavailableError(
                f"the log stopped after an error: {self._failed}", advice="open it again"
            )
        if self._appended_bytes - self._settled_bytes > PENDING_BYTES_MAX:
            self._integrate_now()
        try:
            self._write_journal(self._edge.size, entries)
        except TallystickError:
            raise  # nothing was written
        except Exception as error:
            raise self._fail(error) from error
        try:
            snapshot = self._sign(entries)
            self._head.swap(self._snapshot.note or None, snapshot.note)
        except Exception as error:
            raise self._fail(error) from error
        self._snapshot = snapshot
        return snapshot

    def integrate(self) -> int:
        """Write complete tiles and bundles to their files, sync them, publish, recycle.

        Returns:
            The size that is public now.

        Raises:
            OSError: A file could not be written; nothing is lost, call again later.
        """
        with self._integrating:
            snapshot, appended_bytes = self._snapshot, self._appended_bytes
            size = snapshot.checkpoint.size
            if size == self._published:
                return size
            self._disk.sync(self._write_tiles(snapshot))
            self._disk.replace(self._places.public / CHECKPOINT, snapshot.note)
            self._settle(snapshot, appended_bytes)
            self._thin(size)
        return size

    def close(self) -> None:
        """Publish everything and give all files back."""
        try:
            if not self._failed:
                self.integrate()
        finally:
            self._release()

    def _release(self) -> None:
        self._journal.close()
        self._head.close()

    def _fail(self, error: Exception) -> UnavailableError:
        self._failed = f"{type(error).__name__}: {error}"
        return UnavailableError(
            f"append failed half-way, its outcome is unknown: {self._failed}",
            advice="open the log again and send the same entries: none is registered twice",
        )

    def _integrate_now(self) -> None:
        try:
            self.integrate()
        except OSError as error:
            raise UnavailableError(
                f"too much is waiting to be written to tiles, and that fails: {error}",
                advice="free space on the disk",
            ) from error

    def _write_journal(self, size: int, entries: Sequence[bytes]) -> None:
        body = encode_bundle(entries)
        try:
            self._journal.append(size, len(entries), body)
        except BlockingIOError:
            self._integrate_now()
            self._journal.append(size, len(entries), body)

    def _sign(self, entries: Sequence[bytes]) -> Snapshot:
        """Add entries to the tree in memory and sign the new checkpoint."""
        self._extend(entries)
        checkpoint = self._checkpoint()
        return self._snap(checkpoint, self._key.sign_checkpoint(checkpoint))

    def _extend(self, entries: Sequence[bytes]) -> None:
        number, at = divmod(self._edge.size, TILE_WIDTH)
        done = self._edge.extend(b"".join([sha256(b"\x00" + e).digest() for e in entries]))
        with self._lock:
            self._full.update({(tile.level, tile.number): hashes for tile, hashes in done})
            first = 0
            while first < len(entries):
                taken = entries[first : first + TILE_WIDTH - at]
                self._bundles[number] = [*self._bundles.get(number, ()), *taken]
                first, number, at = first + len(taken), number + 1, 0
        self._appended_bytes += sum(map(len, entries))

    def _snap(self, checkpoint: Checkpoint, note: bytes) -> Snapshot:
        tail = self._tail()
        return Snapshot(checkpoint, note, self._reader(checkpoint.size, tail), tail)

    def _reader(self, size: int, tail: Tail | None = None) -> TileReader:
        return TileReader(
            self._places.public,
            size,
            tail=tail,
            cache=self._cache,
            disk=self._disk,
            halfway=self._halfway,
        )

    def _write_tiles(self, snapshot: Snapshot) -> list[Path]:
        """Write all that the snapshot has beyond the files; return what must be synced.

        A file that is public already is never written again: a crash in the middle would leave
        the public checkpoint without it.
        """
        size, paths = snapshot.checkpoint.size, []
        for (level, number), hashes in snapshot.tail.tiles.items():
            tile = Tile(level, number, len(hashes) // HASH_BYTES)
            if tile.width == tile_width(level, number, self._published):
                continue
            paths.append(self._write(tile, hashes))
            if self._halfway and level == 0 and tile.width == TILE_WIDTH:
                self._halfway.keep(number, halfway_hashes(hashes))
        for number, entries in snapshot.tail.bundles.items():
            width = tile_width(0, number, size)
            if width not in {0, tile_width(0, number, self._published)}:
                paths.append(self._write(Tile(ENTRIES, number, width), encode_bundle(entries)))
        return paths

    def _write(self, tile: Tile, data: bytes) -> Path:
        path = self._places.public / tile_path(tile)
        self._disk.write(path, data)
        return path

    def _settle(self, snapshot: Snapshot, appended_bytes: int) -> None:
        """Forget what is durable in files, and let the journal overwrite it."""
        size, tail = snapshot.checkpoint.size, snapshot.tail
        full = [key for key in tail.tiles if tile_width(*key, size) == TILE_WIDTH]
        bundles = [number for number in tail.bundles if tile_width(0, number, size) == TILE_WIDTH]
        with self._lock:
            for key in full:
                self._full.pop(key, None)
            for number in bundles:
                self._bundles.pop(number, None)
        self._published, self._settled_bytes = size, appended_bytes
        self._journal.recycle(size)
        for level, number in [*full, *((ENTRIES, number) for number in bundles)]:
            self._disk.remove(self._places.public / partial_folder(level, number))

    def _thin(self, size: int) -> None:
        """Remove partial tiles that only long outdated checkpoints need.

        Readers who hold a checkpoint that was replaced just now still find theirs.
        """
        for edge in edge_tiles(size):
            levels = (0, ENTRIES) if edge.level == 0 else (edge.level,)
            for folder in (partial_folder(level, edge.number) for level in levels):
                names = self._disk.names(self._places.public / folder)
                widths = sorted(int(name) for name in names if name.isdigit())
                for width in [w for w in widths if w < edge.width][:-PARTIALS_KEPT]:
                    path = self._places.public / folder / str(width)
                    if self._disk.age(path) > PARTIAL_SECONDS:
                        self._disk.remove(path)

    def _recover(self) -> None:
        """Bring memory to where the journal ends, and check it against what was signed."""
        public = self._parse(self._disk.read(self._places.public / CHECKPOINT))
        signed = self._parse(self._head.note)
        if public is not None:
            self._load(public)
            if signed is None:
                raise DamagedError(
                    f"{self._places.head} is empty, but the log has {public.size} entries",
                    advice="put the head store back where it was, or run `tally restore`",
                )
        for first, count, body in self._journal.replay(self._edge.size):
            self._extend(_entries(body, count)[self._edge.size - first :])
        self._snapshot = self._snap(self._checkpoint(), self._head.note or b"")
        if signed is not None:
            self._check_signed(signed)
        if self._edge.size > (signed.size if signed else 0):
            self._sign_replayed()
        elif signed is not None:
            self._sign_handed_over()

    def _load(self, public: Checkpoint) -> None:
        """Load the edge of the public tree from its files."""
        reader = self._reader(public.size)
        self._edge = Edge.load(public.size, reader.partial())
        if self._edge.root() != public.root:
            raise DamagedError(
                f"tiles at the edge of size {public.size} do not lead to the published root",
                advice="run `tally fsck` to see which file is wrong",
            )
        number, width = divmod(public.size, TILE_WIDTH)
        if width:
            self._bundles[number] = reader.bundle(number)
            leaves = b"".join(sha256(b"\x00" + e).digest() for e in self._bundles[number])
            if leaves != self._edge.partial()[0]:
                raise DamagedError(f"bundle {number} does not match its leaf hashes")
        self._published = public.size

    def _check_signed(self, signed: Checkpoint) -> None:
        if signed.size > self._edge.size:
            raise DamagedError(
                f"the data ends at size {self._edge.size}, but a checkpoint of size "
                f"{signed.size} was signed: going on would fork the log",
                advice="restore a newer backup, or fetch the missing entries from a mirror",
            )
        if self._snapshot.reader.root(signed.size) != signed.root:
            raise DamagedError(
                f"the first {signed.size} entries do not lead to the root that was signed",
                advice="run `tally fsck` to see which file is wrong",
            )

    def _sign_replayed(self) -> None:
        """Sign for whole batches in the journal that a crash kept from being signed."""
        note = self._key.sign_checkpoint(self._snapshot.checkpoint)
        self._head.swap(self._head.note, note)
        self._snapshot = self._snap(self._snapshot.checkpoint, note)

    def _sign_handed_over(self) -> None:
        """Sign with the key that followed what the key before signed last, and publish that.

        Both signatures stand, so that readers who know either believe it.
        """
        note = self._key.sign_too(self._snapshot.note)
        if note != self._snapshot.note:
            self._head.swap(self._head.note, note)
            self._snapshot = self._snap(self._snapshot.checkpoint, note)
        public = self._places.public / CHECKPOINT
        if self._published == self._edge.size and self._disk.read(public) != note:
            self._disk.replace(public, note)

    def _parse(self, note: bytes | None) -> Checkpoint | None:
        if note is None:
            return None
        try:
            parsed = parse_note(note)
            verify_note(parsed, [self._key.verifier, *self._key.before])
            checkpoint = parse_checkpoint(parsed.text)
        except TallystickError as error:
            raise DamagedError(f"stored checkpoint is not one of this log: {error}") from error
        if checkpoint.origin != self._key.verifier.name:
            raise DamagedError(f"stored checkpoint is of another log, {checkpoint.origin}")
        return checkpoint

    def _tail(self) -> Tail:
        edge = {
            (tile.level, tile.number): hashes
            for tile, hashes in zip(
                edge_tiles(self._edge.size), self._edge.partial().values(), strict=True
            )
        }
        with self._lock:
            return Tail({**self._full, **edge}, dict(self._bundles))

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            origin=self._key.verifier.name, size=self._edge.size, root=self._edge.root()
        )


def _entries(body: bytes, count: int) -> list[bytes]:
    """Take a journal frame apart, whose digest was right."""
    try:
        return parse_bundle(body, count)
    except EncodingError as error:
        raise DamagedError(f"the journal holds what no log writes: {error}") from error
