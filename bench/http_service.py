"""The service as `bench.http_register` measures it: `python -m bench.http_service FOLDER N`."""

import sys
from pathlib import Path

from tallystick.ledger import Home
from tallystick.web import Settings
from tallystick.web.opening import open_ledger
from tallystick.web.server import serve
from tallystick.web.service import Served


def main() -> None:
    """Serve a ledger on a free port and print the address."""
    settings = Settings(port=0, workers=int(sys.argv[2]))
    ledger = open_ledger(Home(Path(sys.argv[1])), b"bench", settings)
    serve(Served(ledger, settings), on_listening=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
