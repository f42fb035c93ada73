"""Reading the ledger: statements, searches, proofs, bundles. All of it can be verified offline."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from tallystick import tracing
from tallystick.capture.roles import Right
from tallystick.errors import InputError
from tallystick.evidence import Shown, build_bundle, retrain_due
from tallystick.ledger import Query
from tallystick.ledger.originators import Originators, known_originator
from tallystick.ledger.reading import END
from tallystick.merkle import HASH_BYTES
from tallystick.statement import TlogProof, b64, parse_note
from tallystick.statement.governance import StatementType
from tallystick.statement.header import EMITTER_BYTES
from tallystick.vault import reading_as
from tallystick.web.answers import (
    COSE,
    FOREVER,
    JSON,
    NEVER,
    TEXT,
    Answer,
    cached_answer,
    json_answer,
)
from tallystick.web.call import Call
from tallystick.web.cursors import next_path, read_cursor
from tallystick.web.schemas import ConsistencyView, PageView
from tallystick.web.views import found_view, statement_view
from tallystick.web.visibility import check_visible, visible_to

LIMIT: Final = 100
"""Results of a search that does not say how many."""
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_VARY: Final = (b"vary", b"accept")


def statement(call: Call) -> Answer:
    """Return a registered statement with its proof, or in COSE where that is asked for.

    Raises:
        NotFoundError: Nothing of that id is registered.
    """
    statement_id = parse_hex("id", call.path["id"], HASH_BYTES)
    ledger = call.service.ledger
    if call.accepts(COSE):
        entry = ledger.get(statement_id).statement.entry
        answer = Answer(entry, COSE, headers=(FOREVER, _VARY))
        return cached_answer(answer, call.header(b"if-none-match"))
    with tracing.part("prove"):
        made = ledger.prove(statement_id)
    found = made.found
    with reading_as(_who(call), "originator over HTTP"):
        known = known_originator(
            ledger.index, ledger.snapshot, found.statement, found.index, _visible_content(call)
        )
    is_model = found.statement.header.type == StatementType.MODEL
    due = retrain_due(ledger, found) if is_model else None
    return json_answer(statement_view(made, known, due), headers=(NEVER, _VARY))


def search(call: Call) -> Answer:
    """Search statements, newest first; everything that is given must hold.

    Raises:
        InputError: A field is malformed.
    """
    query, entry = call.query, call.flag("entries")
    page = call.service.ledger.find(
        replace(
            read_filters(call),
            since=_time(call, "since"),
            until=_time(call, "until"),
            before=read_cursor(query, END),
            limit=parse_number(call, "limit", LIMIT),
        )
    )
    following = None
    if page.next is not None:
        following = call.url(next_path("/statements", query, page.next))
    ledger = call.service.ledger
    known = Originators(ledger.index, ledger.snapshot).all_of(page.found)
    rows = zip(page.found, known, strict=True)
    view = PageView([found_view(found, who, entry=entry) for found, who in rows], following)
    link = () if following is None else ((b"link", f'<{following}>; rel="next"'.encode()),)
    return json_answer(view, headers=(NEVER, *link))


def read_filters(call: Call) -> Query:
    """Read which statements are asked for, by what stands in their headers.

    Raises:
        InputError: A field is malformed.
        LimitError: `in_name_of` has more keys than are searched for.
    """
    query = call.query
    named = query.get("in_name_of")
    return Query(
        issuer=query.get("issuer"),
        subject=query.get("subject"),
        type=query.get("type"),
        model=_hex(call, "model", HASH_BYTES),
        link=_hex(call, "link", HASH_BYTES),
        emitter=_hex(call, "emitter", EMITTER_BYTES),
        in_name_of=None if named is None else call.service.ledger.in_name_of(named),
    )


def proof(call: Call) -> Answer:
    """Return the proof of a statement as tlog-proof text.

    Raises:
        NotFoundError: Nothing of that id is registered.
    """
    statement_id = parse_hex("id", call.path["id"], HASH_BYTES)
    with tracing.part("prove"):
        made = call.service.ledger.prove(statement_id)
    text = TlogProof(made.found.index, made.path, parse_note(made.checkpoint))
    return Answer(text.encode(), TEXT, headers=(NEVER,))


def consistency(call: Call) -> Answer:
    """Prove that the log of one size is a prefix of the log of another.

    Raises:
        NotFoundError: The log has not reached a size.
        InputError: The sizes are not 1 <= from <= to.
    """
    snapshot = call.service.ledger.snapshot
    to = parse_number(call, "to", snapshot.checkpoint.size)
    newer = snapshot.reader.of_size(to)
    size = parse_number(call, "from", 0)
    path = newer.consistency_path(size)
    view = ConsistencyView(
        from_size=size,
        from_root=b64.encode_url(newer.root(size)),
        to_size=to,
        to_root=b64.encode_url(newer.root()),
        path=[b64.encode_url(node) for node in path],
        checkpoint=snapshot.note.decode(),
    )
    return json_answer(view)


def bundle(call: Call) -> Answer:
    """Return the evidence bundle of a statement; content only where policy or settings allow.

    Trust: content that is given here leaves the vault: erasing it later does not reach copies.

    Raises:
        NotFoundError: Nothing of that id is registered.
        RefusedError: Content was asked for, and is not given.
    """
    statement_id = parse_hex("id", call.path["id"], HASH_BYTES)
    content, rows = call.flag("content"), call.flag("rows")
    ledger = call.service.ledger
    if content or rows:
        check_visible(call, ledger.get(statement_id))
    shown = Shown(content=content, rows=rows, visible=visible_to(call))
    with tracing.part("bundle"), reading_as(_who(call), "bundle over HTTP"):
        made = build_bundle(ledger, statement_id, shown)
    name = f'attachment; filename="{statement_id.hex()[:16]}.tally.json"'.encode()
    return Answer(made.encode(), JSON, headers=(NEVER, (b"content-disposition", name)))


def _visible_content(call: Call) -> Callable[[bytes], Mapping[str, Any] | None]:
    """Return what opens content for a caller: yes or no of an approval is content, too."""
    ledger, visible = call.service.ledger, visible_to(call)
    trusted = call.caller.may(Right.CONTENT)  # who only learns what it comes to

    def open_content(statement_id: bytes) -> Mapping[str, Any] | None:
        if trusted or visible(ledger.get(statement_id)):
            return ledger.content(statement_id)
        return None

    return open_content


def _who(call: Call) -> str:
    """Return who reads, as the note of it says: whom a key stands for."""
    if call.caller.originator is not None:
        return call.caller.originator
    if call.caller.person is not None:
        return "a person who signed in"
    return "a caller on this machine" if call.caller.local else "a caller without a key"


def parse_hex(name: str, text: str, size: int) -> bytes:
    """Read `size` bytes in lower-case hex.

    Raises:
        InputError: Something else.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size or data.hex() != text:
        raise InputError(f"{name} must be {2 * size} lower-case hex digits, got {text[:80]!r}")
    return data


def parse_number(call: Call, name: str, default: int) -> int:
    """Read a plain decimal number of the query.

    Raises:
        InputError: Something else.
    """
    text = call.query.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise InputError(f"{name} must be a plain decimal number, got {text[:40]!r}")
    return int(text)


def _hex(call: Call, name: str, size: int) -> bytes | None:
    text = call.query.get(name)
    return None if text is None else parse_hex(name, text, size)


def _time(call: Call, name: str) -> int | None:
    """Read seconds since 1970, or an RFC 3339 time with its offset."""
    text = call.query.get(name)
    if text is None or _NUMBER.fullmatch(text):
        return None if text is None else int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(
            f"{name} must be seconds since 1970 or a time such as 2026-11-22T12:00:00Z, "
            f"got {text[:40]!r}"
        )
    return int(moment.timestamp())
