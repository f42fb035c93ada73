"""What the service hands out verifies offline, and what is withheld is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.merkle import leaf_hash, verify_consistency, verify_inclusion
from tallystick.statement import (
    b64,
    parse_checkpoint,
    parse_note,
    parse_tlog_proof,
    parse_vkey,
)
from tallystick.verify import Verdict, examine, log_policy, open_checkpoint, parse_policy
from tests.ledgers import Issuer, many, submissions
from tests.unit.web.served import Client, Place, served


def test_a_proof_is_text_that_leads_to_a_signed_checkpoint(place: Place) -> None:
    client, statement = place.client, place.clinic.sign()
    client.ledger.register(submissions(*many(place.clinic, 20), statement))

    reply = client.get(f"/proofs/{statement.id.hex()}")

    proof = parse_tlog_proof(reply.body)
    trust = log_policy(parse_vkey(client.ledger.card.checkpoint_key))
    claim = open_checkpoint(proof.checkpoint.encode(), trust).checkpoint
    leaf = leaf_hash(statement.entry)
    verify_inclusion(leaf, proof.index, claim.size, proof.path, claim.root)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/proofs", "/bundles", "/statements"])
def test_what_nobody_registered_has_no_proof(place: Place, path: str) -> None:
    reply = place.client.get(f"{path}/{'0' * 64}")

    assert (reply.status, reply.code) == (404, "input.not-found")


def test_an_older_log_is_proven_to_be_a_prefix_of_the_newer(place: Place) -> None:
    client = place.client
    for count in (1, 5, 300):
        client.ledger.register(submissions(*many(place.clinic, count)))
        size = client.ledger.snapshot.checkpoint.size
        client.ledger.register(submissions(*many(place.clinic, 3)))

        shown = client.get(f"/consistency?from={size}").json

        claim = parse_checkpoint(parse_note(shown["checkpoint"].encode()).text)
        path = [b64.decode_url(node, "node") for node in shown["path"]]
        old_root = b64.decode_url(shown["from_root"], "root")
        assert (shown["from_size"], shown["to_size"]) == (size, claim.size)
        assert b64.decode_url(shown["to_root"], "root") == claim.root
        verify_consistency(size, old_root, claim.size, claim.root, path)


def test_a_consistency_proof_of_two_older_sizes(place: Place) -> None:
    client = place.client
    client.ledger.register(submissions(*many(place.clinic, 10)))

    shown = client.get("/consistency?from=3&to=9").json

    path = [b64.decode_url(node, "node") for node in shown["path"]]
    old, new = (b64.decode_url(shown[name], "root") for name in ("from_root", "to_root"))
    verify_consistency(3, old, 9, new, path)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?from=0", 400),
        ("?from=5&to=3", 400),
        ("?from=1&to=99999999", 404),
        ("?from=99999999", 400),
        ("?from=1&to=999999999999999999", 404),
        ("?from=x", 400),
    ],
)
def test_sizes_that_cannot_be_compared_are_refused(place: Place, query: str, status: int) -> None:
    reply = place.client.get(f"/consistency{query}")

    assert reply.status == status
    assert reply.code in {"input", "input.not-found", "input.encoding"}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str]]:
    clinic = Issuer()
    statement, preimage = clinic.content({"question": "is it?"})
    with served(tmp_path_factory.mktemp("sealed"), clinic, show_content=True) as client:
        [submission] = submissions(statement)
        client.ledger.register([type(submission)(statement.entry, content=preimage)])
        yield client, statement.id.hex()


def test_a_bundle_verifies_offline(sealed: tuple[Client, str]) -> None:
    client, name = sealed

    reply = client.get(f"/bundles/{name}")

    trust = parse_policy(client.ledger.home.trust.read_bytes())
    report = examine(reply.body, trust)
    assert report.verdict is Verdict.VERIFIED, report
    assert name[:16] in reply.headers["content-disposition"]
    assert b"is it?" not in reply.body


def test_a_bundle_opens_content_where_settings_allow_it(sealed: tuple[Client, str]) -> None:
    client, name = sealed

    reply = client.get(f"/bundles/{name}?content=true")

    trust = parse_policy(client.ledger.home.trust.read_bytes())
    report = examine(reply.body, trust)
    assert report.verdict is Verdict.VERIFIED, report
    opened = report.statements[bytes.fromhex(name)].values
    assert opened == {"question": "is it?"}


def test_a_caller_from_elsewhere_gets_no_content(sealed: tuple[Client, str]) -> None:
    client, name = sealed

    reply = client.get(f"/bundles/{name}?content=true", x_forwarded_for="192.0.2.1")

    assert (reply.status, reply.code) == (403, "refused")
    assert reply.json["reason"] == "content.caller"


def test_content_is_withheld_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    clinic = Issuer()
    statement = clinic.sign()
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(statement))
        reply = client.get(f"/bundles/{statement.id.hex()}?content=true")

    assert (reply.status, reply.code) == (403, "refused")
    assert reply.json["reason"] == "content.withheld"
    assert "show_content" in reply.json["advice"]


def test_a_flag_is_true_or_false(place: Place) -> None:
    reply = place.client.get(f"/bundles/{'0' * 64}?content=maybe")

    assert (reply.status, reply.code) == (400, "input")
    assert "'maybe'" in reply.json["detail"]
