"""A disk in memory that fails on command and forgets what was not synced."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tallystick.log.disk import BlockFile

SECTOR = 512


class InjectedError(OSError):
    """The failure that a test asked for."""


class Counter:
    """Counts operations and fails one of them."""

    def __init__(self, dies_at: int = -1, mode: str = "before") -> None:
        self.dies_at, self.mode, self.count = dies_at, mode, 0

    def hit(self, moment: str) -> bool:
        """Tell whether to fail now; `moment` is before, torn or after."""
        if moment == "before":
            self.count += 1
        return self.count - 1 == self.dies_at and moment == self.mode


@dataclass
class _File:
    """What readers see, what a crash leaves, and sectors whose fate is open in between."""

    seen: bytearray
    durable: bytearray | None = None
    dirty: set[int] = field(default_factory=set)


class SimulatedDisk:
    """Implements `tallystick.log.disk.Disk`."""

    def __init__(self, counter: Counter | None = None) -> None:
        self.counter = counter or Counter()
        self.files: dict[str, _File] = {}

    def crashed(self, seed: int | None) -> "SimulatedDisk":
        """Return the disk after a power cut.

        Unsynced sectors are all lost, or, with a seed, each survives or not at random.
        """
        after, chance = SimulatedDisk(), random.Random(seed)
        for path, file in self.files.items():
            whole = file.durable is None and seed is not None and chance.random() < 0.5
            content = bytearray(file.seen) if whole else file.durable
            if content is None:
                continue
            content = bytearray(content)
            for sector in sorted(file.dirty):
                if seed is not None and chance.random() < 0.5:
                    here = slice(sector * SECTOR, (sector + 1) * SECTOR)
                    content[here] = file.seen[here]
            after.files[path] = _File(bytearray(content), bytearray(content))
        return after

    def dump(self, folder: Path) -> None:
        """Write what readers see to a real folder."""
        for path, file in self.files.items():
            target = folder / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.seen)

    # --- the protocol

    def read(self, path: Path | str) -> bytes | None:
        self._step()
        file = self.files.get(str(path))
        return bytes(file.seen) if file else None

    def write(self, path: Path, data: bytes) -> None:
        self._step()
        file = self.files.setdefault(str(path), _File(bytearray()))
        file.seen[:] = data[: len(data) // 2] if self.counter.hit("torn") else data
        self._after()

    def sync(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._step()
            self._settle(self.files[str(path)])
            self._after()

    def replace(self, path: Path, data: bytes) -> None:
        self._step()
        self.files[str(path)] = _File(bytearray(data), bytearray(data))
        self._after()

    def remove(self, path: Path) -> None:
        self._step()
        prefix = f"{path}/"
        for name in [n for n in self.files if n == str(path) or n.startswith(prefix)]:
            del self.files[name]
        self._after()

    def block_file(self, path: Path, size: int) -> BlockFile:
        self._step()
        file = self.files.get(str(path))
        if file is None:
            file = self.files[str(path)] = _File(bytearray(size), bytearray(size))
        file.seen += bytes(max(0, size - len(file.seen)))
        self._after()
        return _SimulatedBlockFile(self, file)

    def names(self, folder: Path) -> list[str]:
        self._step()
        prefix = f"{folder}/"
        return sorted({n[len(prefix) :].split("/")[0] for n in self.files if n.startswith(prefix)})

    def age(self, path: Path) -> float:  # noqa: ARG002
        self._step()
        return 3600.0

    def _settle(self, file: _File) -> None:
        file.durable = bytearray(file.seen)
        file.dirty.clear()

    def _step(self) -> None:
        if self.counter.hit("before"):
            raise InjectedError("before")

    def _after(self) -> None:
        if self.counter.hit("torn") or self.counter.hit("after"):
            raise InjectedError(self.counter.mode)


class _SimulatedBlockFile:
    def __init__(self, disk: SimulatedDisk, file: _File) -> None:
        self.disk, self.file = disk, file

    def pread(self, size: int, offset: int) -> bytes:
        self.disk._step()
        return bytes(self.file.seen[offset : offset + size])

    def pwrite(self, data: bytes, offset: int) -> None:
        self.disk._step()
        if self.disk.counter.hit("torn"):
            data = data[: len(data) // 2]
        self.file.seen[offset : offset + len(data)] = data
        self.file.dirty.update(range(offset // SECTOR, (offset + len(data)) // SECTOR + 1))
        self.disk._after()

    def datasync(self) -> None:
        self.disk._step()
        self.disk._settle(self.file)
        self.disk._after()

    def close(self) -> None:
        """Nothing is held."""
