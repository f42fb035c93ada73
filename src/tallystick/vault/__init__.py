"""Encrypted content beside the ledger: what statements commit to, and what can be erased."""

from tallystick.vault.readonly import connect_reading
from tallystick.vault.vault import SealedContent, Vault
from tallystick.vault.wrapping import About

__all__ = ["About", "SealedContent", "Vault", "connect_reading"]
