"""Encrypted content beside the ledger: what statements commit to, and what can be erased."""

from tallystick.vault.readonly import connect_reading
from tallystick.vault.vault import SealedContent, Vault

__all__ = ["SealedContent", "Vault", "connect_reading"]
