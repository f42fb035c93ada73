"""SCRAPI on the wire: what a client of the draft sends, and what it must get."""

import hashlib
import time
from pathlib import Path

import cbor2
import pytest

from tallystick.identity import generate
from tallystick.merkle import leaf_hash
from tallystick.statement import (
    Alg,
    KeyKind,
    SignedStatement,
    b64,
    parse_receipt,
    parse_statement,
    parse_vkey,
)
from tallystick.statement.cose import encode_sign1
from tallystick.statement.keys import public_key_from_cose
from tallystick.verify import log_policy, open_checkpoint, verify_registered
from tallystick.web import limits
from tests.ledgers import Issuer
from tests.unit.web.served import CBOR, COSE, Client, Place, Reply, served


def register(client: Client, entry: bytes) -> Reply:
    return client.post("/entries", entry, COSE)


def check(client: Client, statement: SignedStatement, receipt: bytes) -> int:
    """Verify a receipt by what the service publishes; return the index."""
    parsed = parse_receipt(receipt)
    kid = b64.encode_url(parsed.key_id)
    key = public_key_from_cose(client.get(f"/.well-known/scitt-keys/{kid}").cbor)
    parsed.verify_signature(leaf_hash(statement.entry), key)
    client.ledger.publish()
    trust = log_policy(parse_vkey(client.ledger.card.checkpoint_key))
    checkpoint = open_checkpoint(client.get("/checkpoint").body, trust)
    assert verify_registered(statement.entry, parsed, checkpoint, None) == parsed.index
    return parsed.index


def settled(client: Client, path: str) -> Reply:
    """Ask as the service says, until the registration has ended."""
    end = time.monotonic() + 20
    while (reply := client.get(path)).status == 302:
        assert time.monotonic() < end, reply
        time.sleep(0.02)
    return reply


def test_a_statement_is_registered_and_the_answer_is_its_receipt(place: Place) -> None:
    statement = place.clinic.sign()

    reply = register(place.client, statement.entry)

    assert (reply.status, reply.headers["content-type"]) == (201, COSE)
    assert reply.headers["location"] == f"{place.client.url}/entries/{statement.id.hex()}"
    index = check(place.client, statement, reply.body)
    assert place.client.ledger.at(index).statement == statement


def test_the_receipt_can_be_resolved_later_at_its_location(place: Place) -> None:
    statement = place.clinic.sign()
    location = register(place.client, statement.entry).headers["location"]
    register(place.client, place.clinic.sign().entry)

    reply = place.client.get(location.removeprefix(place.client.url))

    assert (reply.status, reply.headers["content-type"]) == (200, COSE)
    index = check(place.client, statement, reply.body)
    assert parse_receipt(reply.body).size > index + 1


def test_a_retry_gets_a_receipt_for_the_first_index(place: Place) -> None:
    statement = place.clinic.sign()
    first = register(place.client, statement.entry)
    register(place.client, place.clinic.sign().entry)
    size = place.client.ledger.snapshot.checkpoint.size

    again = register(place.client, statement.entry)

    assert again.status == 201
    assert again.headers["location"] == first.headers["location"]
    assert parse_receipt(again.body).index == parse_receipt(first.body).index
    assert place.client.ledger.snapshot.checkpoint.size == size


def test_the_unprotected_header_is_emptied_and_does_not_matter(place: Place) -> None:
    statement = place.clinic.sign()
    parts = (statement.protected, {99: b"hint"}, statement.payload, statement.signature)

    reply = register(place.client, encode_sign1(*parts))

    assert reply.status == 201
    assert place.client.ledger.get(statement.id).statement.entry == statement.entry


def test_a_registration_that_takes_long_is_answered_303_and_found_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REGISTER_SECONDS_MAX", 0.05)
    clinic = Issuer()
    statement = clinic.sign()
    with served(tmp_path, clinic) as client:
        with client.ledger._parts.sequencer._turn:  # somebody else's long commit
            reply = register(client, statement.entry)
            path = reply.headers["location"].removeprefix(client.url)
            running = client.get(path)
        done = settled(client, path)

        assert (reply.status, reply.headers["retry-after"], reply.body) == (303, "1", b"")
        assert path == f"/entries/{statement.id.hex()}"
        assert (running.status, running.headers["retry-after"]) == (302, "1")
        assert running.headers["location"] == reply.headers["location"]
        assert done.status == 200
        check(client, statement, done.body)


def test_a_late_refusal_is_told_at_the_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REGISTER_SECONDS_MAX", 0.05)
    clinic = Issuer()
    statement = clinic.sign(type="model")
    with served(tmp_path, clinic) as client:
        with client.ledger._parts.sequencer._turn:
            reply = register(client, statement.entry)
        path = reply.headers["location"].removeprefix(client.url)
        done = settled(client, path)

    assert reply.status == 303
    assert done.status == 400
    assert done.scrapi_problem[0] == "Rejected"
    assert "policy" in done.scrapi_problem[1]


