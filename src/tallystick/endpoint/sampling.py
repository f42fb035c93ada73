"""Choose the next token: by chance among what is likely, and the same again for the same seed."""

from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tallystick.endpoint.network import Floats
from tallystick.endpoint.tokens import Mark

TEMPERATURE_MIN: Final = 1e-3
"""Below it the likeliest token is taken: a difference of scores would grow beyond numbers."""

_NEVER_SAID: Final = [mark for mark in Mark if mark is not Mark.END]
"""Marks that only a conversation's form may set."""


class Sampler:
    """Chooses the tokens of one answer."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        """Begin an answer.

        Args:
            temperature: 0 always takes the likeliest; 1 follows the model's probabilities.
            top_p: Only the likeliest tokens that together have this probability come into play.
            seed: Fixes the choices. Without one they differ from answer to answer.
        """
        self._temperature, self._top_p = temperature, top_p
        # Python promises that these numbers stay the same for a seed; NumPy's may change.
        self._random = Random(seed)  # noqa: S311 - chooses words, guards nothing

    def choose(self, scores: Floats) -> int:
        """Return a token.

        Args:
            scores: Logits, one per token of the vocabulary.
        """
        scores = scores.copy()
        scores[_NEVER_SAID] = -np.inf
        if self._temperature < TEMPERATURE_MIN:
            return int(scores.argmax())
        chances = _chances(scores.astype(np.float64) / self._temperature)
        order = np.argsort(-chances, kind="stable")
        sums = np.cumsum(chances[order])
        # The token that reaches `top_p` belongs to those in play, so there is always one.
        last = min(int(np.searchsorted(sums, self._top_p)), len(sums) - 1)
        point = self._random.random() * sums[last]
        return int(order[min(int(np.searchsorted(sums, point, side="right")), last)])


def _chances(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max())
    chances: NDArray[np.float64] = powers / powers.sum()
    return chances
