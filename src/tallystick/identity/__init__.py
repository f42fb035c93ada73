"""Issuers and their private keys: signers, encrypted key files, the fastest signature check."""

from tallystick.identity.custody import Custodian, KeptSigner, create_key, open_key
from tallystick.identity.keyfile import KeyFile
from tallystick.identity.signer import HeldKey, Signer, SoftwareSigner, generate
from tallystick.identity.sodium import fastest_equation

__all__ = [
    "Custodian",
    "HeldKey",
    "KeptSigner",
    "KeyFile",
    "Signer",
    "SoftwareSigner",
    "create_key",
    "fastest_equation",
    "generate",
    "open_key",
]
