"""Issuers and their private keys: signers, encrypted key files, the fastest signature check."""

from tallystick.identity.keyfile import KeyFile
from tallystick.identity.signer import Signer, SoftwareSigner, generate
from tallystick.identity.sodium import fastest_equation

__all__ = ["KeyFile", "Signer", "SoftwareSigner", "fastest_equation", "generate"]
