"""An old backup never forks the log: the checkpoint that others hold wins."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.errors import ConflictError, DamagedError, InputError, SignatureError
from tallystick.ledger import Home, Ledger, create
from tallystick.ledger.maintenance import backup, check, restore
from tests.fault.conftest import Command
from tests.ledgers import (
    ALLOW_ORGANISATIONS,
    ORIGIN,
    PASSPHRASE,
    Clock,
    Issuer,
    ledger_in,
    many,
    submissions,
)


@dataclass
class Story:
    """A ledger, its backup, and what happened after the backup.

    Attributes:
        home: The ledger.
        saved: Folder of the backup.
        before: Checkpoint that others held when it was made.
        after: Checkpoint that others hold now.
    """

    home: Home
    saved: Path
    before: bytes
    after: bytes


@pytest.fixture
def story(tmp_path: Path) -> Story:
    clinic, home, saved = Issuer(), Home(tmp_path / "home"), tmp_path / "saved"
    with ledger_in(home.root, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 300)))
        ledger.publish()
        before = ledger.snapshot.note
        backup(home, saved)
        ledger.register(submissions(*many(clinic, 5)))
        ledger.publish()
        return Story(home, saved, before, ledger.snapshot.note)


def elsewhere(story: Story, name: str = "restored") -> Home:
    """Return a fresh folder with the keys of the ledger."""
    home = Home(story.home.root.parent / name)
    home.service_keys.parent.mkdir(parents=True)
    home.service_keys.write_bytes(story.home.service_keys.read_bytes())
    return home


def test_the_checkpoint_that_others_hold_wins_over_the_backup(story: Story) -> None:
    home = elsewhere(story)

    with pytest.raises(ConflictError, match=r"ends at size 303, .* of size 308 was signed"):
        restore(story.saved, home, [story.before, story.after])
    assert not (home.data / "ledger.json").exists()


def test_a_backup_as_new_as_what_others_hold_is_restored_and_goes_on(story: Story) -> None:
    home = elsewhere(story)

    copied = restore(story.saved, home, [story.before])

    assert copied.size == 303
    assert check(home).damage == ()
    with ledger_in(home.root) as ledger:
        assert ledger.snapshot.checkpoint.size == 303


def test_nobody_to_ask_is_not_a_yes(story: Story) -> None:
    with pytest.raises(InputError, match="nobody says how far"):
        restore(story.saved, elsewhere(story), [])
    assert restore(story.saved, elsewhere(story, "alone"), [], unsafe_alone=True).size == 303


def test_the_head_store_that_survived_is_asked_too(story: Story) -> None:
    home = elsewhere(story)
    (home.root / "head").mkdir()
    (home.root / "head/checkpoint").write_bytes((story.home.root / "head/checkpoint").read_bytes())

    with pytest.raises(ConflictError, match="would fork the log"):
        restore(story.saved, home, [story.before])


def test_a_checkpoint_by_another_key_or_of_another_history_is_named(
    story: Story, tmp_path: Path
) -> None:
    create(Home(tmp_path / "other"), ORIGIN, PASSPHRASE, clock=Clock())
    foreign = (tmp_path / "other/data/log/checkpoint").read_bytes()
    with pytest.raises(SignatureError, match="not signed by any key that is trusted"):
        restore(story.saved, elsewhere(story), [foreign])

    # The same keys go on from the backup, as `--unsafe-alone` allows: that is the fork.
    fork = elsewhere(story, "fork")
    restore(story.saved, fork, [], unsafe_alone=True)
    with ledger_in(fork.root) as ledger:
        ledger.set_policy(ALLOW_ORGANISATIONS)
    split = (fork.data / "log/checkpoint").read_bytes()
    newer = story.home.root.parent / "newer"
    backup(story.home, newer)
    with pytest.raises(DamagedError, match="of another history than the checkpoint of size 306"):
        restore(newer, elsewhere(story, "third"), [split])


def test_data_that_was_copied_back_by_hand_is_not_opened(story: Story) -> None:
    """Somebody puts the backup's files in the place of the newer ones, beside the head store."""
    log = story.home.data / "log"
    for path in (story.saved / "data/log").rglob("*"):
        if path.is_file():
            (log / path.relative_to(story.saved / "data/log")).write_bytes(path.read_bytes())
    for segment in (story.home.data / "journal").iterdir():
        segment.unlink()

    with pytest.raises(DamagedError, match=r"ends at size 303, but a checkpoint of size \d+ was"):
        Ledger.open(story.home, PASSPHRASE, clock=Clock())


def test_the_command_says_so_and_exits_with_four(story: Story, tally: Command) -> None:
    held = story.home.root.parent / "held.txt"
    held.write_bytes(story.after)

    said = tally(elsewhere(story).root, "restore", story.saved, "--checkpoint", held)

    assert (said.code, said.error) == (4, "conflict")
    assert "size 303" in said.detail
    assert "size 308" in said.detail
    assert "newer backup" in said.advice


def test_a_damaged_backup_is_not_restored(story: Story) -> None:
    tile = story.saved / "data/log/tile/entries/000"
    tile.write_bytes(tile.read_bytes()[:-1])

    with pytest.raises(DamagedError, match="the backup is damaged"):
        restore(story.saved, elsewhere(story), [story.before])


def test_a_file_that_a_power_cut_left_empty_is_copied_again(story: Story) -> None:
    tile = story.saved / "data/log/tile/entries/000"
    tile.write_bytes(b"")

    backup(story.home, story.saved)

    assert check(Home(story.saved)).damage == ()


def test_a_backup_is_never_mixed_with_another_ledgers(story: Story, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    create(other, "localhost/other", PASSPHRASE, clock=Clock())

    with pytest.raises(ConflictError, match="holds a backup of localhost/test"):
        backup(other, story.saved)
    with pytest.raises(InputError, match="there is a ledger in"):
        restore(story.saved, story.home, [story.after])
