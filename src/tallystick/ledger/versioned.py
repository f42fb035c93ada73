"""Small JSON files beside the log, each with a format number: read strictly, replaced at once."""

import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tallystick.errors import EncodingError
from tallystick.ledger.formats import refuse_other
from tallystick.log import PosixDisk
from tallystick.log.disk import Disk

FILE_BYTES_MAX: Final = 64 << 20
"""Longest file: a hundred thousand API keys are less."""

T = TypeVar("T")


def parse_versioned(
    path: Path,
    data: bytes,
    kind: type[T],
    written: int,
    *,
    bytes_max: int = FILE_BYTES_MAX,
) -> T:
    """Parse what a file holds.

    Args:
        path: Which file, for the message.
        data: Its bytes.
        kind: A struct with a member `format`.
        written: The format that this release writes, and the only one that it reads.
        bytes_max: Most bytes.

    Raises:
        VersionError: It has another format.
        EncodingError: It is damaged.
    """
    if len(data) > bytes_max:
        raise EncodingError(f"{path} has {len(data)} bytes, at most {bytes_max}")
    try:
        version = msgspec.json.decode(data, type=dict).get("format")
        refuse_other(path, version, written)
        return msgspec.json.decode(data, type=kind)
    except (ValueError, TypeError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise EncodingError(f"{path} is damaged: {error}") from error


def replace_private(path: Path, data: bytes, disk: Disk | None = None) -> None:
    """Put new content in a file's place durably, readable by its owner only at every moment.

    Raises:
        OSError: The disk does not take it.
    """
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT, 0o600)
    os.fchmod(descriptor, 0o600)  # a leftover may have other rights
    os.close(descriptor)
    (disk or PosixDisk()).replace(path, data)
