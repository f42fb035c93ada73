"""Answers: the same for the same seed, cut where they are to be, counted as they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.endpoint.generation import READ_TOKENS, Generation, MeanStates, prompt_of
from tallystick.endpoint.problems import ProblemError
from tallystick.endpoint.requests import ChatRequest, Message
from tallystick.endpoint.sampling import Sampler
from tallystick.endpoint.tokens import Mark
from tallystick.endpoint.work import Piece, Stops
from tests.unit.endpoint.models import SHAPE, random_model, small_lm

MODEL = random_model()


def request(text: str = "What is the?", **options: Any) -> ChatRequest:
    return ChatRequest(model="small-lm", messages=[Message("user", text)], **options)


def run(generation: Generation) -> list[Piece]:
    pieces = []
    while not generation.done:
        if (piece := generation.step()) is not None:
            pieces.append(piece)
    return pieces


def answer(**options: Any) -> str:
    return "".join(piece.text for piece in run(MODEL.answer(request(**options))))


def test_one_seed_gives_one_answer_and_others_give_others() -> None:
    assert answer(seed=7) == answer(seed=7)
    assert len({answer(seed=seed) for seed in range(5)}) > 1
    assert len({answer() for _ in range(5)}) > 1


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 1e-9}, {"top_p": 0}])
def test_without_chance_the_answer_is_always_the_same(options: dict[str, float]) -> None:
    assert len({answer(**options) for _ in range(3)}) == 1


def test_there_is_a_piece_per_token_and_a_closing_one() -> None:
    generation = MODEL.answer(request(max_tokens=9, seed=3))

    pieces = run(generation)

    assert [piece.finish for piece in pieces] == [None] * 9 + ["length"]
    assert generation.completion_tokens == 9
    assert generation.prompt_tokens == len(MODEL.tokens.encode("What is the?")) + 3


def test_the_lower_of_two_limits_holds() -> None:
    generation = MODEL.answer(request(max_tokens=9, max_completion_tokens=4))

    assert len(run(generation)) == 4 + 1


def test_an_answer_ends_where_the_context_does() -> None:
    for generation in (MODEL.answer(request(seed=seed)) for seed in range(5)):
        finish = run(generation)[-1].finish
        full = generation.prompt_tokens + generation.completion_tokens == SHAPE.context

        assert (finish == "length") == full


def test_a_long_question_is_read_in_steps() -> None:
    generation = small_lm().answer(request("the file " * 150))

    steps = [generation.step() for _ in range(generation.prompt_tokens // READ_TOKENS)]

    assert generation.prompt_tokens > READ_TOKENS
    assert not any(steps)


def test_a_question_may_fill_the_context_but_for_one_token() -> None:
    room = SHAPE.context - 4

    generation = MODEL.answer(request("1" * room))
    assert run(generation)[-1].finish in {"length", "stop"}
    assert generation.prompt_tokens == SHAPE.context - 1
    with pytest.raises(ProblemError, match="48 tokens") as caught:
        MODEL.answer(request("1" * (room + 1)))
    assert caught.value.problem.code == "context_length_exceeded"


def test_a_conversation_has_a_form_that_its_text_cannot_break() -> None:
    messages = [Message("developer", "a"), Message("user", "b<|end|>"), Message("assistant", "c")]

    prompt = prompt_of(messages, MODEL.tokens, 100)

    marks = [token for token in prompt if token in set(Mark)]
    assert marks == [
        Mark.SYSTEM, Mark.END, Mark.USER, Mark.END, Mark.ASSISTANT, Mark.END, Mark.ASSISTANT,
    ]  # fmt: skip


def test_a_stop_ends_an_answer_before_it() -> None:
    whole = answer(seed=5)
    stop = whole[len(whole) // 2 :][:3]
    generation = MODEL.answer(request(seed=5, stop=[stop, "nowhere to be found"]))

    pieces = run(generation)

    assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)]
    assert pieces[-1].finish == "stop"


@given(st.text("ab"), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.data())
def test_stops_are_found_however_the_text_is_cut(
    text: str, stops: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    looking, came = Stops(tuple(stops)), ""

    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        came += looking.take(text[start:end])
        if looking.found:
            break
    came += looking.end()

    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    # Of what has come, the earliest stop counts; a longer one that began before may end later.
    assert looking.found == bool(ends)
    assert text.startswith(came)
    assert not any(stop in came for stop in stops)
    if not ends:
        assert came == text


def test_choices_follow_the_chances() -> None:
    scores = np.log(np.array([0.7, 0.2, 0.1], np.float32))
    scores = np.concatenate((scores, np.full(300, -np.inf, np.float32)))
    sampler = Sampler(1.0, 1.0, 11)

    chosen = [sampler.choose(scores) for _ in range(3000)]

    assert [round(chosen.count(token) / 3000, 1) for token in range(3)] == [0.7, 0.2, 0.1]


@pytest.mark.parametrize(
    ("top_p", "tokens"), [(0.0, {0}), (0.69, {0}), (0.75, {0, 1}), (1, {0, 1, 2})]
)
def test_only_the_likeliest_come_into_play(top_p: float, tokens: set[int]) -> None:
    scores = np.log(np.array([0.7, 0.2, 0.1], np.float32))
    scores = np.concatenate((scores, np.full(300, -np.inf, np.float32)))
    sampler = Sampler(1.0, top_p, 11)

    assert {sampler.choose(scores) for _ in range(500)} == tokens


def test_a_mark_that_only_the_form_may_set_is_never_chosen() -> None:
    scores = np.zeros(300, np.float32)
    scores[[Mark.TEXT, Mark.SYSTEM, Mark.USER, Mark.ASSISTANT]] = 50

    assert Sampler(0, 1.0, None).choose(scores) not in set(Mark)


def test_vectors_have_length_one_and_depend_on_their_text_alone() -> None:
    work = MeanStates(MODEL.network, MODEL.tokens, ["the", "other text", "the", ""])
    vectors = []

    while not work.done:
        if (vector := work.step()) is not None:
            vectors.append(vector)

    assert [round(sum(v * v for v in vector), 5) for vector in vectors] == [1.0] * 4
    assert vectors[0] == vectors[2] != vectors[1]
    assert {len(vector) for vector in vectors} == {SHAPE.width}


def test_a_text_longer_than_the_context_has_no_vector() -> None:
    MeanStates(MODEL.network, MODEL.tokens, ["1" * (SHAPE.context - 1)])
    with pytest.raises(ProblemError, match="input"):
        MeanStates(MODEL.network, MODEL.tokens, ["1" * SHAPE.context])
