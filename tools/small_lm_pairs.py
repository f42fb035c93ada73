"""Learn a vocabulary: join the most frequent pair of tokens, again and again."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from tallystick.endpoint.tokens import FIRST_PAIR, Pair, pieces


def learn_pairs(texts: Iterable[str], count: int) -> list[Pair]:
    """Return the pairs in the order in which they were joined.

    Of equally frequent pairs the lowest comes first, so that a text gives one vocabulary.
    """
    counts = Counter(piece for text in texts for piece in pieces(text))
    words = [(list(piece.encode()), often) for piece, often in sorted(counts.items())]
    often_of: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for at, (word, often) in enumerate(words):
        for pair in pairwise(word):
            often_of[pair] += often
            where[pair].add(at)
    pairs: list[Pair] = []
    while len(pairs) < count:
        best = max(often_of, key=lambda pair: (often_of[pair], -pair[0], -pair[1]))
        for at in where.pop(best):
            _join(words[at], at, best, FIRST_PAIR + len(pairs), often_of, where)
        del often_of[best]
        pairs.append(best)
    return pairs


def _join(
    entry: tuple[list[int], int],
    at: int,
    best: Pair,
    token: int,
    often_of: Counter[Pair],
    where: defaultdict[Pair, set[int]],
) -> None:
    """Join a pair in one word, and count that word's pairs anew."""
    word, often = entry
    for pair in pairwise(word):
        often_of[pair] -= often
    place = 0
    while place < len(word) - 1:
        if (word[place], word[place + 1]) == best:
            word[place : place + 2] = [token]
        place += 1
    for pair in pairwise(word):
        often_of[pair] += often
        where[pair].add(at)
