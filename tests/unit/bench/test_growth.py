"""The bench of growth measures what it says: real entries, a copy each, the right bytes."""

from pathlib import Path

import pytest

from bench import growth_at
from bench.growth import table
from bench.growth_at import PASSES
from bench.growth_home import Clock, Growing, clone, make_home, stored_bytes
from bench.made import Maker, Prechecked
from bench.report import spread
from tallystick.ledger import Home, LedgerReader
from tallystick.ledger.maintenance import check
from tallystick.statement import parse_statement

SIZE = 700


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("growth") / "home"
    make_home(folder)
    Growing(folder, Clock(), Prechecked()).to(SIZE)
    return folder


def test_made_statements_are_what_their_entries_parse_to() -> None:
    made = Maker().statements(0, 300)

    assert [parse_statement(statement.entry) for statement in made] == made
    assert len({statement.id for statement in made}) == 300


def test_statement_is_the_same_whenever_it_is_made() -> None:
    assert Maker().statement(123_456) == Maker().statement(123_456)


def test_only_statements_that_were_told_are_vouched_for() -> None:
    made, checks = Maker().statements(0, 2), Prechecked()
    checks.tell(made[:1])

    signed = [getattr(answer, "signed", None) for answer in checks.examine(
        [statement.entry for statement in made], {})]  # fmt: skip

    assert signed == [True, False]


def test_every_pass_measures_a_copy_and_leaves_the_ledger_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("BATCHES", 3), ("QUERIES", 4), ("RECEIPTS", 4), ("LONE", 3)):
        monkeypatch.setattr(growth_at, name, few)
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}

    row = {name: step(clone(home, tmp_path / name)) for name, step in PASSES.items()}
    row["bytes"], row["build"] = stored_bytes(home), {"per_s": 1, "peak_mib": 1}

    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before
    assert row["register"]["n"] == 3
    assert all(len(line) == 2 for line in table([{"size": SIZE, **row}]))
    assert check(Home(tmp_path / "register")).damage == ()


def test_bytes_beyond_entries_leave_out_exactly_the_entries(home: Path) -> None:
    found = stored_bytes(home)

    with LedgerReader(Home(home)) as ledger:
        size = ledger.snapshot.checkpoint.size
        own = sum(len(ledger.snapshot.reader.entry(at)) for at in range(size))
    assert found["entry"] == pytest.approx(own / size, abs=0.01)


def test_spread_names_the_middle_and_the_slow_end() -> None:
    found = spread([n / 1000 for n in range(1, 101)])

    assert found == {"p50_ms": 50.5, "p99_ms": 99, "n": 100}
