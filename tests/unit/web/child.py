"""A service in a process of its own: `python -m tests.unit.web.child FOLDER JSON-SETTINGS`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from subprocess import PIPE, Popen
from typing import Any

from tallystick.ledger import Home
from tallystick.web import load_settings
from tallystick.web.opening import open_ledger
from tallystick.web.server import serve
from tallystick.web.service import Served
from tests.ledgers import PASSPHRASE

ROOT = Path(__file__).parents[3]


def main(folder: Path, options: dict[str, Any]) -> None:
    """Serve until a signal."""
    settings = load_settings(None, {}, {"port": 0, "workers": 0, **options})
    ledger = open_ledger(Home(folder), PASSPHRASE, settings)
    serve(Served(ledger, settings), on_listening=lambda url: print(url, flush=True))  # noqa: T201


@contextmanager
def process(folder: Path, **options: Any) -> Iterator[tuple[Popen[str], str]]:
    """Start it; yield it and its address. Ends it if a test has not."""
    command = [sys.executable, "-m", "tests.unit.web.child", str(folder), json.dumps(options)]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline().strip()
        finally:
            child.send_signal(SIGTERM)
            try:
                child.wait(30)
            finally:
                child.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
