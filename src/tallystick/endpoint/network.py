"""The network: a decoder-only transformer in NumPy, with a cache of what was attended to.

Each token is a row of the embedding. A layer adds what attention to the tokens before it gives,
then what two linear maps with a squared rectifier between them give. Rows, queries and keys are
normalised to a mean square of one; queries and keys are rotated by their position, so that only
distances count. The embedding also turns the last row into the next token's scores.

Source:
    Vaswani et al., "Attention Is All You Need" (2017); Su et al., "RoFormer" (2021), section 3.2;
    So et al., "Primer" (2021), section 4 for the squared rectifier.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallystick.endpoint.tokens import FIRST_PAIR
from tallystick.endpoint.weights import EMBEDDING, Matrix, Shape, Weights

SHARPNESS: Final = 0.35
"""What products of queries and keys are multiplied by before they become shares."""
ROTATION_BASE: Final = 10_000.0
SMALL: Final = 1e-6
"""Keeps the mean square of a row of zeros from dividing by zero."""

Floats = NDArray[np.float32]


class Layer(NamedTuple):
    """The matrices of a layer, each turned so that rows are multiplied by it."""

    attend: Floats
    attended: Floats
    widen: Floats
    narrow: Floats


class Network:
    """A model that is ready to compute; never changed, so any thread may use it."""

    def __init__(self, weights: Weights) -> None:
        """Unpack the numbers: four bytes each from here on."""
        self.shape = shape = weights.shape
        self.vocabulary = FIRST_PAIR + len(weights.pairs)
        sizes = {name: size for name, *size in shape.matrices(self.vocabulary)}
        unpacked = {n: _unpack(m, *sizes[n]) for n, m in weights.matrices.items()}
        self._embedding = unpacked[EMBEDDING]
        self._layers = [
            Layer(*(unpacked[f"{layer}.{name}"].T for name in Layer._fields))
            for layer in range(shape.layers)
        ]
        self._cos, self._sin = _rotations(shape)

    def cache(self) -> "Cache":
        """Return an empty cache, for one conversation."""
        return Cache(self.shape)

    def read(self, tokens: list[int], cache: "Cache") -> Floats:
        """Take tokens in, and return what the network makes of each.

        Args:
            tokens: What follows the tokens that `cache` has; at least one.
            cache: Belongs to the caller, who sees to it that the context is not exceeded.

        Returns:
            Hidden states, one row per token.
        """
        first, last = cache.size, cache.size + len(tokens)
        states = _normal(self._embedding[tokens])
        mask = None if len(tokens) == 1 else _mask(first, last)
        for at, layer in enumerate(self._layers):
            states = states + self._attend(at, _normal(states), cache, mask)
            inner = np.maximum(_normal(states) @ layer.widen, 0)
            states = states + (inner * inner) @ layer.narrow
        cache.size = last
        return _normal(states)

    def scores(self, states: Floats) -> Floats:
        """Return how much speaks for each token to come next: logits, a row per state."""
        return states @ self._embedding.T

    def _attend(self, layer: int, states: Floats, cache: "Cache", mask: Floats | None) -> Floats:
        first, count = cache.size, len(states)
        heads, matrices = self.shape.heads, self._layers[layer]
        split = (states @ matrices.attend).reshape(count, 3, heads, self.shape.width // heads)
        turned = self._rotate(_normal(split[:, :2]), first)
        queries = turned[:, 0]
        cache.keys[layer, :, first : first + count] = turned[:, 1].swapaxes(0, 1)
        cache.values[layer, :, first : first + count] = split[:, 2].swapaxes(0, 1)
        keys = cache.keys[layer, :, : first + count]
        shares = queries.swapaxes(0, 1) @ keys.swapaxes(1, 2) * np.float32(SHARPNESS)
        if mask is not None:
            shares += mask
        values: Floats = cache.values[layer, :, : first + count]
        attended: Floats = (_softmax(shares) @ values).swapaxes(0, 1)
        attended = attended.reshape(count, self.shape.width)
        return attended @ matrices.attended

    def _rotate(self, rows: Floats, first: int) -> Floats:
        """Turn pairs of numbers (one of each half) by an angle that grows with the position."""
        cos = self._cos[first : first + len(rows), None, None]
        sin = self._sin[first : first + len(rows), None, None]
        half = rows.shape[-1] // 2
        low, high, turned = rows[..., :half], rows[..., half:], np.empty_like(rows)
        turned[..., :half] = low * cos - high * sin
        turned[..., half:] = low * sin + high * cos
        return turned


class Cache:
    """Keys and values of the tokens so far: by layer, head and position."""

    __slots__ = ("keys", "size", "values")

    def __init__(self, shape: Shape) -> None:
        """Take the memory for the longest conversation at once."""
        size = (shape.layers, shape.heads, shape.context, shape.width // shape.heads)
        self.keys: Floats = np.zeros(size, np.float32)
        self.values: Floats = np.zeros(size, np.float32)
        self.size = 0


def _unpack(matrix: Matrix, rows: int, columns: int) -> Floats:
    scales = np.frombuffer(matrix.scales, "<f2").astype(np.float32)
    values = np.frombuffer(matrix.values, np.int8).reshape(rows, columns)
    return values * scales[:, None]


def _rotations(shape: Shape) -> tuple[Floats, Floats]:
    half = shape.width // shape.heads // 2
    speeds = ROTATION_BASE ** (-np.arange(half) / half)
    angles = np.outer(np.arange(shape.context), speeds).astype(np.float32)
    return np.cos(angles), np.sin(angles)


def _mask(first: int, last: int) -> Floats:
    """Return what keeps a token from seeing those after it."""
    return np.triu(np.full((last - first, last), -np.inf, np.float32), first + 1)


def _normal(rows: Floats) -> Floats:
    # Not `np.mean`, which takes four times as long for rows as short as these.
    squares: Floats = (rows * rows).sum(axis=-1, keepdims=True)
    normal: Floats = rows / np.sqrt(squares / np.float32(rows.shape[-1]) + np.float32(SMALL))
    return normal


def _softmax(rows: Floats) -> Floats:
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares
