"""Ed25519 checked by one exact rule, whichever library does the arithmetic.

Libraries disagree about keys and signatures that no honest signer makes. Validators that disagree
fork a ledger, so the disputed cases are refused before any library is called:

- the public key A is canonically encoded and not of small order,
- R is not of small order,
- S is below the group order.

What is left is the cofactorless equation with a byte-equal R, on which libraries agree. The
rule's name stands in the genesis entry of every log.

Source:
    RFC 8032 section 5.1.7; C2SP CCTV ed25519 vectors; "Taming the many EdDSAs", 2020.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallystick.errors import SignatureError

RULE: Final = "tallystick/ed25519/1"
"""Name of this rule."""

CheckEquation = Callable[[bytes, bytes, bytes], bool]
"""A library's cofactorless check of (public key, signature, message)."""

_FIELD_PRIME: Final = 2**255 - 19
_GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_Y_MASK: Final = 2**255 - 1

_SMALL_ORDER_Y: Final = frozenset(
    bytes.fromhex(y)
    for y in (
        "0100000000000000000000000000000000000000000000000000000000000000",  # order 1
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
        "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
    )
)
"""The y coordinates of the eight points of small order, sign bit cleared."""


def check_rule(public: bytes, signature: bytes) -> None:
    """Refuse what libraries disagree about; the equation itself is not checked here.

    Raises:
        SignatureError: Wrong length, or a disputed key or signature.
    """
    if len(public) != 32 or len(signature) != 64:
        raise SignatureError(
            "an Ed25519 key has 32 bytes and a signature 64, "
            f"got {len(public)} and {len(signature)}"
        )
    if int.from_bytes(public, "little") & _Y_MASK >= _FIELD_PRIME:
        raise SignatureError("the Ed25519 key is not canonically encoded")
    if _clear_sign(public) in _SMALL_ORDER_Y or _clear_sign(signature[:32]) in _SMALL_ORDER_Y:
        raise SignatureError("the Ed25519 key or the R of the signature is of small order")
    if int.from_bytes(signature[32:], "little") >= _GROUP_ORDER:
        raise SignatureError("the S of the Ed25519 signature is not below the group order")


def check_equation(public: bytes, signature: bytes, message: bytes) -> bool:
    """Check the equation with OpenSSL. Call `check_rule` first."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_ed25519(
    public: bytes, signature: bytes, message: bytes, equation: CheckEquation = check_equation
) -> None:
    """Accept only a signature that follows the rule.

    Args:
        public: 32 bytes.
        signature: 64 bytes.
        message: What was signed.
        equation: The library that does the arithmetic.

    Raises:
        SignatureError: It does not.
    """
    check_rule(public, signature)
    if not equation(public, signature, message):
        raise SignatureError("the Ed25519 signature does not match the key")


def _clear_sign(encoded: bytes) -> bytes:
    return encoded[:31] + bytes((encoded[31] & 0x7F,))
