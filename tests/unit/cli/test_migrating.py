"""`tally migrate`: every other command says that it is needed; it says what it did."""

import shutil
from pathlib import Path

import pytest

from tests.fault.test_migration import KEYS, older
from tests.unit.cli.running import Command


@pytest.fixture
def left(bare: Command, tmp_path: Path) -> Command:
    """A ledger that earlier code left; its passphrase is the same."""
    shutil.move(older("before-scopes", tmp_path / "older").root, bare.home)
    return bare


@pytest.mark.parametrize(
    "arguments",
    [("find",), ("up",), ("register", "--as", "clinic", "--type", "document", "--field", "a=b"),
     ("keys", "api", "create", "clinic"), ("usage",), ("webhooks", "list"), ("gaps",)],
)  # fmt: skip
def test_other_commands_name_the_file_both_formats_and_the_command(
    left: Command, arguments: tuple[str, ...]
) -> None:
    before = left.home.joinpath(KEYS).read_bytes()

    left(*arguments, code=2)

    assert "api-keys.json has format 1, this release writes 4" in left.words
    assert "run `tally migrate`" in left.words
    assert left.home.joinpath(KEYS).read_bytes() == before


def test_a_dry_run_changes_nothing_and_a_real_one_says_where_the_originals_lie(
    left: Command,
) -> None:
    before = left.home.joinpath(KEYS).read_bytes()

    assert left("migrate", "--dry-run") == "data/api-keys.json: format 1 becomes 4"
    assert left.home.joinpath(KEYS).read_bytes() == before

    done = left.json("migrate")
    assert (Path(done["originals"]) / KEYS).read_bytes() == before
    assert done["files"] == [KEYS]
    assert done["originals"] in left.words
    assert "delete it once you are sure" in left.words

    assert len(left("keys", "api", "list").splitlines()) == 2
    assert left("find")
    left("fsck", "--deep")
    left("migrate")
    assert "every file has the format of this release" in left.words
