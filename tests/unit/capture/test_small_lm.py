"""A real model behind the gateway: every token passes when it is there, and all is recorded."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from tallystick.endpoint import SMALL_LM, endpoint_app
from tests.unit.capture.gateways import House, Kept, calls, check_numbers, gateway_on
from tests.unit.capture.served import ask, serving
from tests.unit.endpoint.models import small_lm

CLIENTS = 16
TOKENS = 40
ASKED: Any = [{"role": "user", "content": "Tell me about os.path.join."}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with serving(endpoint_app([small_lm()])) as url:
        yield url


@pytest.fixture
def kept(house: House, upstream: str) -> Iterator[Kept]:
    with gateway_on(house, upstream, models={SMALL_LM: small_lm().digest}) as running:
        yield running


async def streamed(client: AsyncOpenAI, seed: int) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model=SMALL_LM, messages=ASKED, seed=seed, temperature=1, max_tokens=TOKENS,
        stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    return [chunk async for chunk in stream]


def deltas(chunks: list[ChatCompletionChunk]) -> list[Any]:
    """Return what a stream says, event by event, without what differs from answer to answer."""
    return [chunk.model_dump(exclude={"id", "created"}) for chunk in chunks]


async def all_streams(url: str) -> list[list[Any]]:
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as client:
        answers = await asyncio.gather(*(streamed(client, seed) for seed in range(CLIENTS)))
    return [deltas(chunks) for chunks in answers]


def test_an_answer_of_the_model_is_recorded_with_its_tokens(kept: Kept) -> None:
    raw = kept.client().chat.completions.with_raw_response.create(
        model=SMALL_LM, messages=ASKED, seed=3, max_tokens=TOKENS
    )

    answer = raw.parse()
    intent_id, outcome_id = (
        bytes.fromhex(raw.headers[f"x-tallystick-{name}"]) for name in ("intent", "outcome")
    )
    intent, outcome = kept.intent(intent_id), kept.outcome(outcome_id)
    assert (intent.model, intent.parameters["seed"]) == (SMALL_LM, 3)
    assert (outcome.status, outcome.model) == ("ok", SMALL_LM)
    assert outcome.answer == answer.choices[0].message.content
    assert answer.usage is not None
    assert outcome.usage == answer.usage.model_dump(exclude_none=True)
    for statement in (intent_id, outcome_id):
        assert kept.found(statement).statement.header.model == small_lm().digest


def test_a_stream_is_recorded_as_it_was_read(kept: Kept) -> None:
    client = kept.client()
    raw = client.chat.completions.with_raw_response.create(
        model=SMALL_LM, messages=ASKED, seed=5, max_tokens=TOKENS,
        stream=True, stream_options={"include_usage": True},
    )  # fmt: skip

    chunks: list[ChatCompletionChunk] = list(raw.parse())

    outcome = kept.outcome_of(bytes.fromhex(raw.headers["x-tallystick-intent"]))
    usage = chunks[-1].usage
    said = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert outcome.status == "ok"
    assert outcome.answer == "".join(said)
    assert usage is not None
    assert outcome.usage == usage.model_dump(exclude_none=True)
    assert outcome.finish_reasons == (chunks[-2].choices[0].finish_reason,)
    assert outcome.first_byte_ms is not None
    assert outcome.first_byte_ms < outcome.duration_ms


def test_sixteen_streams_at_once_lose_no_frame(kept: Kept, upstream: str) -> None:
    alone = asyncio.run(all_streams(f"{upstream}/v1"))

    through = asyncio.run(all_streams(kept.url))

    assert through == alone
    assert sum(map(len, through)) > CLIENTS * TOKENS // 2
    assert len(calls(kept, CLIENTS)) == CLIENTS
    check_numbers(kept.ledger, kept.house)


def test_vectors_and_refusals_pass_through_the_gateway(kept: Kept) -> None:
    made = kept.client().embeddings.create(model=SMALL_LM, input="a file")
    refused = kept.ask(b'{"model":"small-lm","messages":[]}')

    assert len(made.data[0].embedding) == 96
    assert refused.status == 400
    assert kept.outcome_of(refused.intent).status == "error"
    assert kept.client().models.retrieve(SMALL_LM).id == SMALL_LM
    assert ask(f"{kept.url}/models/other").status == 404
