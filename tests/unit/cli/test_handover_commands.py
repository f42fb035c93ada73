"""`tally keys rotate --log` and `--operator`, and what they refuse."""

from pathlib import Path

import pytest

from tallystick.identity import KeyFile
from tests.ledgers import PASSPHRASE
from tests.unit.cli.running import Command, keep_passphrase, serving

DOCUMENT = ("register", "--type", "document", "--field", "title=A", "--as", "clinic")


def verified(made: Command, statement: str, policy: Path, code: int = 0) -> str:
    made("export", statement, "-o", "x.tally.json")
    out = made("verify", "x.tally.json", "--policy", policy, "--all", code=code)
    Path("x.tally.json").unlink()
    return out


def test_whoever_pinned_the_first_policy_goes_on_verifying(made: Command, tmp_path: Path) -> None:
    old = tmp_path / "old.policy"
    old.write_text(made("policy", "trust"))
    first = made(*DOCUMENT)
    key = made("keys", "rotate", "--log")
    size = made.json("keys", "rotate", "--operator")["size"]
    made("keys", "rotate", "--log", "--reason", "compromised", "--until", size)
    second = made(*DOCUMENT)
    new = tmp_path / "new.policy"
    new.write_text(made("policy", "trust"))

    assert key not in old.read_text()
    for statement in (first, second):
        for policy in (old, new):
            out = verified(made, statement, policy)
            assert "VERIFIED" in out
            assert "the log signs with other keys (compromised" in out
    assert "ok       log" in made("doctor")
    made("fsck")


def test_the_new_policy_reads_what_was_exported_before(made: Command, tmp_path: Path) -> None:
    statement = made(*DOCUMENT)
    made("export", statement, "-o", str(tmp_path / "old.tally.json"))
    made("keys", "rotate", "--log")

    assert "VERIFIED" in made("verify", tmp_path / "old.tally.json")

    statement = made(*DOCUMENT)  # at a size that the key before did not sign
    made("export", statement, "-o", str(tmp_path / "newer.tally.json"))
    made("keys", "rotate", "--log", "--reason", "compromised")
    assert "VERIFIED" in made("verify", tmp_path / "old.tally.json")
    assert "FAILED" in made("verify", tmp_path / "newer.tally.json", code=1)


def test_a_running_service_is_not_robbed_of_its_keys(made: Command) -> None:
    keep_passphrase(made)
    with serving(made.home, "up", "--port", "0", "--no-small-lm"):
        made("keys", "rotate", "--log", code=4)
        assert "end `tally up` first" in made.words
        made("keys", "rotate", "--operator", code=4)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("clinic", "--log"),
        ("--log", "--operator"),
        ("--log", "--algorithm", "es256"),
        ("--operator", "--reason", "lost"),
        ("--log", "--until", "3"),
        ("--log", "--in", "keyring:tallystick/one"),
        ("--log", "--existing"),
        ("clinic", "--until", "3"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    made: Command, options: tuple[str, ...]
) -> None:
    made("keys", "rotate", *options, code=2)


def test_what_an_interrupted_command_registered_is_finished_once(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tallystick.ledger.ledger.Ledger._open_again", interrupted)
        with pytest.raises((KeyboardInterrupt, SystemExit, AssertionError)):
            made("keys", "rotate", "--log")
    waiting = KeyFile(made.home / "keys" / "service.key", PASSPHRASE).signer("checkpoint~next")

    made("keys", "rotate", "--log")

    assert "was finished" in made.words
    keys = KeyFile(made.home / "keys" / "service.key", PASSPHRASE)
    assert keys.signer("checkpoint").public == waiting.public
