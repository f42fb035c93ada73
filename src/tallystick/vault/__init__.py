"""Encrypted content beside the ledger: what statements commit to, and what can be erased."""

from tallystick.vault.vault import SealedContent, Vault

__all__ = ["SealedContent", "Vault"]
