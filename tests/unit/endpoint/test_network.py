"""The network: a cache changes nothing but the time, and later tokens change nothing earlier."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.endpoint.network import Network
from tests.unit.endpoint.models import SHAPE, random_model, random_weights, small_lm

NETWORK = Network(random_weights())
TEXT = st.lists(st.integers(0, NETWORK.vocabulary - 1), min_size=2, max_size=SHAPE.context)


@given(TEXT, st.data())
@settings(max_examples=50)
def test_reading_in_parts_is_reading_at_once(tokens: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(tokens) - 1))
    cache = NETWORK.cache()

    parts = [NETWORK.read(tokens[:cut], cache)]
    parts += [NETWORK.read([token], cache) for token in tokens[cut:]]

    at_once = NETWORK.scores(NETWORK.read(tokens, NETWORK.cache()))
    np.testing.assert_allclose(NETWORK.scores(np.concatenate(parts)), at_once, atol=1e-3)
    assert cache.size == len(tokens)


@given(TEXT)
@settings(max_examples=20)
def test_what_comes_later_changes_nothing_earlier(tokens: list[int]) -> None:
    whole = NETWORK.read(tokens, NETWORK.cache())

    begun = NETWORK.read(tokens[:-1], NETWORK.cache())

    np.testing.assert_allclose(whole[:-1], begun, atol=1e-4)


def test_shapes_are_as_said() -> None:
    states = NETWORK.read([1, 2, 3], NETWORK.cache())

    assert states.shape == (3, SHAPE.width)
    assert states.dtype == np.float32
    assert NETWORK.scores(states).shape == (3, NETWORK.vocabulary)
    assert NETWORK.scores(states[-1]).shape == (NETWORK.vocabulary,)


def test_the_model_that_ships_reads_in_parts_as_at_once() -> None:
    model = small_lm()
    tokens = model.tokens.encode("Return a string which is the concatenation of the strings. " * 8)
    cache = model.network.cache()

    stepwise = [model.network.scores(model.network.read([t], cache))[0] for t in tokens]

    at_once = model.network.scores(model.network.read(tokens, model.network.cache()))
    np.testing.assert_allclose(np.array(stepwise), at_once, atol=1e-2)


def test_what_is_measured_is_true_of_what_ships() -> None:
    """A sentence of English costs less than frequencies alone would, and noise costs more."""
    model = small_lm()

    english = bits_per_byte("Return the name of the file, or None if there is no such file.")
    noise = bits_per_byte("q7#Zk!0vX@w~P^9|Lr%j&5")

    assert english < 2.5 < noise
    assert model.network.shape.context == 512


def bits_per_byte(text: str) -> float:
    model = small_lm()
    tokens = [256, *model.tokens.encode(text)]
    scores = model.network.scores(model.network.read(tokens[:-1], model.network.cache()))
    logs = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    costs = -logs[np.arange(len(tokens) - 1), tokens[1:]]
    return float(costs.sum() / np.log(2) / len(text.encode()))


def test_a_token_costs_milliseconds_at_most() -> None:
    """Ten times what it takes on a busy machine: whoever forgets the cache needs longer."""
    network = small_lm().network
    cache = network.cache()
    network.read([1] * 300, cache)

    begun = time.perf_counter()
    for _ in range(100):
        network.scores(network.read([1], cache))

    assert (time.perf_counter() - begun) / 100 < 0.01


def test_another_seed_makes_another_model() -> None:
    one, other = (random_model(seed).network for seed in (1, 2))

    with pytest.raises(AssertionError):
        np.testing.assert_allclose(one.read([1], one.cache()), other.read([1], other.cache()))
