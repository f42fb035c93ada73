"""The command as a user meets it: exit code, stable error code, and what it says."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.cli.app import run
from tests.ledgers import PASSPHRASE


@dataclass(frozen=True)
class Said:
    """What came back from one command.

    Attributes:
        code: Exit code.
        error: Stable name of the error; empty if there was none.
        detail: The message.
        advice: What to do next.
        out: Standard output.
        reason: Stable name of the rule that refused it; empty where there is none.
    """

    code: int
    error: str
    detail: str
    advice: str
    out: str
    reason: str = ""


class Command:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, home: Path, *arguments: object) -> Said:
        self._capsys.readouterr()
        code = run(["--home", str(home), "--json", "--quiet", *map(str, arguments)])
        out, words = self._capsys.readouterr()
        problem = json.loads(words) if words.strip() else {}
        return Said(
            code,
            problem.get("error", ""),
            problem.get("detail", ""),
            problem.get("advice") or "",
            out,
            problem.get("reason", ""),
        )


@pytest.fixture
def tally(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE)
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(secret))
    return Command(capsys)
