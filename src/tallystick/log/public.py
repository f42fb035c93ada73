"""Read a log as everybody can: its signed checkpoint and its static files."""

from pathlib import Path

from tallystick.errors import NotFoundError
from tallystick.log.disk import Disk, PosixDisk
from tallystick.log.halfway import HalfwayStore
from tallystick.log.layout import CHECKPOINT
from tallystick.log.snapshot import Snapshot
from tallystick.log.tiles import Tail, TileCache, TileReader
from tallystick.statement import VerifierKey, parse_checkpoint, parse_note, verify_note


class PublicLog:
    """A log's folder, read by a process that does not write it."""

    def __init__(
        self,
        folder: Path,
        key: VerifierKey,
        *,
        halfway: HalfwayStore | None = None,
        disk: Disk | None = None,
    ) -> None:
        """Read `folder`; believe checkpoints signed by `key` only."""
        self.folder, self._key = folder, key
        self._halfway, self._disk = halfway, disk or PosixDisk()
        self._cache = TileCache()

    def snapshot(self) -> Snapshot:
        """Return the log as it is published now.

        Raises:
            NotFoundError: Nothing is published.
            SignatureError: The checkpoint is not signed by the log's key.
            EncodingError: The checkpoint is malformed.
        """
        note = self._disk.read(self.folder / CHECKPOINT)
        if note is None:
            raise NotFoundError(f"no checkpoint in {self.folder}")
        parsed = parse_note(note)
        verify_note(parsed, [self._key])
        checkpoint = parse_checkpoint(parsed.text)
        reader = TileReader(
            self.folder,
            checkpoint.size,
            cache=self._cache,
            disk=self._disk,
            halfway=self._halfway,
        )
        return Snapshot(checkpoint, note, reader, Tail())
