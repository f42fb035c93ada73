"""Encrypted content beside the ledger: what statements commit to, and what can be erased."""

from tallystick.vault.readonly import connect_reading
from tallystick.vault.reads import ReadBook, reading_as, unsafe_unrecorded
from tallystick.vault.vault import SealedContent, Vault
from tallystick.vault.wrapping import About, Beside, Named

__all__ = [
    "About",
    "Beside",
    "Named",
    "ReadBook",
    "SealedContent",
    "Vault",
    "connect_reading",
    "reading_as",
    "unsafe_unrecorded",
]
