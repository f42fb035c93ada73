"""A ledger and the command that works on it."""

from pathlib import Path

import pytest

from tests.unit.cli.running import Command


@pytest.fixture
def bare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """No ledger yet; the passphrase is known."""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(secret))
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path / "home", capsys)


@pytest.fixture
def made(bare: Command) -> Command:
    """A ledger with a clinic that may register documents and data sets."""
    bare("init", "--allow", "document=organisation", "--allow", "dataset=organisation",
         "--allow", "decision=organisation")  # fmt: skip
    bare("keys", "create", "clinic", "--kind", "organisation")
    return bare
