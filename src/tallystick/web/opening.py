"""Open a ledger as the settings say; loads no web framework, so that it can go on beside that."""

from tallystick.ledger import Home, Ledger, PooledChecks, SignatureChecks
from tallystick.web.settings import Settings


def open_ledger(
    home: Home, passphrase: bytes, settings: Settings, checks: SignatureChecks | None = None
) -> Ledger:
    """Open a ledger as the settings say.

    Args:
        home: Its folder.
        passphrase: Opens its key file.
        settings: Of this ledger.
        checks: Where signatures are checked; by default in as many processes as the settings say.

    Raises:
        TallystickError: As `Ledger.open`.
    """
    if checks is None and settings.workers:
        checks = PooledChecks(settings.workers)
    return Ledger.open(
        home, passphrase, checks=checks, head=settings.head, place=settings.data_location,
        publish_seconds=settings.publish_seconds,
    )  # fmt: skip
