"""The log as static files, exactly as C2SP readers ask for them.

`/checkpoint` is the published one. Tiles and bundles are served for every size that was signed,
which may be a little more: whoever registered something holds a checkpoint of that size. Nothing
beyond it is served, and a partial tile in every width that the log ever had.

Source:
    C2SP tlog-tiles v0.1.0.
"""

from typing import Final

from tallystick.errors import EncodingError, NotFoundError
from tallystick.log.layout import CHECKPOINT, ENTRIES, parse_tile_path
from tallystick.web.answers import (
    FOREVER,
    OCTETS,
    SHORTLY,
    TEXT,
    Answer,
    cached_answer,
    gzipped,
)
from tallystick.web.call import Call

_VARY: Final = (b"vary", b"accept-encoding")


def checkpoint(call: Call) -> Answer:
    """Return the newest checkpoint that is published.

    Raises:
        NotFoundError: None is.
    """
    path = call.service.ledger.home.places().public / CHECKPOINT
    try:
        note = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError("no checkpoint is published yet") from error
    return _cached(call, Answer(note, TEXT, headers=(SHORTLY,)))


def tile(call: Call) -> Answer:
    """Return a tile of hashes, or a bundle of entries.

    Raises:
        NotFoundError: The path names no tile, or the log has not reached it.
    """
    try:
        wanted = parse_tile_path(f"tile/{call.path['level']}/{call.path['number']}")
    except EncodingError as error:
        raise NotFoundError(str(error)) from error
    data = call.service.ledger.snapshot.reader.raw(wanted)
    if wanted.level != ENTRIES:
        return _cached(call, Answer(data, OCTETS, headers=(FOREVER,)))
    answer = Answer(data, OCTETS, headers=(FOREVER, _VARY))
    return _cached(call, gzipped(answer) if call.accepts_encoding("gzip") else answer)


def _cached(call: Call, answer: Answer) -> Answer:
    return cached_answer(answer, call.header(b"if-none-match"))
