"""Hands a ledger's keys over, and kills itself at the operation on disk that it is given."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tallystick.ledger import Home, Ledger
from tests.ledgers import PASSPHRASE, Clock

_EVENTS = frozenset({"os.rename", "os.remove"})


class Countdown:
    """Kills this process before operation number `left`; None lets it live."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS or (
            event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        ):
            self.step()

    def before(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.step()
            return operation(*arguments)

        return counted


def main(work: str, home: Home, at: int) -> None:
    countdown = Countdown()
    sys.addaudithook(countdown.audit)
    for name in ("pwrite", "fsync", "fdatasync"):
        setattr(os, name, countdown.before(getattr(os, name)))
    with Ledger.open(home, PASSPHRASE, clock=Clock(), publish_seconds=3600) as ledger:
        countdown.left = at
        if work == "log":
            ledger.hand_over()
        else:
            ledger.rotate_operator()
        countdown.left = None


if __name__ == "__main__":
    main(sys.argv[1], Home(Path(sys.argv[2])), int(sys.argv[3]))
