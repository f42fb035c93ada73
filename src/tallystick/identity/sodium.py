"""libsodium for the one equation that costs most: twice as fast as OpenSSL.

Optional (`pip install tallystick[fast]`). The rule of `tallystick.statement.ed25519` is checked
before it is called, so which library is installed never changes a verdict.
"""

from tallystick.statement.ed25519 import CheckEquation, check_equation


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
