"""Entries read back from the log: what does not parse was admitted once, so it is damaged."""

from typing import Final

from tallystick.errors import DamagedError, InputError
from tallystick.log import TileReader
from tallystick.merkle import leaf_hash
from tallystick.statement import SignedStatement, parse_statement

_ADVICE: Final = "run `tally fsck`; restore the file from a backup or a mirror"


def read_statement(reader: TileReader, index: int) -> SignedStatement:
    """Read the statement at an index; that it is the one the tree holds is not checked here.

    Raises:
        NotFoundError: The log ends before.
        DamagedError: Its files are damaged.
    """
    entry = reader.entry(index)
    try:
        return parse_statement(entry)
    except InputError as error:
        raise DamagedError(f"entry {index} is damaged: {error}", advice=_ADVICE) from error


def verify_entry(reader: TileReader, index: int, entry: bytes) -> None:
    """Accept only the entry whose hash the tree holds.

    Raises:
        DamagedError: It is another one.
    """
    if leaf_hash(entry) != reader.leaf(index):
        raise DamagedError(
            f"entry {index} is damaged: it is not the one whose hash the log holds",
            advice=_ADVICE,
        )
