"""Files of models: what is damaged is refused with our error, and with no other."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.endpoint import open_weights, small_lm_card, small_lm_file
from tallystick.endpoint.weights import (
    WEIGHTS_BYTES_MAX,
    Matrix,
    Shape,
    Weights,
    parse_weights,
)
from tallystick.errors import DamagedError, EncodingError, LimitError
from tests.unit.endpoint.models import PAIRS, SHAPE, random_weights

FILE = random_weights().encode()


def test_what_is_written_is_read_again() -> None:
    assert parse_weights(FILE) == random_weights()
    assert parse_weights(FILE).encode() == FILE


def test_the_file_that_ships_is_the_one_that_its_card_names_and_is_small() -> None:
    card, file = small_lm_card(), small_lm_file()

    weights = open_weights(file, card.digest)

    assert len(file) == card.weights_bytes <= WEIGHTS_BYTES_MAX
    assert weights.shape.layers == 3


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    damaged = bytearray(FILE)
    damaged[at] ^= change

    with pytest.raises(DamagedError, match="SHA-256"):
        open_weights(bytes(damaged), sha256(FILE).digest())


@given(st.binary(max_size=400) | st.integers(0, len(FILE) - 1).map(lambda end: FILE[:end]))
def test_hostile_bytes_raise_our_error_and_no_other(file: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_weights(file)
    with pytest.raises(DamagedError, match="cannot be read"):
        open_weights(file, sha256(file).digest())


def test_a_file_may_be_so_large_and_no_larger() -> None:
    with pytest.raises(EncodingError):
        parse_weights(bytes(WEIGHTS_BYTES_MAX))
    with pytest.raises(LimitError, match="500001 bytes"):
        parse_weights(bytes(WEIGHTS_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        (Shape(layers=0, width=16, heads=2, context=48), "layers"),
        (Shape(layers=2, width=16, heads=2, context=10**6), "context"),
        (Shape(layers=2, width=16, heads=3, context=48), "heads"),
        (Shape(layers=2, width=18, heads=6, context=48), "even"),
    ],
)
def test_a_shape_of_which_nothing_can_be_made_is_refused(shape: Shape, what: str) -> None:
    file = Weights(shape, (), random_weights().matrices).encode()

    with pytest.raises(EncodingError, match=what):
        parse_weights(file)


@pytest.mark.parametrize("pair", [(256, 1), (265, 1), (1, 40_000)])
def test_a_pair_of_what_is_not_there_before_it_is_refused(pair: tuple[int, int]) -> None:
    file = Weights(SHAPE, (*PAIRS, pair), random_weights().matrices).encode()

    with pytest.raises(EncodingError, match="pair 4"):
        parse_weights(file)


def test_a_matrix_of_another_size_is_refused() -> None:
    good = random_weights()
    matrices = {**good.matrices, "1.narrow": Matrix(b"", b"")}

    with pytest.raises(EncodingError, match=r"1\.narrow"):
        parse_weights(Weights(SHAPE, PAIRS, matrices).encode())
