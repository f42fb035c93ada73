"""Checks of webhooks and saved searches: their files, where they go, whether they deliver."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tallystick.cli.checks.finding import Finding, ok, warning

if TYPE_CHECKING:
    from tallystick.ledger import Home
    from tallystick.web import Settings


def webhooks(home: "Home") -> Iterator[Finding]:
    """Check that the files can be read, and name webhooks that deliver nothing."""
    from tallystick.ledger.searches import Searches
    from tallystick.webhooks.progress import read_progress
    from tallystick.webhooks.store import Webhooks

    saved, known = len(Searches(home.searches).all()), Webhooks(home.webhooks).all()
    failing = []
    for one in known:
        progress = read_progress(home.webhook_progress, one.id)
        if progress is not None and progress.failing_since is not None:
            failing.append(f"{one.name}: {progress.error}")
    seen = f"{len(known)} webhooks, {saved} saved searches"
    if failing:
        words = f"{seen}; failing: {'; '.join(failing)}"
        yield warning("webhooks", words, "targets that answer 2xx", "tally webhooks list")
    else:
        yield ok("webhooks", seen)


def targets(settings: "Settings") -> Iterator[Finding]:
    """Check the setting that says where webhooks may go, beside the public Internet."""
    from tallystick.webhooks.addresses import parse_networks

    networks = parse_networks(settings.webhook_networks)
    if networks:
        yield ok("webhook networks", ", ".join(map(str, networks)))
