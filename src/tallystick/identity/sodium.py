"""libsodium for the two operations that cost most: twice as fast as OpenSSL.

Optional (`pip install tallystick[fast]`). Ed25519 signatures are deterministic, and the rule of
`tallystick.statement.ed25519` is checked before any equation, so which library is installed
changes neither a signature nor a verdict.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.statement import Sign
from tallystick.statement.ed25519 import CheckEquation, check_equation


def fastest_signing(secret: bytes) -> Sign:
    """Return what signs with a 32-byte Ed25519 secret: libsodium where it is installed."""
    try:
        from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
    except ImportError:
        return Ed25519PrivateKey.from_private_bytes(secret).sign
    _, pair = crypto_sign_seed_keypair(secret)

    def sodium(message: bytes) -> bytes:
        signed: bytes = crypto_sign(message, pair)
        return signed[:64]

    return sodium


def fastest_equation() -> CheckEquation:
    """Return libsodium's check where it is installed, otherwise OpenSSL's."""
    try:
        from nacl.bindings import crypto_sign_open
        from nacl.exceptions import BadSignatureError
    except ImportError:
        return check_equation

    def sodium(public: bytes, signature: bytes, message: bytes) -> bool:
        try:
            crypto_sign_open(signature + message, public)
        except (BadSignatureError, ValueError):
            return False
        return True

    return sodium
