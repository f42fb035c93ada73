"""The public key of an account from a signature that its wallet made.

Wallets hand out an address and signatures, and no public key; a signature and a bit tell it.
Nothing secret is touched here, so nothing need take the same time.

Source:
    SEC 1, section 4.1.6; SEC 2, section 2.4.1.
"""

from typing import Final

from tallystick.errors import EncodingError, SignatureError
from tallystick.statement.account import ORDER, text_digest

PRIME: Final = 2**256 - 2**32 - 977
_BASE: Final = (
    0x79BE667E_F9DCBBAC_55A06295_CE870B07_029BFCDB_2DCE28D9_59F2815B_16F81798,
    0x483ADA77_26A3C465_5DA4FBFC_0E1108A8_FD17B448_A6855419_9C47D08F_FB10D4B8,
)
WALLET_SIGNATURE_BYTES: Final = 65
_BITS: Final = {0: 0, 1: 1, 27: 0, 28: 1}

Point = tuple[int, int] | None
"""A point of the curve; None is the one at infinity."""


def parse_wallet_signature(text: str) -> tuple[bytes, int]:
    """Read what a wallet returns: r, s, and the bit that tells the public key; s made small.

    Raises:
        EncodingError: Not 65 bytes in hex.
    """
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise EncodingError(f"a signature is hex, got {text[:20]!r}") from error
    if len(data) != WALLET_SIGNATURE_BYTES or data[64] not in _BITS:
        raise EncodingError("a wallet's signature is r, s and 27 or 28, 65 bytes in all")
    s, bit = int.from_bytes(data[32:64]), _BITS[data[64]]
    if s > ORDER // 2:
        s, bit = (ORDER - s) % 2**256, 1 - bit
    return data[:32] + s.to_bytes(32), bit


def recover(signature: bytes, bit: int, text: str) -> bytes:
    """Return the public key whose holder signed a text, 65 bytes.

    Raises:
        SignatureError: No key can have made that signature.
    """
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    y = pow(pow(r, 3, PRIME) + 7, (PRIME + 1) // 4, PRIME)
    on_curve = (y * y - pow(r, 3, PRIME) - 7) % PRIME == 0
    if not 0 < r < ORDER or not 0 < s < ORDER or not on_curve:
        raise SignatureError("no account can have made that signature")
    point = (r, y if y % 2 == bit else PRIME - y)
    digest, inverse = int.from_bytes(text_digest(text)), pow(r, -1, ORDER)
    made = _sum(_times(point, s * inverse % ORDER), _times(_BASE, -digest * inverse % ORDER))
    if made is None:
        raise SignatureError("no account can have made that signature")
    return b"\x04" + made[0].to_bytes(32) + made[1].to_bytes(32)


def _sum(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return other if one is None else one
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % PRIME == 0:
        return None
    if one == other:
        slope = 3 * x1 * x1 * pow(2 * y1, -1, PRIME) % PRIME
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, PRIME) % PRIME
    x3 = (slope * slope - x1 - x2) % PRIME
    return x3, (slope * (x1 - x3) - y1) % PRIME


def _times(point: Point, number: int) -> Point:
    result: Point = None
    while number:
        if number & 1:
            result = _sum(result, point)
        point, number = _sum(point, point), number >> 1
    return result
