"""The HTTP service: SCRAPI, static reads of the log, the native API, health and metrics.

    from tallystick.web import load_settings
    from tallystick.web.opening import open_ledger
    from tallystick.web.server import serve
    from tallystick.web.service import Served

    settings = load_settings(home.settings, os.environ)
    serve(Served(open_ledger(home, passphrase, settings), settings))

`tallystick.web.routes` is the table of everything that is served; router and OpenAPI document are
made from it. Importing this package alone loads no web framework: only `app`, `routes` and
`server` do.

Trust: whoever controls this process can refuse, delay and show old states, and hold what the
ledger's key file opens; it cannot sign for an issuer, nor change what a checkpoint covers.
"""

from tallystick.web.settings import Settings
from tallystick.web.sources import load_settings

__all__ = ["Settings", "load_settings"]
