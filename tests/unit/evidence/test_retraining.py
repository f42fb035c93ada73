"""A model is to be trained anew once rows that it used are erased, until a version without them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.evidence.erased import models_due, retrain_due, retrained_by
from tallystick.ledger import Ledger, RegistrationPolicy, Rows, Rule, Submission
from tallystick.statement import ErasureReason, Relation
from tallystick.statement.governance import IssuerKind
from tests.ledgers import Issuer, ledger_in

POLICY = RegistrationPolicy(
    (Rule(frozenset({"dataset", "model"}), kinds=frozenset({IssuerKind.ORGANISATION})),)
)


@dataclass
class Lab:
    """A ledger with an issuer that trains models, and one that does not like them."""

    ledger: Ledger
    lab: Issuer
    other: Issuer

    def rows(self, *subjects: str) -> bytes:
        records = [f"row of {one}".encode() for one in subjects]
        statement, salts, leaves = self.lab.batch(records)
        rows = Rows(salts, records, list(subjects))
        return self.ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id

    def model(self, used: bytes, old: bytes | None = None, by: Issuer | None = None) -> bytes:
        links = {Relation.USED: (used,)} | ({Relation.SUPERSEDES: (old,)} if old else {})
        issuer = by or self.lab
        statement, content = issuer.content({"name": "m"}, type="model", links=links)
        return self.ledger.register_one(Submission(statement.entry, content)).id

    def due(self, model: bytes) -> int:
        return retrain_due(self.ledger, self.ledger.get(model))

    def by(self, model: bytes) -> bytes | None:
        newer = retrained_by(self.ledger, self.ledger.get(model))
        return None if newer is None else newer.statement.id


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab, other = Issuer(), Issuer("Somebody Else")
    with ledger_in(tmp_path, lab, other, policy=POLICY) as ledger:
        yield Lab(ledger, lab, other)


def test_a_version_trained_without_them_ends_it(lab: Lab) -> None:
    with_jane, without = lab.rows("jane", "bob"), lab.rows("bob")
    first = lab.model(with_jane)
    assert (lab.due(first), lab.by(first)) == (0, None)
    lab.ledger.erase(lab.ledger.vault.about("jane"), ErasureReason.OBJECTION)
    assert [(f.statement.id, n) for f, n in models_due(lab.ledger)] == [(first, 1)]

    second = lab.model(with_jane, first)  # the same rows again
    assert (lab.due(first), lab.due(second)) == (1, 1)
    third = lab.model(without, second)

    assert (lab.due(first), lab.due(second), lab.due(third)) == (0, 0, 0)
    assert lab.by(first) == lab.by(second) == third
    assert list(models_due(lab.ledger)) == []


def test_nobody_else_says_that_a_model_was_trained_anew(lab: Lab) -> None:
    with_jane, without = lab.rows("jane"), lab.rows("bob")
    first = lab.model(with_jane)
    lab.ledger.erase(lab.ledger.vault.about("jane"), ErasureReason.OBJECTION)

    lab.model(without, first, by=lab.other)

    assert (lab.due(first), lab.by(first)) == (1, None)


def test_a_version_whose_own_rows_are_erased_later_is_due_and_the_old_one_again(lab: Lab) -> None:
    first = lab.model(lab.rows("jane"))
    second = lab.model(lab.rows("bob"), first)
    lab.ledger.erase(lab.ledger.vault.about("jane"), ErasureReason.OBJECTION)
    assert (lab.due(first), lab.due(second)) == (0, 0)

    lab.ledger.erase(lab.ledger.vault.about("bob"), ErasureReason.OBJECTION)

    assert (lab.due(first), lab.due(second)) == (1, 1)
