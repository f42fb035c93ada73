"""Names of models: what the operator gave, then what is registered; nobody takes one over."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tallystick.capture.models import ModelNames
from tallystick.evidence import Model
from tallystick.ledger import Ledger, RegistrationPolicy, Rule, Submission
from tallystick.statement.governance import IssuerKind
from tests.ledgers import Issuer, ledger_in

POLICY = RegistrationPolicy((Rule(frozenset({"model"}), kinds=frozenset({IssuerKind.AI})),))
FIRST, SECOND = (sha256(name).digest() for name in (b"first", b"second"))


@pytest.fixture
def owner() -> Issuer:
    return Issuer("Owner", IssuerKind.AI)


@pytest.fixture
def other() -> Issuer:
    return Issuer("Other", IssuerKind.AI)


@pytest.fixture
def ledger(tmp_path: Path, owner: Issuer, other: Issuer) -> Iterator[Ledger]:
    with ledger_in(tmp_path, owner, other, policy=POLICY) as opened:
        yield opened


def register(ledger: Ledger, issuer: Issuer, name: str, digest: bytes) -> bytes:
    model = Model(
        name=name, digest=digest, algorithm="a", parameters={}, rows=1, row_root=digest,
        software={},
    )  # fmt: skip
    statement, content = issuer.content(model.values(), type="model", model=digest)
    return ledger.register_one(Submission(statement.entry, content)).id


def test_a_registered_model_is_known_after_a_look(ledger: Ledger, owner: Issuer) -> None:
    names = ModelNames(ledger)
    register(ledger, owner, "m", FIRST)
    assert names.resolve("m") is None

    names.refresh()

    assert names.resolve("m") == FIRST
    assert names.resolve("other") is None
    assert names.resolve("") is None
    assert names.resolve(None) is None


def test_its_owner_may_replace_it_and_nobody_else(
    ledger: Ledger, owner: Issuer, other: Issuer
) -> None:
    names = ModelNames(ledger)
    register(ledger, owner, "m", FIRST)
    register(ledger, other, "m", SECOND)
    names.refresh()
    assert names.resolve("m") == FIRST

    register(ledger, owner, "m", SECOND)
    names.refresh()

    assert names.resolve("m") == SECOND


def test_what_the_operator_gave_comes_first(ledger: Ledger, owner: Issuer) -> None:
    names = ModelNames(ledger, {"m": SECOND})
    register(ledger, owner, "m", FIRST)

    names.refresh()

    assert names.resolve("m") == SECOND


def test_a_model_whose_content_is_gone_names_nothing(ledger: Ledger, owner: Issuer) -> None:
    statement_id = register(ledger, owner, "m", FIRST)
    ledger.vault.discard(statement_id)
    names = ModelNames(ledger)

    names.refresh()

    assert names.resolve("m") is None
