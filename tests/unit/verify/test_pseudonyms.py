"""Names given to pseudonyms: on whose word, and what is said where it does not fit."""

from dataclasses import replace
from typing import Any

import pytest

from tallystick.errors import EncodingError
from tallystick.identity import generate
from tallystick.statement.governance import Genesis, parse_genesis
from tallystick.statement.pseudonym import Binding, read_binding
from tallystick.verify.pseudonym import check_bindings
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import KnownIssuer, VerifiedStatement
from tests.fuzz.pure import GENESIS
from tests.ledgers import ORIGIN, Issuer

HER, OPERATOR = generate(), Issuer()


def genesis() -> Genesis:
    return replace(parse_genesis(GENESIS.payload), origin=ORIGIN, operator=OPERATOR.did)


def said(values: dict[str, Any], **header: Any) -> VerifiedStatement:
    issuer = OPERATOR
    statement = issuer.sign(bytes(32), **{"type": "label", "subject": HER.issuer, **header})
    known = KnownIssuer(issuer.did, issuer.signer.public, None, None, "", 0)
    return VerifiedStatement(statement, 7, known, values=values)


def checked(one: VerifiedStatement, by: Genesis | None) -> list[Check]:
    return list(check_bindings({one.statement.id: one}, by))


def fields(name: str = "Ada", **changed: Any) -> dict[str, Any]:
    bound = Binding.signed(ORIGIN, HER.issuer, name, "clinic", HER.sign)
    return {**bound.fields(), **changed}


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        (fields(), Verdict.VERIFIED, "and its key agreed"),
        (fields(agreement=b""), Verdict.VERIFIED, "alone: the key did not have to agree"),
        (fields(agreement=None), Verdict.NOT_CHECKED, "whether its key agreed is not shown"),
        (fields(name="Bob") | {"name": "Ada"}, Verdict.FAILED, "did not agree to the name"),
        (fields(agreement="x"), Verdict.FAILED, "'agreement' must be bytes"),
        (fields(name="x") | {"name": 7}, Verdict.FAILED, "must be text"),
        (fields(pseudonym=OPERATOR.did), Verdict.FAILED, "and is about"),
    ],
)
def test_a_name_is_believed_as_far_as_it_is_shown(
    values: dict[str, Any], verdict: Verdict, words: str
) -> None:
    [check] = checked(said(values), genesis())

    assert check.verdict is verdict
    assert words in check.detail
    assert (check.code is not None) == (verdict is Verdict.FAILED)


def test_what_binds_no_name_is_not_looked_at() -> None:
    assert checked(said({}), genesis()) == []
    assert checked(said(fields()), None) == []
    assert checked(said(fields(), type="document"), genesis()) == []
    assert checked(said(fields()), replace(genesis(), operator="did:key:other")) == []


def test_a_binding_is_read_as_it_is_written() -> None:
    bound = Binding.signed(ORIGIN, HER.issuer, "Ada", "clinic", HER.sign)

    assert read_binding(bound.fields()) == bound
    bound.verify_agreement(ORIGIN)
    with pytest.raises(EncodingError):
        replace(bound, pseudonym="did:web:example.com").verify_agreement(ORIGIN)