def test_a_wrong_signature_is_rejected(place: Place) -> None:
    statement = place.clinic.sign()
    broken = statement.entry[:-1] + bytes((statement.entry[-1] ^ 1,))

    reply = register(place.client, broken)

    assert reply.status == 400
    assert reply.scrapi_problem == ("Rejected", "the signature does not match the issuer's key")


def test_an_issuer_nobody_knows_is_rejected_with_the_reason(place: Place) -> None:
    reply = register(place.client, Issuer().sign().entry)

    title, detail = reply.scrapi_problem
    assert (reply.status, title) == (400, "Rejected")
    assert "no key with id" in detail
    assert "(issuer.unknown)" in detail


def test_an_algorithm_that_is_not_taken_has_a_title_of_its_own(place: Place) -> None:
    header = cbor2.dumps({1: -38, 4: b"k", 15: {1: "i", 2: "s"}})

    reply = register(place.client, encode_sign1(header, {}, b"p", bytes(64)))

    title, detail = reply.scrapi_problem
    assert (reply.status, title) == (400, "Bad Signature Algorithm")
    assert "-38" in detail
    assert str(int(Alg.EDDSA)) in detail


def test_a_detached_payload_has_a_title_of_its_own(place: Place) -> None:
    statement = place.clinic.sign()

    reply = register(place.client, encode_sign1(statement.protected, {}, None, statement.signature))

    assert reply.status == 400
    assert reply.scrapi_problem == (
        "Payload Missing",
        "Signed Statement payload must be present",
    )


def test_bytes_that_are_no_statement_are_answered_in_cbor(place: Place) -> None:
    reply = register(place.client, b"hello")

    title, detail = reply.scrapi_problem
    assert (reply.status, title) == (400, "Malformed request")
    assert "tag 18" in detail


def test_an_entry_that_is_too_long_is_refused_with_both_sizes(place: Place) -> None:
    statement = place.clinic.sign(payload=b"x" * 65_000, hashed=False, content_type="text/plain")
    longer = encode_sign1(statement.protected, {}, b"x" * 66_000, bytes(64))

    reply = register(place.client, longer)

    title, detail = reply.scrapi_problem
    assert reply.status == 413
    assert title
    assert f"has {len(longer)} bytes, at most 65535 allowed" in detail


def test_another_media_type_is_refused_in_cbor(place: Place) -> None:
    reply = place.client.post("/entries", b"{}", "application/json")

    assert reply.status == 415
    assert "application/cose" in reply.scrapi_problem[1]


def test_a_receipt_nobody_has_is_not_found(place: Place) -> None:
    reply = place.client.get(f"/entries/{'0' * 64}")

    assert reply.status == 404
    assert reply.scrapi_problem[0] == "Not Found"


@pytest.mark.parametrize("name", ["12", "x" * 64, "A" * 64, "%00" * 64, "0" * 63, "..%2f..%2fetc"])
def test_an_id_that_cannot_be_one_is_an_invalid_locator(place: Place, name: str) -> None:
    reply = place.client.get(f"/entries/{name}")

    assert reply.status in {400, 404}
    if reply.status == 400:
        assert reply.scrapi_problem[0] == "Invalid locator"


def test_all_receipt_keys_are_published_as_a_key_set(place: Place) -> None:
    reply = place.client.get("/.well-known/scitt-keys")
    [cose_key] = reply.cbor
    kid = b64.encode_url(cose_key[2])
    alone = place.client.get(f"/.well-known/scitt-keys/{kid}")

    assert (reply.status, reply.headers["content-type"]) == (200, CBOR)
    assert alone.cbor == cose_key
    key = public_key_from_cose(cose_key)
    assert key == place.client.ledger.receipt_signer.public
    assert cose_key[2] == hashlib.sha256(key.encode()).digest()
    assert "max-age" in reply.headers["cache-control"]


def test_a_key_nobody_has_is_not_found(place: Place) -> None:
    reply = place.client.get("/.well-known/scitt-keys/AAAA")

    assert reply.status == 404
    assert reply.scrapi_problem[0] == "No such key"


def test_older_clients_find_the_configuration_in_cbor_and_json(place: Place) -> None:
    path = "/.well-known/transparency-configuration"

    in_cbor, in_json = place.client.get(path), place.client.get(path, accept="application/json")

    assert in_cbor.cbor == in_json.json
    assert in_json.json["registration_endpoint"] == f"{place.client.url}/entries"
    assert in_json.json["issuer"] == place.client.ledger.card.origin


def test_an_es256_statement_is_registered_too(tmp_path: Path) -> None:
    clinic = Issuer(signer=generate(KeyKind.P256))
    statement = clinic.sign()
    with served(tmp_path, clinic) as client:
        reply = register(client, statement.entry)

        assert reply.status == 201
        check(client, parse_statement(statement.entry), reply.body)
