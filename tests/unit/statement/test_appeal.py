"""Requests of people and what answers them, read from headers."""

from typing import Any

import pytest

from tallystick.errors import EncodingError
from tallystick.statement import Relation
from tallystick.statement.appeal import (
    Asked,
    Replied,
    Withdrawn,
    parse_reply,
    parse_request,
    read_reply,
    read_request,
)
from tests.ledgers import Issuer

ISSUER = Issuer()
ONE, TWO, THREE = (bytes([at]) * 32 for at in (1, 2, 3))
ON, INSTEAD, USED = Relation.DECIDED_ON, Relation.SUPERSEDES, Relation.USED


def test_what_is_asked_is_read_and_only_an_appeal_keeps_evidence() -> None:
    links = {ON: (ONE,), USED: (TWO, THREE)}

    appeal = parse_request(ISSUER.sign(type="appeal", links=links))
    review = parse_request(ISSUER.sign(type="review-request", links=links))

    assert appeal == Asked(ONE, frozenset({TWO, THREE}))
    assert review == Asked(ONE)
    assert isinstance(appeal, Asked)
    assert [appeal.keeps(one) for one in (ONE, TWO, bytes(32))] == [True, True, False]
    assert parse_request(ISSUER.sign(type="appeal", links={INSTEAD: (ONE,)})) == Withdrawn(ONE)


def test_an_answer_names_what_it_answers_and_a_review_the_new_decision() -> None:
    said = ISSUER.sign(type="review", links={ON: (ONE, TWO)})

    assert parse_reply(said) == Replied(ONE, TWO)
    assert parse_reply(ISSUER.sign(type="explanation", links={ON: (ONE,)})) == Replied(ONE)
    assert read_reply(said) == Replied(ONE, TWO)
    assert read_reply(ISSUER.sign(type="decision", links={ON: (ONE,)})) is None
    assert read_request(said) is None


@pytest.mark.parametrize(
    "members",
    [
        {"type": "decision", "links": {ON: (ONE,)}},
        {"type": "appeal", "links": {ON: (ONE,)}, "hashed": False},
        {"type": "appeal", "links": {}},
        {"type": "appeal", "links": {ON: (ONE, TWO)}},
        {"type": "appeal", "links": {ON: (ONE,), INSTEAD: (TWO,)}},
        {"type": "explanation-request", "links": {INSTEAD: (ONE, TWO)}},
    ],
)
def test_what_asks_nothing_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        parse_request(ISSUER.sign(**members))


@pytest.mark.parametrize(
    "members",
    [
        {"type": "appeal", "links": {ON: (ONE,)}},
        {"type": "review", "links": {ON: (ONE,)}, "hashed": False},
        {"type": "review", "links": {}},
        {"type": "review", "links": {ON: (ONE, TWO, THREE)}},
        {"type": "explanation", "links": {ON: (ONE, TWO)}},
    ],
)
def test_what_answers_nothing_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        parse_reply(ISSUER.sign(**members))
