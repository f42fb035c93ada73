"""`POST /statements`: one, many, a stream; an index for each and one checkpoint for all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tallystick.errors import UnavailableError
from tallystick.merkle import leaf_hash
from tallystick.statement import (
    Preimage,
    SignedStatement,
    b64,
    dcbor,
    parse_receipt,
    parse_vkey,
)
from tallystick.verify import log_policy, open_checkpoint, verify_registered
from tests.ledgers import Issuer, many
from tests.unit.web.served import CBOR, COSE, JSON, NDJSON, Client, Place, served


def body(statement: SignedStatement, **beside: Any) -> dict[str, Any]:
    return {"entry": b64.encode_url(statement.entry), **beside}


def content_body(preimage: Preimage) -> dict[str, Any]:
    fields = {
        name: {
            "salt": b64.encode_url(field.salt),
            "value": b64.encode_url(dcbor.encode(field.value)),
        }
        for name, field in preimage.fields.items()
    }
    return {"salt": b64.encode_url(preimage.salt), "fields": fields}


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def check_all(client: Client, statements: list[SignedStatement], answer: dict[str, Any]) -> None:
    """Verify every receipt of an answer against its one checkpoint."""
    key = parse_vkey(client.ledger.card.checkpoint_key)
    checkpoint = open_checkpoint(answer["checkpoint"].encode(), log_policy(key))
    for statement, result in zip(statements, answer["results"], strict=True):
        assert result["id"] == statement.id.hex()
        receipt = parse_receipt(b64.decode_url(result["receipt"], "receipt"))
        receipt.verify_signature(leaf_hash(statement.entry), client.ledger.receipt_signer.public)
        index = verify_registered(statement.entry, receipt, checkpoint, None)
        assert index == result["index"]


def test_one_statement_as_it_is(place: Place) -> None:
    statement = place.clinic.sign()

    reply = place.client.post("/statements?receipts=true", statement.entry, COSE)

    assert reply.status == 201
    assert reply.headers["location"] == f"{place.client.url}/statements/{statement.id.hex()}"
    checkpoint = reply.json["checkpoint"]
    check_all(place.client, [statement], {"checkpoint": checkpoint, "results": [reply.json]})


def test_a_retry_says_so_and_gets_the_first_index(place: Place) -> None:
    statement = place.clinic.sign()
    first = place.client.post("/statements", statement.entry, COSE)

    again = place.client.post("/statements", encoded(body(statement)), JSON)

    assert (first.status, again.status) == (201, 200)
    assert "existed" not in first.json
    assert again.json["existed"] is True
    assert again.json["index"] == first.json["index"]


def test_one_statement_in_json_brings_its_content_to_the_vault(place: Place) -> None:
    statement, preimage = place.clinic.content({"question": "is it?", "n": 3})

    reply = place.client.post(
        "/statements", encoded(body(statement, content=content_body(preimage))), JSON
    )

    assert reply.status == 201
    assert place.client.ledger.vault.get(statement.id).values() == {"question": "is it?", "n": 3}


def test_content_that_was_not_committed_to_is_refused(place: Place) -> None:
    statement, _ = place.clinic.content({"question": "is it?"})
    _, other = place.clinic.content({"question": "was it?"})

    reply = place.client.post(
        "/statements", encoded(body(statement, content=content_body(other))), JSON
    )

    assert (reply.status, reply.code) == (422, "verification.commitment")


def test_a_batch_of_rows_comes_with_its_leaves(place: Place) -> None:
    rows = [cbor2.dumps({"x": n}) for n in range(5)]
    statement, salts, leaves = place.clinic.batch(rows)
    whole = body(
        statement,
        leaves=b64.encode_url(leaves),
        rows={"salts": b64.encode_url(salts), "records": [b64.encode_url(row) for row in rows]},
    )

    reply = place.client.post("/statements", encoded(whole), JSON)
    without = place.client.post("/statements", encoded(body(place.clinic.batch(rows)[0])), JSON)

    assert reply.status == 201
    assert place.client.ledger.leaves(statement) == leaves
    assert (without.status, without.json["reason"]) == (403, "batch.leaves")


@pytest.mark.parametrize("media", [JSON, CBOR])
def test_a_batch_has_an_index_for_each_and_one_checkpoint(place: Place, media: str) -> None:
    statements = many(place.clinic, 30)
    data = (
        encoded([body(statement) for statement in statements])
        if media == JSON
        else cbor2.dumps([statement.entry for statement in statements])
    )

    reply = place.client.post("/statements?receipts=true", data, media)

    assert reply.status == 200
    indexes = [result["index"] for result in reply.json["results"]]
    assert indexes == list(range(indexes[0], indexes[0] + 30))
    check_all(place.client, statements, reply.json)


def test_what_is_wrong_with_one_of_a_batch_is_its_own(place: Place) -> None:
    good, stranger = place.clinic.sign(), Issuer().sign()
    broken = good.entry[:-1] + bytes((good.entry[-1] ^ 1,))
    batch = [good.entry, broken, b"no statement", stranger.entry, place.clinic.sign().entry]

    reply = place.client.post("/statements", cbor2.dumps(batch), CBOR)

    results = reply.json["results"]
    assert reply.status == 200
    assert ["problem" in result for result in results] == [False, True, True, True, False]
    assert [r["problem"]["type"].rpartition(":")[2] for r in results[1:4]] == [
        "verification.signature",
        "input.encoding",
        "refused",
    ]
    assert results[3]["problem"]["reason"] == "issuer.unknown"
    assert results[4]["index"] == results[0]["index"] + 1


def test_one_bad_submission_of_a_json_batch_is_its_own(place: Place) -> None:
    good = place.clinic.sign()
    batch = [{"entry": "!!"}, body(good), body(good, content={"salt": "AA", "fields": {}})]

    reply = place.client.post("/statements", encoded(batch), JSON)

    first, second, third = reply.json["results"]
    assert reply.status == 200
    assert "base64url" in first["problem"]["detail"]
    assert second["id"] == good.id.hex()
    assert "1..256 fields" in third["problem"]["detail"]


def test_a_stream_is_answered_line_by_line_in_order(place: Place) -> None:
    statements = many(place.clinic, 1200)
    lines = [encoded(body(statement)) + b"\n" for statement in statements]
    lines[7] = b"{}\n"

    reply = place.client.post("/statements?receipts=true", b"".join(lines) + b"\n\n", NDJSON)

    *results, end = [json.loads(line) for line in reply.body.splitlines()]
    assert (reply.status, reply.headers["content-type"]) == (200, NDJSON)
    assert "problem" in results.pop(7)
    assert [r["id"] for r in results] == [s.id.hex() for s in statements[:7] + statements[8:]]
    assert (end["registered"], end["refused"]) == (1199, 1)
    key = parse_vkey(place.client.ledger.card.checkpoint_key)
    checkpoint = open_checkpoint(end["checkpoint"].encode(), log_policy(key))
    last = parse_receipt(b64.decode_url(results[-1]["receipt"], "receipt"))
    verify_registered(statements[-1].entry, last, checkpoint, None)


def test_a_stream_may_come_in_pieces_that_break_lines(place: Place) -> None:
    statements = many(place.clinic, 20)
    text = b"\n".join(encoded(body(statement)) for statement in statements)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(text), 333):
            yield text[at : at + 333]

    reply = place.client.post("/statements", pieces(), NDJSON)

    *results, end = [json.loads(line) for line in reply.body.splitlines()]
    assert [result["id"] for result in results] == [s.id.hex() for s in statements]
    assert end["registered"] == 20


def test_a_stream_whose_line_is_too_long_ends_with_a_problem(tmp_path: Path) -> None:
    clinic = Issuer()
    line = encoded(body(clinic.sign()))
    with served(tmp_path, clinic, line_bytes_max=len(line)) as client:
        exact = client.post("/statements", line + b"\n" + line, NDJSON)
        longer = client.post("/statements", line + b"\n" + b" " + line, NDJSON)

    assert json.loads(exact.body.splitlines()[-1])["problem"] is None
    end = json.loads(longer.body.splitlines()[-1]) if longer.status == 200 else longer.json
    problem = end.get("problem") or end
    assert problem["type"] == "urn:tallystick:error:input.limit"
    assert f"{len(line)} " in problem["detail"]


def test_a_stream_that_fails_half_way_says_what_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    statements = many(clinic, 600)  # more than are registered at once
    text = b"\n".join(encoded(body(statement)) for statement in statements)
    with served(tmp_path, clinic) as client:
        register, calls = client.ledger.register, iter([0, 1])

        def fail_second(submissions: Any) -> Any:
            if next(calls):
                raise UnavailableError("no space left on device")
            return register(submissions)

        monkeypatch.setattr(client.ledger, "register", fail_second)
        reply = client.post("/statements", text, NDJSON)
        size = client.ledger.snapshot.checkpoint.size

    *results, end = [json.loads(line) for line in reply.body.splitlines()]
    assert len(results) == end["registered"] == size - 3 < 600
    assert end["problem"]["type"] == "urn:tallystick:error:unavailable"
    assert end["problem"]["detail"] == "no space left on device"
    assert end["checkpoint"].startswith("localhost/test")


def test_an_error_of_the_service_itself_ends_a_stream_in_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    text = b"\n".join(encoded(body(statement)) for statement in many(clinic, 600))
    with served(tmp_path, clinic) as client:
        take, calls = client.server.service.telemetry.count, iter([0, 1])

        def fail_second(taken: Any) -> None:
            take(taken)
            assert not next(calls), "a secret"

        monkeypatch.setattr(client.server.service.telemetry, "count", fail_second)
        reply = client.post("/statements", text, NDJSON)
        alone = client.post("/statements", b"", COSE)

    end = json.loads(reply.body.splitlines()[-1])
    assert end["problem"]["type"] == "urn:tallystick:error:internal"
    assert b"a secret" not in reply.body
    assert (alone.status, alone.code) == (500, "internal")


def test_a_batch_may_have_as_many_statements_as_set_and_no_more(tmp_path: Path) -> None:
    clinic = Issuer()
    entries = [statement.entry for statement in many(clinic, 4)]
    with served(tmp_path, clinic, entries_max=3) as client:
        exact = client.post("/statements", cbor2.dumps(entries[:3]), CBOR)
        more = client.post("/statements", cbor2.dumps(entries), CBOR)

    assert exact.status == 200
    assert (more.status, more.code) == (413, "input.limit")
    assert "4 statements, at most 3" in more.json["detail"]


def test_an_empty_batch_registers_nothing(place: Place) -> None:
    reply = place.client.post("/statements", cbor2.dumps([]), CBOR)

    assert (reply.status, reply.json) == (200, {"results": [], "checkpoint": None})


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (b"", JSON),
        (b"[", JSON),
        (b"[{}]", JSON),
        (b'{"entry": 1}', JSON),
        (b'{"entry": "AA", "more": 1}', JSON),
        (b"[" * 100_000, JSON),
        (b"", CBOR),
        (cbor2.dumps({}), CBOR),
        (cbor2.dumps([1]), CBOR),
        (b"\x9f\xff", CBOR),
        (b"", COSE),
        (b"\xd2\x84", COSE),
    ],
)
def test_a_body_of_another_form_is_refused_as_a_whole(
    place: Place, data: bytes, media: str
) -> None:
    reply = place.client.post("/statements", data, media)

    assert (reply.status, reply.code) == (400, "input.encoding")


def test_another_media_type_is_refused_and_the_right_ones_named(place: Place) -> None:
    reply = place.client.post("/statements", b"x", "text/plain")

    assert (reply.status, reply.code) == (415, "http.media-type")
    assert "application/cose" in reply.json["detail"]


def test_a_compressed_body_is_not_taken(place: Place) -> None:
    reply = place.client.post("/statements", b"x", JSON, content_encoding="gzip")

    assert (reply.status, reply.code) == (415, "http.media-type")


def test_a_refusal_by_the_policy_is_told_with_its_reason_and_advice(place: Place) -> None:
    reply = place.client.post("/statements", place.clinic.sign(type="model").entry, COSE)

    assert (reply.status, reply.code) == (403, "refused")
    assert reply.json["reason"] == "policy"
    assert "tally policy set" in reply.json["advice"]


def test_a_query_field_nobody_knows_is_named(place: Place) -> None:
    reply = place.client.post("/statements?receipt=true", place.clinic.sign().entry, COSE)

    assert (reply.status, reply.code) == (400, "input")
    assert "'receipt'" in reply.json["detail"]
    assert "receipts" in reply.json["advice"]
