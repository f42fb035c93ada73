"""A loader yields what took the place of a batch, and the batch itself only if asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.evidence import LoadedRows, encode_row, load_rows
from tallystick.identity import Signer
from tallystick.ledger import Ledger, Rows, Submission
from tallystick.statement import Relation
from tallystick.verify import parse_policy
from tests.ledgers import Issuer, ledger_in


@dataclass
class Study:
    """A ledger with a clinic that registers batches."""

    ledger: Ledger
    clinic: Issuer
    other: Issuer

    def batch(self, *numbers: int, by: Issuer | None = None, **links: bytes) -> bytes:
        records = [encode_row({"n": n}) for n in numbers]
        pointing = {Relation(name): (target,) for name, target in links.items()}
        statement, salts, leaves = (by or self.clinic).batch(records, links=pointing)
        rows = Rows(salts, records, None)
        return self.ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id

    def load(self, *batches: bytes, superseded: bool = False) -> LoadedRows:
        trust = parse_policy(self.ledger.home.trust.read_bytes())
        return load_rows(self.ledger, batches, trust, superseded=superseded)


def numbers(loaded: LoadedRows) -> list[int]:
    return [row.values["n"] for row in loaded.rows]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    clinic, other = Issuer(), Issuer("Somebody Else")
    with ledger_in(tmp_path, clinic, other) as ledger:
        yield Study(ledger, clinic, other)


def test_the_newest_batch_takes_the_place_of_all_before_it(study: Study) -> None:
    first = study.batch(1, 2)
    second = study.batch(3, supersedes=first)
    study.batch(4, 5, supersedes=second)

    loaded = study.load(first)

    assert (numbers(loaded), loaded.superseded, len(loaded.refused)) == ([4, 5], 3, 3)
    assert "entry" in str(loaded.refused[0].error)
    assert numbers(study.load(first, second)) == [4, 5]
    assert numbers(study.load(first, superseded=True)) == [1, 2]
    assert study.load(first, superseded=True).superseded == 0


def test_rows_that_are_put_right_leave_the_others(study: Study) -> None:
    first = study.batch(1, 2)
    right = study.batch(10, supersedes=first, refutes=first)

    assert numbers(study.load(first)) == [1, 2, 10]  # the mark on the wrong row is not placed here
    assert numbers(study.load(first, right)) == [1, 2, 10]


def test_of_two_that_took_the_place_the_later_counts(study: Study) -> None:
    first = study.batch(1)
    study.batch(2, supersedes=first)
    study.batch(3, supersedes=first)

    assert numbers(study.load(first)) == [3]


def test_nobody_else_takes_rows_out_of_training(study: Study) -> None:
    first = study.batch(1, 2)
    study.batch(666, by=study.other, supersedes=first)
    study.batch(666, by=study.other, supersedes=first, refutes=first)

    assert numbers(study.load(first)) == [1, 2]


def test_the_operator_may(study: Study, tmp_path: Path) -> None:
    signer: Signer = study.ledger.keys.signer("operator")
    operator = Issuer(signer=signer)
    first = study.batch(1)
    statement, salts, leaves = operator.batch(
        [encode_row({"n": 2})], links={Relation.SUPERSEDES: (first,)}
    )
    rows = Rows(salts, [encode_row({"n": 2})], None)
    study.ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows))

    assert numbers(study.load(first)) == [2]
