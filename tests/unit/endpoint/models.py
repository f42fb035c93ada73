"""Small networks with random weights, and the one that ships, for tests."""

from functools import cache

import numpy as np

from tallystick.endpoint import SmallLm, load_small_lm
from tallystick.endpoint.tokens import FIRST_PAIR
from tallystick.endpoint.weights import Matrix, Shape, Weights

SHAPE = Shape(layers=2, width=16, heads=2, context=48)
PAIRS = ((116, 104), (FIRST_PAIR, 101), (32, FIRST_PAIR + 1), (195, 164))
"""Of `th`, `the`, ` the` and the two bytes of an a with dots."""


@cache
def small_lm() -> SmallLm:
    """Return the model that ships with the product."""
    return load_small_lm()


def random_weights(seed: int = 0, shape: Shape = SHAPE) -> Weights:
    """Return a model that says anything."""
    random = np.random.default_rng(seed)
    matrices = {}
    for name, rows, columns in shape.matrices(FIRST_PAIR + len(PAIRS)):
        values = random.integers(-127, 128, (rows, columns), dtype=np.int8)
        scales = np.full(rows, 0.01, "<f2")
        matrices[name] = Matrix(scales.tobytes(), values.tobytes())
    return Weights(shape, PAIRS, matrices)


def random_model(seed: int = 0) -> SmallLm:
    """Return it ready to be served, under the name of the one that ships."""
    return SmallLm(random_weights(seed), bytes(32))
