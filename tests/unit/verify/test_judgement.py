"""Bundles put together to mislead: nothing is believed that rests on what is not proven."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.errors import (
    EncodingError,
    IndeterminateError,
    ProofError,
    SignatureError,
    VerificationError,
)
from tallystick.identity import generate
from tallystick.statement import (
    Checkpoint,
    Note,
    SignedStatement,
    VerifierKey,
    cosign_note,
    parse_checkpoint,
    parse_note,
    parse_receipt,
    parse_statement,
    sign_note,
)
from tallystick.statement.cose import encode_sign1
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.verify import (
    Account,
    Bundle,
    DidKeys,
    KnownIssuer,
    RegisteredKeys,
    Report,
    Verdict,
    VerifiedCheckpoint,
    VerifiedStatement,
    examine,
    log_policy,
    open_checkpoint,
    parse_bundle,
    parse_policy,
    verify_bundle,
    verify_registered,
    verify_signed,
)
from tallystick.verify.__main__ import main
from tallystick.verify.coherence import check_coherence
from tests.fuzz.pure import BUNDLE, NOTE, TRUST
from tests.fuzz.target import VECTORS
from tests.ledgers import Issuer

WHOLE = parse_bundle(BUNDLE)
STATEMENTS = [parse_statement(member.entry) for member in WHOLE.members]


def at(type_: str, which: int = 0) -> int:
    return [n for n, s in enumerate(STATEMENTS) if s.header.type == type_][which]


def with_member(where: int, **changes: object) -> Bundle:
    member = dataclasses.replace(WHOLE.members[where], **changes)  # type: ignore[arg-type]
    members = (*WHOLE.members[:where], member, *WHOLE.members[where + 1 :])
    return dataclasses.replace(WHOLE, members=members)


def failed(report: Report) -> str:
    return "\n".join(c.detail for c in report.checks if c.verdict is Verdict.FAILED)


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def test_a_key_whose_registration_is_not_proven_makes_nothing_believed() -> None:
    assert examine(BUNDLE, TRUST).verdict is Verdict.VERIFIED
    for which in range(sum(s.header.type == "key" for s in STATEMENTS)):
        where = at("key", which)
        receipt = flipped(WHOLE.members[where].receipt)
        report = examine(with_member(where, receipt=receipt).encode(), TRUST)
        index = parse_receipt(WHOLE.members[where].receipt).index

        assert report.verdict is Verdict.FAILED
        believed = report.statements.values()
        assert all(verified.issuer.index != index for verified in believed)
        assert any(verified.issuer.index == 0 for verified in believed)


def test_a_genesis_that_is_not_proven_makes_nothing_believed() -> None:
    receipt = flipped(WHOLE.members[at("genesis")].receipt)
    report = examine(with_member(at("genesis"), receipt=receipt).encode(), TRUST)

    assert report.verdict is Verdict.FAILED
    assert report.statements == {}


def test_entry_0_must_be_a_genesis_statement() -> None:
    receipt = WHOLE.members[at("genesis")].receipt
    report = examine(with_member(at("dataset"), receipt=receipt).encode(), TRUST)

    assert "entry 0 is not a genesis statement" in failed(report)


def test_the_genesis_must_be_of_the_log_that_signed_the_checkpoint() -> None:
    signer = generate()
    key = VerifierKey("elsewhere/log", 1, signer.public.raw)
    text = dataclasses.replace(parse_checkpoint(parse_note(NOTE).text), origin=key.name).text()
    note = Note(text, (sign_note(text, key, signer.sign),)).encode()
    report = examine(dataclasses.replace(WHOLE, checkpoint=note).encode(), log_policy(key))

    assert "the genesis is of another log, 'vectors.example/log'" in failed(report)
    assert report.statements == {}


def test_only_the_operator_registers_keys() -> None:
    stranger = Issuer()
    statement = stranger.sign(stranger.record().encode(), type="key", hashed=False,
                              content_type="application/cbor")  # fmt: skip
    bundle = with_member(at("dataset"), entry=statement.entry, leaves=None, rows=())
    report = examine(bundle.encode(), TRUST, any_signer=True)

    assert "the key was not registered by the operator of the log" in failed(report)


def test_leaves_of_another_number_prove_no_row() -> None:
    where = next(n for n, m in enumerate(WHOLE.members) if m.leaves)
    leaves = (WHOLE.members[where].leaves or b"")[:-32]
    report = examine(with_member(where, leaves=leaves).encode(), TRUST)

    assert "rows, got" in failed(report)


def test_a_key_signs_nothing_before_it_is_registered() -> None:
    issuer, keys = Issuer(), RegisteredKeys()
    keys.add(issuer.record(), 9)
    key_id = issuer.signer.public.thumbprint()

    with pytest.raises(SignatureError, match="was registered at 9, after entry 8"):
        keys.find(issuer.did, key_id, 8)
    assert keys.find(issuer.did, key_id, 9).index == 9
    with pytest.raises(SignatureError, match="key id is not that of"):
        DidKeys().find(issuer.did, bytes(32), 9)


def test_an_entry_in_another_form_is_not_the_one_that_was_registered() -> None:
    statement = Issuer().sign()
    entry = encode_sign1(statement.protected, {1: 2}, statement.payload, statement.signature)

    with pytest.raises(ProofError, match="not in the form that is registered"):
        verify_signed(parse_statement(entry), entry, DidKeys(), 0)


def test_a_receipt_and_a_checkpoint_must_speak_of_one_log_at_one_size() -> None:
    member, opened = WHOLE.members[1], open_checkpoint(NOTE, TRUST)
    receipt = parse_receipt(member.receipt)

    def claim(**changes: object) -> VerifiedCheckpoint:
        changed = dataclasses.replace(opened.checkpoint, **changes)  # type: ignore[arg-type]
        return dataclasses.replace(opened, checkpoint=changed)

    for changes, message in (
        ({"origin": "other"}, "the receipt is of .*, the checkpoint of 'other'"),
        ({"size": 999}, r"the receipt is for size \d+, the checkpoint for 999"),
        ({"root": bytes(32)}, "the entry is not at index"),
    ):
        with pytest.raises(ProofError, match=message):
            verify_registered(member.entry, receipt, claim(**changes), None)


def test_witnesses_alone_do_not_sign_for_a_log() -> None:
    witness, text = generate(), parse_note(NOTE).text
    key = VerifierKey("witness.example", 4, witness.public.raw)
    [log] = TRUST.logs
    policy = parse_policy(f"log {log.encode()}\nwitness w {key.encode()}\nquorum w\n".encode())
    note = Note(text, (cosign_note(text, key, 1, witness.sign),)).encode()

    with pytest.raises(SignatureError, match=r"is not signed by .* itself"):
        open_checkpoint(note, policy)


def test_groups_may_lie_in_groups_as_deep_as_a_policy_is_long() -> None:
    witness = generate()
    key = VerifierKey("witness.example", 4, witness.public.raw)
    groups = ["group g0 all w", *(f"group g{n} all g{n - 1}" for n in range(1, 1000))]
    policy = parse_policy(
        "\n".join([f"witness w {key.encode()}", *groups, "quorum g999\n"]).encode()
    )

    assert policy.fulfilled({key})
    assert not policy.fulfilled(set())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"kind":', b'"kind": "tallystick-bundle", "kind":', "two members of the same name"),
        (b'"subject": "', b'"subject": " ', "hex of 32 bytes"),
        (WHOLE.subject.hex().encode(), WHOLE.subject.hex().upper().encode(), "hex of 32 bytes"),
        (WHOLE.subject.hex().encode(), b"abcd", "hex of 32 bytes"),
    ],
)
def test_a_bundle_has_one_reading(old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_bundle(BUNDLE.replace(old, new, 1))


def placed(statement: SignedStatement, index: int, **changes: object) -> VerifiedStatement:
    key = Issuer().signer.public
    known = KnownIssuer(statement.header.issuer, key, None, None, "a test says so", None)
    return dataclasses.replace(VerifiedStatement(statement, index, known), **changes)  # type: ignore[arg-type]


def test_a_link_to_what_was_registered_later_is_a_contradiction() -> None:
    issuer = Issuer()
    later = placed(issuer.sign(), 7)
    earlier = placed(issuer.sign(links={"used": (later.statement.id,)}), 5)

    checks = list(check_coherence({s.statement.id: s for s in (later, earlier)}))

    assert [(c.verdict, c.code) for c in checks] == [(Verdict.FAILED, "verification.link")]
    assert "it is registered later, at index 7" in checks[0].detail


@pytest.mark.parametrize("members", [{"hashed": True}, {"hashed": False}])
def test_what_says_that_it_is_a_batch_and_is_none_does_not_stop_the_examination(
    members: dict[str, bool],
) -> None:
    issuer = Issuer()
    false = placed(issuer.sign(b"x" * 32, content_type=BATCH_MEDIA_TYPE, **members), 3)
    model = issuer.sign(type="model", links={"used": (false.statement.id,)})
    user = placed(model, 5, values={"row_root": bytes(32)})

    checks = list(check_coherence({s.statement.id: s for s in (false, user)}))

    assert [check.what for check in checks] == ["link"]


def test_an_account_leaves_out_what_nobody_numbers_and_knows_the_genesis() -> None:
    account = Account()
    account.add(0, next(s for s in STATEMENTS if s.header.type == StatementType.GENESIS))
    account.add(1, Issuer().sign())
    account.add(2, Issuer().numbered(type="dataset"))

    assert [epoch.last_seq for epoch in account.epochs()] == [0, 0]


def test_verifying_raises_for_failures_before_what_is_missing() -> None:
    with pytest.raises(VerificationError):
        verify_bundle(with_member(at("dataset"), receipt=b"").encode(), TRUST)
    members = tuple(m for n, m in enumerate(WHOLE.members) if n != at("genesis"))
    with pytest.raises(IndeterminateError):
        verify_bundle(dataclasses.replace(WHOLE, members=members).encode(), TRUST)


def _without_genesis() -> bytes:
    members = tuple(m for n, m in enumerate(WHOLE.members) if n != at("genesis"))
    return dataclasses.replace(WHOLE, members=members).encode()


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (lambda: BUNDLE, 0, "VERIFIED"),
        (lambda: with_member(at("dataset"), receipt=b"").encode(), 1, "FAILED"),
        (lambda: b"junk", 2, "error: bundle is not JSON"),
        (_without_genesis, 3, "INDETERMINATE"),
    ],
)
def test_the_verifier_by_itself_answers_with_its_exit_code(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[], bytes],
    code: int,
    said: str,
) -> None:
    file, policy = tmp_path / "b.tally.json", str(VECTORS / "trust.policy")
    file.write_bytes(make())
    [log] = TRUST.logs

    assert main([str(file), "--policy", policy]) == code
    assert said in "".join(capsys.readouterr())
    assert main([str(file), "--log", log.encode()]) == code
    assert main([str(tmp_path / "absent"), "--policy", policy]) == 2
    assert main([str(file)]) == 3


def test_a_checkpoint_says_its_three_lines() -> None:
    assert Checkpoint(origin="o", size=0, root=bytes(32)).text().startswith("o\n0\nAAAA")
