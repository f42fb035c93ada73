"""Secrets of webhooks, and signatures with them.

A secret is `whsec_` and 256 random bits in base64. The service must sign with it, so it is kept:
encrypted under a key of the ledger's key file, bound to its webhook.

Trust: whoever has a webhook's secret can send its target what the target takes for ours.

Source:
    Standard Webhooks 1.0.0, sections "Webhook Headers (Metadata)", "Signature scheme" and
    "Zero downtime secret rotation".
"""

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.errors import DamagedError, InputError

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
_PURPOSE: Final = b"tallystick/webhook-secret/1"


def generate_secret() -> bytes:
    """Make a secret."""
    return os.urandom(SECRET_BYTES)


def show_secret(secret: bytes) -> str:
    """Return a secret as its receiver takes it."""
    return PREFIX + base64.b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """Read a secret as it was shown.

    Raises:
        InputError: It is none; says nothing about it.
    """
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error) as error:
        raise InputError(f"a secret is {PREFIX} and base64") from error


def seal(secret: bytes, ledger_secret: bytes, webhook_id: str) -> str:
    """Encrypt a secret for the file."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(_key(ledger_secret)).encrypt(nonce, secret, webhook_id.encode())
    return base64.b64encode(nonce + sealed).decode()


def open_sealed(text: str, ledger_secret: bytes, webhook_id: str) -> bytes:
    """Decrypt a secret from the file.

    Raises:
        DamagedError: Changed, of another webhook, or of another ledger.
    """
    try:
        data = base64.b64decode(text, validate=True)
        nonce, sealed = data[:NONCE_BYTES], data[NONCE_BYTES:]
        return AESGCM(_key(ledger_secret)).decrypt(nonce, sealed, webhook_id.encode())
    except (ValueError, InvalidTag) as error:
        raise DamagedError(
            "the secret of a webhook cannot be opened", advice="make a new one: rotate it"
        ) from error


def sign(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` of a message: one for each secret that is valid now."""
    content = f"{message_id}.{timestamp}.".encode() + body
    made = (hmac.digest(secret, content, "sha256") for secret in secrets)
    return " ".join("v1," + base64.b64encode(one).decode() for one in made)


def _key(ledger_secret: bytes) -> bytes:
    """Derive the key for secrets of webhooks from a key that has other uses, too."""
    return hmac.digest(ledger_secret, _PURPOSE, "sha256")
