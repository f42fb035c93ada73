"""Entry bundles: up to 256 entries, each behind its length in 16 bits.

Source:
    C2SP tlog-tiles v0.1.0, section "Log entries".
"""

from collections.abc import Sequence

from tallystick.errors import EncodingError, LimitError
from tallystick.statement import ENTRY_BYTES_MAX


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Join entries, each behind its length.

    Raises:
        LimitError: An entry is longer than 65 535 bytes.
    """
    try:
        return b"".join([part for e in entries for part in (len(e).to_bytes(2), e)])
    except OverflowError as error:
        longest = max(map(len, entries))
        raise LimitError(f"entry has {longest} bytes, at most {ENTRY_BYTES_MAX} allowed") from error


def parse_bundle(data: bytes, count: int | None = None) -> list[bytes]:
    """Take a bundle apart.

    Args:
        data: The bundle.
        count: How many entries it must have; any number if None.

    Raises:
        EncodingError: Cut off, or another number of entries.
    """
    entries: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        length = int.from_bytes(data[at : at + 2])
        if at + 2 + length > end:
            raise EncodingError(f"entry bundle of {end} bytes is cut off in entry {len(entries)}")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if count is not None and len(entries) != count:
        raise EncodingError(f"entry bundle must have {count} entries, got {len(entries)}")
    return entries
