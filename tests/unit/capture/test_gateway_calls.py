"""The unmodified official client gets its answers, and every call becomes evidence."""

import asyncio
import itertools
import json
import time
from hashlib import sha256
from typing import Any

from openai import AsyncOpenAI

from tallystick.capture.gateway import KEEP_SECONDS
from tallystick.capture.recorder import QUIET_SECONDS
from tallystick.evidence import Outcome
from tallystick.statement import Relation, verify_disclosure
from tests.unit.capture.gateways import (
    House,
    Kept,
    calls,
    check_numbers,
    gateway_on,
    heartbeats,
    said,
)
from tests.unit.capture.model_api import MODEL, USAGE, ModelApi, completion, events, text_of

PROMPT: Any = [{"role": "user", "content": "Wie geht's, 世界?"}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def comment_of(body: bytes) -> bytes:
    """Return the outcome that the comment at the end of a stream names."""
    *_, comment, end, nothing = body.split(b"\n")
    assert (end, nothing) == (b"", b"")
    return bytes.fromhex(comment.removeprefix(b": tallystick-outcome ").decode())


def test_a_plain_answer_arrives_unchanged_and_is_recorded(kept: Kept, api: ModelApi) -> None:
    raw = kept.client().chat.completions.with_raw_response.create(
        model=MODEL, messages=PROMPT, temperature=0.25, seed=7
    )

    asked = api.last.json()
    intent_id, outcome_id = (
        bytes.fromhex(raw.headers[f"x-tallystick-{name}"]) for name in ("intent", "outcome")
    )
    intent, outcome = kept.intent(intent_id), kept.outcome(outcome_id)
    assert raw.parse().choices[0].message.content == text_of(asked, 0)
    assert intent.request == api.last.body
    assert intent.parameters == {"model": MODEL, "temperature": 0.25, "seed": 7}
    assert (intent.operation, intent.model) == ("chat", MODEL)
    assert intent.upstream == f"{api.url}/v1/chat/completions"
    assert outcome.response == raw.content == completion(asked)
    assert (outcome.status, outcome.http_status, outcome.error) == ("ok", 200, None)
    assert (outcome.answer, outcome.model) == (text_of(asked, 0), MODEL + "-0613")
    assert (outcome.finish_reasons, outcome.response_id) == (("stop",), "chatcmpl-7")
    assert outcome.usage == USAGE
    assert outcome.first_byte_ms is not None
    assert 0 < outcome.first_byte_ms <= outcome.duration_ms


def test_intent_and_outcome_verify_offline_and_belong_together(kept: Kept) -> None:
    answered = kept.ask(b'{"model":"parrot-1","messages":[{"role":"user","content":"x"}]}')

    intent = kept.report(answered.intent).statements[answered.intent].statement
    report = kept.report(answered.outcome)
    outcome = report.statements[answered.outcome].statement
    assert answered.intent in report.statements
    assert outcome.header.links == {Relation.GENERATED_BY: (answered.intent,)}
    assert outcome.header.subject == intent.header.subject
    assert intent.header.issuer == outcome.header.issuer == kept.house.gateway.did


def test_one_field_opens_alone_and_holds_the_exact_bytes(kept: Kept) -> None:
    body = b'{ "model" : "parrot-1",\r\n"messages":[{"role":"user","content":"\\u00e9\xc3\xa9"}] }'

    answered = kept.ask(body)

    statement = kept.found(answered.intent).statement
    disclosure = kept.ledger.vault.get(answered.intent).disclose({"request"})
    assert verify_disclosure(disclosure, statement.payload) == {"request": body}
    statement = kept.found(answered.outcome).statement
    disclosure = kept.ledger.vault.get(answered.outcome).disclose({"response"})
    assert verify_disclosure(disclosure, statement.payload) == {"response": answered.body}


def test_no_word_of_a_call_stands_on_the_ledger_itself(kept: Kept) -> None:
    answered = kept.ask(b'{"model":"m-secret","messages":[{"role":"user","content":"secret"}]}')

    entries = [kept.found(id_).statement.entry for id_ in (answered.intent, answered.outcome)]
    assert b"secret" not in b"".join(entries)
    assert b"127.0.0.1" not in b"".join(entries)


def test_a_stream_arrives_unchanged_and_its_last_line_names_the_outcome(kept: Kept) -> None:
    asked = {"model": MODEL, "messages": PROMPT, "stream": True}

    answered = kept.ask(json.dumps(asked).encode())

    sent = b"".join(events(asked))
    outcome_id = comment_of(answered.body)
    outcome = kept.outcome(outcome_id)
    assert answered.body == sent + b": tallystick-outcome " + outcome_id.hex().encode() + b"\n\n"
    assert "x-tallystick-outcome" not in answered.headers
    assert outcome.response == sent
    assert (outcome.status, outcome.answer) == ("ok", text_of(asked, 0))
    assert (outcome.finish_reasons, outcome.usage) == (("stop",), None)
    assert kept.outcome_of(answered.intent) == outcome
    kept.report(outcome_id)


def test_the_official_client_reads_a_stream_and_its_usage(kept: Kept, api: ModelApi) -> None:
    stream = kept.client().chat.completions.create(
        model=MODEL, messages=PROMPT, stream=True, stream_options={"include_usage": True}
    )

    chunks = list(stream)

    [(intent_id, outcome_id)] = calls(kept, 1)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == text_of(api.last.json(), 0)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == USAGE["total_tokens"]
    assert kept.outcome(outcome_id).usage == USAGE
    assert kept.outcome(outcome_id).answer == text
    assert kept.intent(intent_id).parameters["stream_options"] == {"include_usage": True}


def test_several_choices_are_told_apart(kept: Kept, api: ModelApi) -> None:
    client = kept.client()

    whole = client.chat.completions.create(model=MODEL, messages=PROMPT, n=3)
    streamed = list(client.chat.completions.create(model=MODEL, messages=PROMPT, n=3, stream=True))

    texts = tuple(text_of(api.last.json(), at) for at in range(3))
    assert tuple(choice.message.content for choice in whole.choices) == texts
    assert {chunk.choices[0].index for chunk in streamed} == {0, 1, 2}
    for _, outcome_id in calls(kept, 2):
        outcome = kept.outcome(outcome_id)
        assert (outcome.answer, outcome.alternatives) == (texts[0], texts[1:])
        assert outcome.finish_reasons == ("stop", "stop", "stop")


def test_tool_calls_pass_whole_and_streamed(kept: Kept) -> None:
    client = kept.client()

    whole = client.chat.completions.create(model=MODEL, messages=PROMPT, tools=TOOLS)
    stream = client.chat.completions.create(
        model=MODEL, messages=PROMPT, tools=TOOLS, tool_choice="auto", stream=True
    )
    streamed = [chunk.choices[0] for chunk in stream]

    called = whole.choices[0].message.tool_calls
    assert called
    assert called[0].to_dict()["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}
    assert streamed[-1].finish_reason == "tool_calls"
    [_, (intent_id, _)] = recorded = calls(kept, 2)
    assert kept.intent(intent_id).parameters["tools"] == TOOLS
    assert kept.intent(intent_id).parameters["tool_choice"] == "auto"
    for outcome in (kept.outcome(outcome_id) for _, outcome_id in recorded):
        assert (outcome.status, outcome.finish_reasons) == ("ok", ("tool_calls",))
        assert outcome.answer is None


def test_embeddings_are_recorded_too(kept: Kept, api: ModelApi) -> None:
    answer = kept.client().embeddings.create(model=MODEL, input=["a", "bcd"], dimensions=2)

    [(intent_id, outcome_id)] = calls(kept, 1)
    intent, outcome = kept.intent(intent_id), kept.outcome(outcome_id)
    assert [one.embedding for one in answer.data] == [[0.5, 1.0], [0.5, 3.0]]
    assert (intent.operation, intent.request) == ("embeddings", api.last.body)
    assert intent.parameters["dimensions"] == 2
    assert "input" not in intent.parameters
    assert (outcome.status, outcome.model) == ("ok", MODEL)
    kept.report(outcome_id)


def test_the_list_of_models_passes_and_is_no_call(kept: Kept, api: ModelApi) -> None:
    models = kept.client().models.list()

    assert [model.id for model in models.data] == [MODEL]
    assert api.last.path == "/v1/models"
    assert [one.statement.header.hashed for one in said(kept.ledger, kept.house)] == [False]


def test_the_official_client_works_asynchronously(kept: Kept, api: ModelApi) -> None:
    async def call() -> tuple[list[str | None], str]:
        async with AsyncOpenAI(base_url=kept.url, api_key="sk", max_retries=0) as client:
            asking = [client.chat.completions.create(model=MODEL, messages=PROMPT) for _ in "12345"]
            answers = [one.choices[0].message.content for one in await asyncio.gather(*asking)]
            text = ""
            async for chunk in await client.chat.completions.create(
                model=MODEL, messages=PROMPT, stream=True
            ):
                text += chunk.choices[0].delta.content or ""
            return answers, text

    answers, text = asyncio.run(call())

    expected = text_of(api.last.json(), 0)
    assert (answers, text) == ([expected] * 5, expected)
    assert {kept.outcome(outcome_id).status for _, outcome_id in calls(kept, 6)} == {"ok"}


def test_a_call_names_the_digest_of_the_model_that_was_registered(
    house: House, api: ModelApi
) -> None:
    digest, of_snapshot = sha256(b"weights").digest(), sha256(b"snapshot").digest()
    models = {MODEL: digest, MODEL + "-0613": of_snapshot}
    with gateway_on(house, api.url, models=models) as kept:
        answered = kept.ask(b'{"model":"parrot-1","messages":[{"role":"user","content":"x"}]}')
        other = kept.ask(b'{"model":"other","messages":[{"role":"user","content":"x"}]}')

        assert kept.found(answered.intent).statement.header.model == digest
        assert kept.found(answered.outcome).statement.header.model == of_snapshot
        assert kept.found(other.intent).statement.header.model is None


def test_every_number_is_there_and_an_epoch_is_opened_and_closed(
    house: House, api: ModelApi
) -> None:
    for _ in range(2):
        with gateway_on(house, api.url) as kept:
            kept.client().chat.completions.create(model=MODEL, messages=PROMPT)

    with house.ledger() as ledger:
        numbers, beats = check_numbers(ledger, house), heartbeats(ledger, house)
    assert numbers == [(epoch, seq) for epoch in (0, 1) for seq in range(4)]
    assert [(beat.state, beat.last_seq) for beat in beats] == [
        ("start", None), ("end", 2), ("start", None), ("end", 2),
    ]  # fmt: skip
    assert [beat.open_intents for beat in beats] == [0, 0, 0, 0]
    assert [beat.next_due is None for beat in beats] == [False, True, False, True]


def test_a_heartbeat_comes_once_a_minute_while_calls_do(kept: Kept) -> None:
    body = b'{"model":"parrot-1","messages":[{"role":"user","content":"x"}]}'
    kept.ask(body)
    kept.house.clock.now += 61
    answered = kept.ask(body)
    kept.found(answered.outcome)

    beats = heartbeats(kept.ledger, kept.house)

    assert [(beat.state, beat.last_seq, beat.open_intents) for beat in beats] == [
        ("start", None, 0), ("beat", 2, 0),
    ]  # fmt: skip


def test_a_gateway_that_is_not_called_speaks_less_often_and_is_not_overdue(kept: Kept) -> None:
    clock, counts = kept.house.clock, []
    for seconds in (61, 61, QUIET_SECONDS - 61, 62):
        clock.now += seconds
        time.sleep(2.5 * KEEP_SECONDS)  # it looks at the clock now and then
        counts.append(len(heartbeats(kept.ledger, kept.house)))

    beats = heartbeats(kept.ledger, kept.house)
    assert counts == [2, 2, 3, 3]
    assert [beat.next_due and beat.next_due - beat.time for beat in beats] == [
        120, 2 * QUIET_SECONDS, 2 * QUIET_SECONDS,
    ]  # fmt: skip
    assert all(
        one.next_due and one.next_due >= other.time for one, other in itertools.pairwise(beats)
    )


def test_outcomes_hold_no_more_than_was_said(kept: Kept) -> None:
    answered = kept.ask(b'{"model":"parrot-1","messages":[{"role":"user","content":"x"}]}')

    values = kept.values(answered.outcome)

    assert Outcome.read(values).response == answered.body
    assert {"error", "alternatives", "response_sha256", "response_bytes"}.isdisjoint(values)
