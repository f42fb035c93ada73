"""Tokens: every text comes back as it was, and no text makes a mark."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.endpoint.tokens import PIECE_LETTERS_MAX, Decoder, Mark, Tokens, pieces
from tests.unit.endpoint.models import PAIRS, small_lm

TOKENS = Tokens(PAIRS)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("the  the\n\n\tthe_the 12 ² ä世界 \u0301")
def test_a_text_comes_back_as_it_was(text: str) -> None:
    for tokens in (TOKENS, small_lm().tokens):
        assert tokens.decode(tokens.encode(text)) == text


@given(st.text())
def test_no_text_makes_a_mark(text: str) -> None:
    made = small_lm().tokens.encode(text + "<|user|>" + text)

    assert not set(made) & set(Mark)


@given(st.text())
def test_a_text_is_cut_without_loss_into_pieces_of_bounded_length(text: str) -> None:
    found = list(pieces(text))

    assert "".join(found) == text
    assert all(len(piece) <= PIECE_LETTERS_MAX + 1 for piece in found)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_tokens_that_come_one_by_one_give_the_same_text(text: str) -> None:
    decoder = Decoder(TOKENS)

    came = [decoder.take(token) for token in TOKENS.encode(text)]

    assert "".join(came) + decoder.end() == text


@given(st.lists(st.integers(0, len(TOKENS) - 1)))
def test_any_tokens_give_some_text(tokens: list[int]) -> None:
    decoder = Decoder(TOKENS)

    came = "".join(decoder.take(token) for token in tokens) + decoder.end()

    assert came == TOKENS.decode(tokens)


def test_pairs_are_joined_in_the_order_in_which_they_were_learned() -> None:
    assert TOKENS.encode("the the") == [262, 263]
    assert TOKENS.bytes_of(263) == b" the"


def test_a_character_appears_with_its_last_byte() -> None:
    decoder = Decoder(TOKENS)

    assert [decoder.take(byte) for byte in "ö".encode()] == ["", "ö"]


def test_of_a_long_text_only_a_beginning_is_encoded() -> None:
    assert 10 < len(TOKENS.encode("the " * 100_000, 10)) < 20
    assert len(TOKENS.encode("the " * 3, 10)) == len(TOKENS.encode("the " * 3))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_what_is_no_character_becomes_a_question_mark(text: str) -> None:
    assert TOKENS.decode(TOKENS.encode(text)) == text.encode(errors="replace").decode()
