"""Status lists against @sd-jwt/jwt-status-list, both ways: what one writes the other reads."""

import random

import pytest

from tallystick.identity import generate, jws
from tallystick.identity.status_list import TYPE, Status, StatusList, verify_list
from tests.oracles import kit

pytestmark = pytest.mark.oracle
NOW, URI = 1_790_000_000, "https://clinic.example/status/1"
SIGNER = generate()


def statuses(bits: int, count: int) -> list[int]:
    chosen = random.Random(bits)
    return [chosen.randrange(1 << bits) for _ in range(count)]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [8, 1000])
def test_we_read_what_the_other_library_writes(bits: int, count: int) -> None:
    wanted = statuses(bits, count)
    listed = {"bits": bits, "lst": kit.write_status_list(wanted, bits)}
    token = jws.sign({"typ": TYPE}, {"sub": URI, "iat": NOW, "status_list": listed}, SIGNER)

    read = verify_list(token, SIGNER.public, URI, NOW)

    assert [read.value(place) for place in range(count)] == wanted


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_other_library_reads_what_we_write(bits: int) -> None:
    wanted = [value % 3 for value in statuses(bits, 200)]
    made = StatusList(URI, bytes(200 * bits // 8), bits)
    for place, value in enumerate(wanted):
        made = made.with_status(place, Status(value))

    assert kit.read_status_list(made.sign(SIGNER, NOW)) == wanted
