"""Rules of retention as bytes: what is read, what is refused, and which one applies."""

from typing import Any

import pytest

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import ErasureReason, Sequence, dcbor
from tallystick.statement.retention import (
    DESPITE,
    RULES_MAX,
    SECONDS_MAX,
    Retention,
    RetentionRule,
    parse_retention,
)
from tests.ledgers import Issuer

RULE = {"least": 0, "despite": []}


def test_what_is_encoded_is_read_again() -> None:
    rules = Retention(
        (
            RetentionRule(type="inference", emitter=bytes(16), least=1, most=1),
            RetentionRule(issuer="did:a:b", despite=frozenset({ErasureReason.COURT_ORDER})),
            RetentionRule(least=SECONDS_MAX),
        )
    )

    assert parse_retention(rules.encode()) == rules
    assert ErasureReason.RETENTION not in DESPITE


def test_the_first_rule_that_fits_applies() -> None:
    clinic = Issuer()
    mine = RetentionRule(type="inference", issuer=clinic.did)
    counted = RetentionRule(emitter=clinic.emitter)
    rules = Retention((mine, counted))

    assert rules.rule_for(clinic.header()) is mine
    assert rules.rule_for(Issuer().header()) is None
    sequence = Sequence(emitter=clinic.emitter, epoch=0, seq=0, prev=None)
    assert rules.rule_for(clinic.header(type="action", sequence=sequence)) is counted


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("x", "may have"),
        ({**RULE, "purpose": "care"}, "may have"),
        ({**RULE, "type": "story"}, "no statement type"),
        ({**RULE, "least": -1}, "seconds must be in"),
        ({**RULE, "least": True}, "seconds must be in"),
        ({"despite": []}, "seconds must be in"),
        ({**RULE, "most": SECONDS_MAX + 1}, "seconds must be in"),
        ({**RULE, "most": 0}, "at most 0 s"),
        ({**RULE, "least": 5, "most": 4}, "at least 5 s and at most 4 s"),
        ({**RULE, "issuer": ""}, "must be a DID"),
        ({**RULE, "emitter": b"x"}, "an emitter has"),
        ({"least": 0}, "'despite' must be"),
        ({**RULE, "despite": ["because"]}, "'despite' must be"),
        ({**RULE, "despite": ["objection", "court-order"]}, "sorted"),
        ({**RULE, "despite": [["other"]]}, "'despite' must be"),
    ],
)
def test_a_rule_that_is_malformed(rule: Any, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        parse_retention(dcbor.encode({"version": 1, "rules": [rule]}))


@pytest.mark.parametrize(
    "content",
    [[], {"version": 1}, {"version": 1, "rules": [], "more": 1},
     {"version": 1, "rules": [RULE] * (RULES_MAX + 1)}],
)  # fmt: skip
def test_what_is_no_retention(content: Any) -> None:
    with pytest.raises(EncodingError, match="retention"):
        parse_retention(dcbor.encode(content))


@pytest.mark.parametrize("version", [2, True, None])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(VersionError, match="this release reads 1"):
        parse_retention(dcbor.encode({"version": version, "rules": []}))
