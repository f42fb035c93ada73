"""Rows that were taken into other batches go with the rows that they were taken from."""

from dataclasses import dataclass
from pathlib import Path

from tallystick.ledger import Ledger, Rows, Submission, erased_rows
from tallystick.ledger.derived import with_derived
from tallystick.ledger.keeping import Keeper
from tallystick.ledger.marking import sign_lifting, sign_marks
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import Batch, ErasureReason, Relation
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.statement.retention import Retention, RetentionRule
from tests.ledgers import Clock, Issuer, ledger_in

RECORDS = [b"row %d" % n for n in range(4)]
DAY = 86_400


@dataclass
class Made:
    """A batch with what it is made of."""

    id: bytes
    salts: list[bytes]
    leaves: list[bytes]
    records: list[bytes]


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def first(ledger: Ledger, clinic: Issuer) -> Made:
    statement, salts, leaves = clinic.batch(RECORDS)
    rows = Rows(salts, RECORDS, ["jane", "bob", "jane", "bob"])
    id_ = ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id
    return Made(id_, pieces(salts), pieces(leaves), RECORDS)


def selected(ledger: Ledger, clinic: Issuer, source: Made, *at: int, link: str) -> Made:
    """Register some rows of a batch as another batch, with copies of them, about nobody."""
    taken = [[of[n] for n in at] for of in (source.salts, source.leaves, source.records)]
    salts, leaves = b"".join(taken[0]), b"".join(taken[1])
    payload = Batch(rows=len(at), root=tree_root(leaves)).encode()
    statement = clinic.sign(
        payload, type="dataset", hashed=False, content_type=BATCH_MEDIA_TYPE,
        links={link: (source.id,)},
    )  # fmt: skip
    rows = Rows(salts, taken[2], None)
    id_ = ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id
    return Made(id_, *taken)


def left(ledger: Ledger, made: Made) -> list[bytes]:
    return [record for *_, record in ledger.vault.rows(made.id)]


def test_a_selection_loses_the_same_rows_and_so_does_a_selection_of_it(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        source = first(ledger, clinic)
        training = selected(ledger, clinic, source, 3, 2, 1, link=Relation.DERIVED_FROM)
        fold = selected(ledger, clinic, training, 1, 0, link=Relation.DERIVED_FROM)
        cited = selected(ledger, clinic, source, 0, 2, link=Relation.USED)
        assert left(ledger, training) == [b"row 3", b"row 2", b"row 1"]

        ledger.erase(ledger.vault.about("jane"), ErasureReason.OBJECTION)

        assert left(ledger, source) == [b"row 1", b"row 3"]
        assert left(ledger, training) == [b"row 3", b"row 1"]
        assert left(ledger, fold) == [b"row 3"]
        assert left(ledger, cited) == [b"row 0", b"row 2"]  # it does not say that it took them
        assert erased_rows(ledger, training.id, 3) == {1}
        assert erased_rows(ledger, fold.id, 2) == {0}


def test_all_of_a_batch_goes_from_all_that_took_of_it(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        source = first(ledger, clinic)
        fold = selected(ledger, clinic, source, 0, 1, link=Relation.DERIVED_FROM)
        statement, content = clinic.content({"a": 1})
        ledger.register_one(Submission(statement.entry, content))

        targets = with_derived(ledger, {source.id: None, statement.id: None, b"x" * 32: None})

        assert targets == {
            source.id: None, statement.id: None, b"x" * 32: None, fold.id: frozenset({0, 1})
        }  # fmt: skip
        everything = with_derived(ledger, {source.id: frozenset({0}), fold.id: None})
        assert everything == {source.id: frozenset({0}), fold.id: None}


def kept_after_sweeps(ledger: Ledger, ids: list[bytes], held: int) -> list[bool]:
    """Sweep twice; return what the vault still keeps."""
    passed = [0.0]
    keeper = Keeper(ledger, tick_seconds=3600, sweep_seconds=60, passed=lambda: passed[0])
    for _ in range(2):
        keeper.attempt()
        keeper.attempt()
        status = keeper.status()
        assert (status.trouble, status.failures, status.overdue) == (None, 0, 0)
        assert (status.swept_at, status.held) == (ledger.clock(), held)
        passed[0] += 60
    keeper.close()
    return [ledger.vault.keeps(one) for one in ids]


def test_a_held_copy_keeps_its_source_and_nothing_else_from_being_erased_by_time(
    tmp_path: Path,
) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock) as ledger:
        source, free = first(ledger, clinic), first(ledger, clinic)
        fold = selected(ledger, clinic, free, 0, 1, link=Relation.DERIVED_FROM)
        statement, content = clinic.content({"a": 1}, type="inference")
        letter = ledger.register_one(Submission(statement.entry, content)).id
        ledger.set_retention(Retention((RetentionRule(most=30 * DAY),)))
        clock.now += 31 * DAY
        copy = selected(ledger, clinic, source, 3, link=Relation.DERIVED_FROM)
        operator = ledger.keys.signer("operator")
        hold = sign_marks(operator, StatementType.HOLD, {copy.id: None}, "audit", clock())[0]
        placed = ledger.register_one(hold).id
        ids = [source.id, copy.id, free.id, fold.id, letter]

        assert kept_after_sweeps(ledger, ids, held=1) == [True, True, False, False, False]
        assert sorted(left(ledger, source)) == RECORDS

        ledger.register_one(sign_lifting(operator, StatementType.HOLD, [placed], clock())[0])
        assert kept_after_sweeps(ledger, ids, held=0) == [False] * 5


def test_a_copy_that_is_too_young_to_go_keeps_its_source_and_nothing_else(tmp_path: Path) -> None:
    clinic, lab, clock = Issuer(), Issuer(), Clock()
    with ledger_in(tmp_path, clinic, lab, clock=clock) as ledger:
        source = first(ledger, clinic)
        statement, content = clinic.content({"a": 1}, type="inference")
        letter = ledger.register_one(Submission(statement.entry, content)).id
        rules = (
            RetentionRule(issuer=lab.did, least=10 * DAY, most=90 * DAY),
            RetentionRule(most=30 * DAY),
        )
        ledger.set_retention(Retention(rules))
        clock.now += 31 * DAY
        copy = selected(ledger, lab, source, 3, link=Relation.DERIVED_FROM)
        ids = [source.id, copy.id, letter]

        assert kept_after_sweeps(ledger, ids, held=1) == [True, True, False]
        clock.now += 10 * DAY
        assert kept_after_sweeps(ledger, ids, held=0) == [False, False, False]
