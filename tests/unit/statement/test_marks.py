"""Holds and restrictions as bytes: what is read, and what is refused."""

from typing import Any

import pytest

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.marks import (
    LIFTERS_MAX,
    LIFTING_TAG,
    MARK_TAG,
    Lifting,
    Mark,
    parse_mark,
    read_mark,
)
from tests.ledgers import Issuer

ONE, TWO = bytes([1]) * 32, bytes([2]) * 32
MARK = [MARK_TAG, "audit", [], []]


def statement(payload: bytes, type_: str | None = "hold", **changes: Any) -> Any:
    members = {"links": {"decided_on": (ONE, TWO)}, "hashed": False, **changes}
    return Issuer().sign(payload, type=type_, content_type="application/cbor", **members)


def test_what_is_encoded_is_read_again() -> None:
    mark = Mark(
        reason="audit",
        lifters=("did:a:b", "did:a:c"),
        marked={ONE: None, TWO: frozenset({0, 1, 4})},
    )
    lifting = Lifting(lifted=(ONE,))

    assert parse_mark(statement(mark.encode())) == mark
    assert parse_mark(statement(lifting.encode(), links={"supersedes": (ONE, ONE)})) == lifting


def test_it_covers_what_it_names_and_nothing_else() -> None:
    mark = Mark(reason="audit", marked={ONE: None, TWO: frozenset({3})})

    assert mark.covers(ONE, None)
    assert mark.covers(ONE, frozenset({7}))
    assert mark.covers(TWO, None)
    assert mark.covers(TWO, frozenset({3, 4}))
    assert not mark.covers(TWO, frozenset({4}))
    assert not mark.covers(bytes(32), None)


@pytest.mark.parametrize(
    ("content", "changes", "words"),
    [
        (MARK, {"type_": "erasure"}, "has the type 'hold' or 'restriction'"),
        (MARK, {"type_": None}, "has the type 'hold' or 'restriction'"),
        (MARK, {"links": {}}, "must name statements by 'decided_on'"),
        ([LIFTING_TAG], {}, "must name statements by 'supersedes'"),
        ([LIFTING_TAG, 1], {}, "a hold must be"),
        (["other", "audit", [], []], {}, "a hold must be"),
        (["other"], {}, "a hold must be"),
        ([MARK_TAG, "objection-pending", [], []], {}, "reason must be one of litigation"),
        ([MARK_TAG, "audit", ["me"], []], {}, "must be DIDs"),
        ([MARK_TAG, "audit", ["did:b", "did:a"], []], {}, "sorted, each once"),
        ([MARK_TAG, "audit", [f"did:{n:02}" for n in range(LIFTERS_MAX + 1)], []], {}, "at most"),
        ([MARK_TAG, "audit", [], [[bytes(32), [[0, 1]]]]], {}, "which is not linked to"),
    ],
)
def test_what_is_malformed_is_refused_in_words(
    content: Any, changes: dict[str, Any], words: str
) -> None:
    made = statement(dcbor.encode(content), **changes)

    with pytest.raises(EncodingError, match=words):
        parse_mark(made)
    assert read_mark(made) is None


def test_a_commitment_marks_nothing() -> None:
    assert read_mark(Issuer().sign(type="hold", links={"decided_on": (ONE,)})) is None


def test_a_restriction_has_reasons_of_its_own() -> None:
    mark = Mark(reason="objection-pending", marked={ONE: None})
    links = {"decided_on": (ONE,)}

    assert parse_mark(statement(mark.encode(), "restriction", links=links)) == mark
