"""Erases all about a subject, and kills itself at one step."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tallystick.ledger import Home, Ledger
from tallystick.log import EmbeddedLog
from tallystick.statement import ErasureReason
from tallystick.vault import Vault
from tests.ledgers import PASSPHRASE, Clock

STEPS: dict[str, tuple[type, str, bool]] = {
    "before it is registered": (EmbeddedLog, "append", False),
    "registered, nothing destroyed": (Vault, "apply", False),
    "keys overwritten, not committed": (Vault, "_erase_segments", False),
    "committed, copies in the write-ahead log": (Vault, "_empty_log", False),
    "destroyed, not remembered": (Vault, "erase", True),
    "remembered": (Vault, "apply", True),
}
"""Part, its method, and whether to die behind it."""


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, step: str) -> None:
    part, name, behind = STEPS[step]
    with Ledger.open(Home(folder), PASSPHRASE, clock=Clock()) as ledger:
        targets = ledger.vault.about("jane")
        kept: Any = getattr(part, name)
        setattr(part, name, (lambda *a, **k: die(kept(*a, **k))) if behind else die)
        ledger.erase(targets, ErasureReason.OBJECTION)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
