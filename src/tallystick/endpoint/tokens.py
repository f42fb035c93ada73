"""Text as tokens and back: byte-pair encoding, without loss for any text.

Tokens below 256 are bytes, the next ones are marks that no text can make (so that nobody writes
another role's turn into a message), the rest stand for pairs of tokens that the training text
joined most often.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final

BYTES: Final = 256
PIECE_LETTERS_MAX: Final = 32
"""Longest piece that pairs are joined in; bounds the work, which is quadratic in it."""
PIECES_KEPT_MAX: Final = 4096
"""Pieces whose tokens are remembered."""

_N: Final = PIECE_LETTERS_MAX
_PIECE: Final = re.compile(
    rf" ?[^\W\d_]{{1,{_N}}}| ?\d| ?_{{1,{_N}}}| ?[^\w\s]{{1,{_N}}}|\s{{1,{_N}}}(?!\S)|\s"
)

Pair = tuple[int, int]


class Mark(IntEnum):
    """Tokens that are no text."""

    TEXT = 256
    """A text begins."""
    SYSTEM = 257
    """What holds for the whole conversation begins."""
    USER = 258
    """A question begins."""
    ASSISTANT = 259
    """An answer begins."""
    END = 260
    """What one of them said ends."""


FIRST_PAIR: Final = BYTES + len(Mark)


class Tokens:
    """The vocabulary of a model."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        """Take the pairs in the order in which training joined them.

        Args:
            pairs: Each of two tokens that are known before it, and no marks; a model file is
                checked for that when it is read.
        """
        self._ranks = {pair: FIRST_PAIR + at for at, pair in enumerate(pairs)}
        self._bytes = [bytes([value]) for value in range(BYTES)] + [b""] * len(Mark)
        for left, right in pairs:
            self._bytes.append(self._bytes[left] + self._bytes[right])
        self._encode_piece = lru_cache(PIECES_KEPT_MAX)(self._join)

    def __len__(self) -> int:
        """Return how many tokens there are."""
        return len(self._bytes)

    def encode(self, text: str, most: int | None = None) -> list[int]:
        """Return the tokens of a text; a lone surrogate, which is no character, becomes `?`.

        Args:
            text: Any.
            most: Where to stop: of a longer text a few more than so many tokens are returned, so
                that whoever cannot take them need not wait for all.
        """
        tokens: list[int] = []
        for piece in pieces(text):
            tokens += self._encode_piece(piece)
            if most is not None and len(tokens) > most:
                break
        return tokens

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes that a token stands for; marks stand for none."""
        return self._bytes[token]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(map(self.bytes_of, tokens)).decode(errors="replace")

    def _join(self, piece: str) -> tuple[int, ...]:
        """Join pairs, those first that training joined first."""
        tokens = list(piece.encode(errors="replace"))
        while len(tokens) > 1:
            known = [
                (self._ranks[pair], at)
                for at, pair in enumerate(pairwise(tokens))
                if pair in self._ranks
            ]
            if not known:
                break
            joined, at = min(known)
            tokens[at : at + 2] = [joined]
        return tuple(tokens)


class Decoder:
    """Text of tokens that come one by one: a character appears with its last byte."""

    def __init__(self, tokens: Tokens) -> None:
        """Begin a text."""
        self._tokens = tokens
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def take(self, token: int) -> str:
        """Return what a token adds, nothing where its character is not whole yet."""
        return self._utf8.decode(self._tokens.bytes_of(token))

    def end(self) -> str:
        """Return what is left of a character that never became whole."""
        return self._utf8.decode(b"", final=True)


def pieces(text: str) -> Iterator[str]:
    """Cut a text into words and what stands between them; no pair reaches over a cut."""
    return (found.group() for found in _PIECE.finditer(text))
