"""The settings themselves, and what they point to."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tallystick.cli.checks.address import exposure, port
from tallystick.cli.checks.certificates import certificates
from tallystick.cli.checks.collecting import collector
from tallystick.cli.checks.finding import Finding, findings, ok, problem, warning
from tallystick.cli.checks.places import places
from tallystick.cli.checks.rights import secret_file, writable_folder
from tallystick.cli.checks.signing_in import signing_in
from tallystick.cli.checks.told import targets
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.ledger import Home
    from tallystick.web import Settings
    from tallystick.web.sources import Sources


def configuration(
    home: "Home", file: Path, sources: "Sources", phrase: Path | None
) -> Iterator[Finding]:
    """Check settings, and if they can be read, what they point to.

    Args:
        home: Folder of the ledger.
        file: Where settings were read from; it need not exist.
        sources: What was read.
        phrase: File with the passphrase, if there is one.
    """
    yield from read_faults(file, sources)
    if sources.faults:
        return
    settings, now = sources.settings(), datetime.now(UTC)
    yield from findings([
        ("exposure", lambda: exposure(settings, keys=valid_keys(home))),
        ("tls", lambda: certificates(settings.tls_certificate, settings.tls_key, now)),
        ("port", lambda: port(home, settings)),
        ("folders", lambda: folders(home, settings)),
        ("keys", lambda: key_rights(home, phrase)),
        ("upstream", lambda: upstream(settings)),
        ("place", lambda: places(home, settings)),
        ("webhook networks", lambda: targets(settings)),
        ("public_url", lambda: _public_url(settings)),
        ("otlp", lambda: collector(settings)),
        ("oidc", lambda: signing_in(settings)),
    ])  # fmt: skip


def read_faults(file: Path, sources: "Sources") -> Iterator[Finding]:
    """Yield what is wrong with the settings as they are written, else that nothing is."""
    for fault in sources.faults:
        yield problem("settings", str(fault.error), mend=fault.error.advice or "")
    if not sources.faults:
        there = f"{file} can be read" if file.exists() else f"{file} is not there: defaults hold"
        yield ok("settings", there)


def folders(home: "Home", settings: "Settings") -> Iterator[Finding]:
    """Check that the folders of the ledger can be written."""
    yield from writable_folder("home", home.root)
    if home.data.exists():
        yield from writable_folder("data", home.data)
    yield from writable_folder("head", home.places(settings.head).head.parent)


def key_rights(home: "Home", phrase: Path | None) -> Iterator[Finding]:
    """Check that nobody but the owner may read keys and passphrase."""
    for name, path in (("service.key", home.service_keys), ("issuers.key", home.issuer_keys)):
        if path.exists():
            yield from secret_file(name, path)
    if phrase is not None:
        yield from secret_file("passphrase", phrase)


def upstream(settings: "Settings") -> Iterator[Finding]:
    """Check the gateway's upstreams and routes, without calling any."""
    if settings.upstream is None and settings.upstream_key is not None:
        yield warning("upstream", "upstream_key is set, and upstream is not", "both, or none")
    if not settings.has_gateway and not settings.routes:
        return
    from tallystick.cli.gateways import check_upstreams, gateway_settings

    check_upstreams(settings)
    yield ok("upstream", ", ".join(one.url for one in gateway_settings(settings).all_upstreams()))


def _public_url(settings: "Settings") -> Iterator[Finding]:
    if settings.public_url is None:
        return
    parts = urlsplit(settings.public_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield problem("public_url", settings.public_url, "a URL such as https://log.example")
    else:
        yield ok("public_url", settings.public_url)


def valid_keys(home: "Home") -> int:
    """Return how many API keys are valid now; 0 where the file cannot be read."""
    from tallystick.capture import ApiKeys

    now = int(time.time())
    try:
        known = ApiKeys(home.api_keys, b"").known()
    except (TallystickError, OSError):
        return 0
    ended = [(key.revoked_at, key.expires_at) for key in known]
    return sum(not any(at is not None and at <= now for at in both) for both in ended)
