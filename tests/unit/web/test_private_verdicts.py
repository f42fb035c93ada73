"""What a stranger verifies of a private log with a receipt or a bundle alone, by class."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.capture.roles import Grant, Role
from tallystick.errors import RefusedError, SignatureError
from tallystick.ledger import Submission
from tallystick.ledger.policy import Visibility
from tallystick.merkle import leaf_hash
from tallystick.statement import PublicKey, parse_receipt, parse_statement, parse_vkey
from tallystick.verify import DidKeys, Verdict, examine, log_policy, parse_bundle, verify_signed
from tests.ledgers import ALLOW_ORGANISATIONS, Issuer, ledger_in
from tests.unit.web.served import Client, serving

ELSEWHERE = {"x_forwarded_for": "192.0.2.1"}
GIVEN = {
    Visibility.PUBLIC: (200, {"outcome": "accept"}),
    Visibility.PARTIES: (200, {"outcome": "accept"}),
    Visibility.SEALED: (403, {}),
    Visibility.COMMITMENT_ONLY: (403, {}),
}
"""By class: what a party of the statement gets of its content, to hand on to a stranger."""


def keys(issuer: Issuer) -> dict[str, Grant]:
    return {"party": Grant(Role.ORIGINATOR, originator=issuer.did)}


def registered(client: Client, clinic: Issuer, kind: Visibility) -> str:
    """Register a decision under a class; content that the ledger may not have stays outside."""
    policy = replace(client.ledger.state.policy, visibility={"decision": kind})
    client.ledger.set_policy(policy)
    statement, preimage = clinic.content({"outcome": "accept"}, type="decision")
    content = None if kind is Visibility.COMMITMENT_ONLY else preimage
    return client.ledger.register_one(Submission(statement.entry, content)).id.hex()


@pytest.mark.parametrize("kind", list(Visibility))
def test_a_receipt_and_a_bundle_prove_without_the_log(tmp_path: Path, kind: Visibility) -> None:
    clinic = Issuer()
    with (
        ledger_in(tmp_path, clinic, policy=replace(ALLOW_ORGANISATIONS, private=True)) as ledger,
        serving(ledger, authorize=keys(clinic).__getitem__) as client,
    ):
        entry_id = registered(client, clinic, kind)
        bearer = {"authorization": "Bearer party", **ELSEWHERE}
        receipt = client.get(f"/entries/{entry_id}", **bearer).body
        entry = client.get(f"/statements/{entry_id}", accept="application/cose", **bearer).body
        bare = client.get(f"/bundles/{entry_id}", **bearer).body
        opened = client.get(f"/bundles/{entry_id}?content=true", **bearer)
        strangers = [client.get(f"/{path}/{entry_id}", **ELSEWHERE).status
                     for path in ("entries", "statements", "bundles")]  # fmt: skip
        receipt_key, vkey = ledger.receipt_signer.public, ledger.card.checkpoint_key

    # From here on nothing but what was handed over, and the log's keys.
    _check_receipt(entry, receipt, receipt_key)
    report = examine(bare, log_policy(parse_vkey(vkey)))
    assert report.verdict is Verdict.VERIFIED
    assert report.statements[bytes.fromhex(entry_id)].issuer.issuer == clinic.did
    assert not report.statements[bytes.fromhex(entry_id)].values

    status, values = GIVEN[kind]
    assert opened.status == status
    if status == 200:
        shown = examine(opened.body, log_policy(parse_vkey(vkey)))
        assert shown.verdict is Verdict.VERIFIED
        assert shown.statements[bytes.fromhex(entry_id)].values == values
    assert strangers == [401, 401, 401]


def _check_receipt(entry: bytes, receipt: bytes, receipt_key: PublicKey) -> None:
    """Whoever has the log's receipt key and the statement needs nothing else."""
    parsed, statement = parse_receipt(receipt), parse_statement(entry)
    parsed.verify_signature(leaf_hash(entry), receipt_key)
    assert verify_signed(statement, entry, DidKeys(), parsed.index).index == parsed.index
    with pytest.raises(SignatureError):
        parsed.verify_signature(leaf_hash(entry + b"x"), receipt_key)


def test_a_bundle_of_a_private_log_holds_no_other_partys_statement(tmp_path: Path) -> None:
    """Proofs name neighbours by their hashes alone."""
    clinic, other = Issuer(), Issuer("Clinic South")
    with (
        ledger_in(tmp_path, clinic, other, policy=replace(ALLOW_ORGANISATIONS, private=True)) as (
            ledger
        ),
        serving(ledger, authorize=keys(clinic).__getitem__) as client,
    ):
        theirs = ledger.register_one(Submission(other.sign().entry))
        ours = registered(client, clinic, Visibility.PARTIES)
        body = client.get(f"/bundles/{ours}", authorization="Bearer party", **ELSEWHERE).body

    assert theirs.id not in {parse_statement(one.entry).id for one in parse_bundle(body).members}
    assert other.did.encode() not in body


def test_content_that_is_nobodys_here_is_refused_by_a_private_log_too(tmp_path: Path) -> None:
    clinic = Issuer()
    policy = replace(
        ALLOW_ORGANISATIONS, private=True, visibility={"*": Visibility.COMMITMENT_ONLY}
    )
    with ledger_in(tmp_path, clinic, policy=policy) as ledger:
        statement, preimage = clinic.content({"outcome": "accept"}, type="decision")
        with pytest.raises(RefusedError, match="commitment-only"):
            ledger.register_one(Submission(statement.entry, preimage))
