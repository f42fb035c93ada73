"""An index that is lost, older, another ledger's or scrambled: derived, so it never does harm."""

import re
import shutil
from pathlib import Path

import pytest

from tallystick.errors import DamagedError, RefusedError
from tallystick.ledger import Home, LedgerReader, Query, Registered, Submission
from tallystick.ledger.maintenance import backup, rebuild_index, restore
from tallystick.ledger.postings import RUN_ENTRIES
from tallystick.statement import SignedStatement
from tests.fault.conftest import Command
from tests.ledgers import PASSPHRASE, Issuer, ledger_in, many, submissions


@pytest.fixture
def clinic() -> Issuer:
    return Issuer()


@pytest.fixture
def home(tmp_path: Path, clinic: Issuer) -> Home:
    """A closed ledger of two lives; the index of the first is kept in `older`."""
    home = Home(tmp_path / "home")
    with ledger_in(home.root, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 20), clinic.numbered()))
    shutil.copytree(home.index, tmp_path / "older")
    with ledger_in(home.root) as ledger:
        ledger.register(submissions(clinic.numbered(), *many(clinic, 20)))
    return home


def put_back(home: Home, folder: Path) -> None:
    shutil.rmtree(home.index)
    shutil.copytree(folder, home.index)


def knows_everything(home: Home, clinic: Issuer) -> None:
    """Every search, retry and count is as if the index had always been there."""
    last = clinic.last
    assert last is not None
    with ledger_in(home.root) as ledger:
        statements = [ledger.at(n).statement for n in range(ledger.snapshot.checkpoint.size)]
        for index, statement in enumerate(statements):
            assert ledger.get(statement.id).index == index
        ours = [s for s in statements if s.header.issuer == clinic.did]
        page = ledger.find(Query(issuer=clinic.did, limit=1000))
        assert [found.statement.id for found in page.found] == [s.id for s in reversed(ours)]
        again = ledger.register(submissions(*ours))
        assert all(isinstance(answer, Registered) and answer.existed for answer in again)
        _is_refused(ledger.register([Submission(_other(clinic, last).entry)])[0])


def _other(clinic: Issuer, last: SignedStatement) -> SignedStatement:
    """Return another statement under a number that is taken."""
    return clinic.sign(sequence=last.header.sequence)


def _is_refused(answer: object) -> None:
    assert isinstance(answer, RefusedError)
    assert answer.reason == "sequence.equivocation"


def test_an_older_copy_of_the_index_is_brought_up_to_the_log(
    home: Home, clinic: Issuer, tmp_path: Path
) -> None:
    put_back(home, tmp_path / "older")

    with LedgerReader(home, PASSPHRASE) as reader:
        assert reader.index.size == reader.snapshot.checkpoint.size
    knows_everything(home, clinic)


@pytest.mark.parametrize("part", ["", "index.sqlite", "postings"])
def test_a_deleted_index_or_part_of_it_is_built_anew(home: Home, clinic: Issuer, part: str) -> None:
    gone = home.index / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    knows_everything(home, clinic)


def test_a_reader_without_an_index_says_what_to_do(home: Home, tally: Command) -> None:
    shutil.rmtree(home.index)

    said = tally(home.root, "find")

    assert (said.code, said.error) == (1, "verification.damaged")
    assert "is not a readable index" in said.detail
    assert said.advice == "run `tally rebuild-index`"
    assert tally(home.root, "rebuild-index").code == 0
    assert tally(home.root, "find").code == 0


def test_the_index_of_another_ledger_is_not_believed(
    home: Home, clinic: Issuer, tmp_path: Path, tally: Command
) -> None:
    other = Home(tmp_path / "other")
    with ledger_in(other.root, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 100)))
    put_back(home, other.index)

    said = tally(home.root, "find")
    assert (said.code, said.error) == (1, "verification.damaged")
    assert "is the index of another ledger or release" in said.detail
    knows_everything(home, clinic)  # the writer builds it anew


def test_an_index_ahead_of_the_log_is_refused_until_it_is_rebuilt(
    home: Home, clinic: Issuer, tmp_path: Path, tally: Command
) -> None:
    """The ledger is restored from a backup, and the index that was newer is put beside it."""
    backup(home, tmp_path / "saved")
    with ledger_in(home.root) as ledger:
        ledger.register(submissions(*many(clinic, 9)))
    restored = Home(tmp_path / "restored")
    restore(tmp_path / "saved", restored, [], unsafe_alone=True)
    shutil.copytree(home.root / "keys", restored.root / "keys")
    shutil.copytree(home.index, restored.index)
    (tmp_path / "one.cose").write_bytes(clinic.sign().entry)

    said = tally(restored.root, "register", tmp_path / "one.cose")

    assert (said.code, said.error) == (1, "verification.damaged")
    assert re.search(r"index covers \d+ entries, the log has \d+", said.detail)
    assert said.advice == "run `tally rebuild-index`"
    assert tally(restored.root, "rebuild-index").code == 0
    knows_everything(restored, clinic)


@pytest.mark.parametrize("name", ["index.sqlite", "postings"])
def test_a_scrambled_index_is_named_and_rebuilt(home: Home, clinic: Issuer, name: str) -> None:
    if name == "postings":
        with ledger_in(home.root) as ledger:
            ledger.register(submissions(*many(clinic, RUN_ENTRIES)))  # enough for a run
    files = [home.index / name] if name.endswith("sqlite") else [*(home.index / name).iterdir()]
    for file in files:
        file.write_bytes(file.read_bytes()[:-9])
        data = bytearray(file.read_bytes())
        data[:16] = b"x" * 16
        file.write_bytes(data)

    with pytest.raises(DamagedError) as error:
        LedgerReader(home, PASSPHRASE)
    assert error.value.advice == "run `tally rebuild-index`"
    with pytest.raises(DamagedError), ledger_in(home.root):
        pass
    rebuild_index(home)
    with LedgerReader(home, PASSPHRASE) as reader:
        last = clinic.last
        assert last is not None
        assert reader.get(last.id).statement == last
