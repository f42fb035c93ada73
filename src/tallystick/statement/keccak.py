"""Keccak-256 as Ethereum has it: SHA-3 before its padding was changed. For short inputs.

The standard library has the later one only, and a verifier installs nothing for an address.

Source:
    Keccak reference 3.0, sections 1.2 and 2.1; FIPS 202 for the permutation.
"""

from typing import Final

RATE_BYTES: Final = 136
LANES: Final = 25
_MASK: Final = 2**64 - 1


def _round_constants() -> tuple[int, ...]:
    """Return the constants of the 24 rounds, from the register that defines them."""
    state, constants = 1, []
    for _ in range(24):
        constant = 0
        for power in range(7):
            if state & 1:
                constant |= 1 << (2**power - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _offsets() -> tuple[int, ...]:
    """Return by how much each lane is turned, by its place x + 5 y."""
    turned, x, y = [0] * LANES, 1, 0
    for step in range(24):
        turned[x + 5 * y] = (step + 1) * (step + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(turned)


_CONSTANTS: Final = _round_constants()
_OFFSETS: Final = _offsets()


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte digest."""
    filled = -(len(data) + 1) % RATE_BYTES
    padded = bytearray(data + b"\x01" + bytes(filled))
    padded[-1] |= 0x80
    lanes = [0] * LANES
    for at in range(0, len(padded), RATE_BYTES):
        for lane in range(RATE_BYTES // 8):
            place = at + 8 * lane
            lanes[lane] ^= int.from_bytes(padded[place : place + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _permuted(lanes: list[int]) -> list[int]:
    for constant in _CONSTANTS:
        columns = [
            lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
            for x in range(5)
        ]
        mixed = [columns[(x + 4) % 5] ^ _turned(columns[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * LANES
        for place in range(LANES):
            x, y = place % 5, place // 5
            lane = _turned(lanes[place] ^ mixed[x], _OFFSETS[place])
            moved[y + 5 * ((2 * x + 3 * y) % 5)] = lane
        lanes = [
            moved[at] ^ (~moved[at - at % 5 + (at + 1) % 5] & moved[at - at % 5 + (at + 2) % 5])
            for at in range(LANES)
        ]
        lanes[0] ^= constant
    return lanes


def _turned(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & _MASK
