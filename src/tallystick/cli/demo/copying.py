"""A copy of a ledger to tamper with, made as an operator makes a backup."""

import secrets
import shutil

from tallystick.ledger import Home, Ledger, LedgerReader
from tallystick.ledger.maintenance import backup, rebuild_index


class Copy(LedgerReader):
    """A copy that is removed when it is closed."""

    def __init__(self, ledger: Ledger, passphrase: bytes) -> None:
        """Copy a ledger with `tally backup`, give it the keys, and read it."""
        # Beside the ledger: a backup never lies in what it is a copy of.
        root = ledger.home.root.with_name(f"tallystick-copy-{secrets.token_hex(4)}")
        ledger.publish()
        backup(ledger.home, root, ledger.keys.secret("vault"))
        home = Home(root)
        home.service_keys.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ledger.home.service_keys, home.service_keys)
        rebuild_index(home)
        super().__init__(home, passphrase)

    def close(self) -> None:
        """Close and remove the copy."""
        super().close()
        shutil.rmtree(self.home.root)
