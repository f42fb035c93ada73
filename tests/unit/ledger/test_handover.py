"""The log's own keys and the operator's are replaced; what was signed before stays verifiable."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import DamagedError, RefusedError, TallystickError
from tallystick.evidence.export import build_bundle
from tallystick.identity import KeyFile, generate
from tallystick.ledger import Home, Ledger, LedgerReader, Query, Submission, read_card
from tallystick.ledger.operator import operator_says
from tallystick.ledger.replay import replay_refusal
from tallystick.statement import parse_note, parse_statement, parse_vkey, verify_note
from tallystick.statement.governance import StatementType
from tallystick.statement.handover import HandoverReason, parse_handover
from tallystick.verify import Report, TrustPolicy, Verdict, examine, log_policy, parse_policy
from tests.ledgers import PASSPHRASE, START, Clock, Issuer, ledger_in, many, submissions


def said(ledger: Ledger, issuer: Issuer) -> bytes:
    [answer] = ledger.register(submissions(*many(issuer, 1)))
    assert not isinstance(answer, TallystickError)
    return answer.id


def policy_of(ledger: Ledger) -> TrustPolicy:
    return parse_policy(ledger.home.trust.read_bytes())


def report(ledger: Ledger, statement: bytes, policy: TrustPolicy) -> Report:
    return examine(build_bundle(ledger, statement).encode(), policy)


def bare(policy: TrustPolicy) -> TrustPolicy:
    """Return what a relying party has that pinned a key and nothing else."""
    return log_policy(policy.logs[0])


def test_old_and_new_bundles_verify_by_the_old_policy_and_the_new(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        first, before = said(ledger, issuer), policy_of(ledger)
        old_bundle = build_bundle(ledger, first).encode()
        ledger.hand_over()
        second = said(ledger, issuer)
        ledger.hand_over()
        third = said(ledger, issuer)
        after = policy_of(ledger)

        for policy in (before, after, bare(before), bare(after)):
            for statement in (first, second, third):
                assert report(ledger, statement, policy).verdict is Verdict.VERIFIED
        for policy in (before, after, bare(before)):
            assert examine(old_bundle, policy).verdict is Verdict.VERIFIED
    assert len(after.retired) == 2
    assert after.genesis == before.genesis == bytes.fromhex(read_card(Home(tmp_path)).genesis)


def test_at_the_size_of_the_handover_both_keys_sign(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        old = parse_vkey(ledger.card.checkpoint_key)
        registered = ledger.hand_over()
        new, note = parse_vkey(ledger.card.checkpoint_key), parse_note(ledger.snapshot.note)

        assert ledger.snapshot.checkpoint.size == registered.index + 1
        assert {signer.key for signer in verify_note(note, [old, new])} == {old, new}
        assert (ledger.home.places().public / "checkpoint").read_bytes() == note.encode()

    with ledger_in(tmp_path) as ledger:
        note = parse_note(ledger.snapshot.note)
    assert {signer.key for signer in verify_note(note, [old, new])} >= {new}


def test_beside_it_others_read_before_and_after(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        ledger.publish()
        with LedgerReader(Home(tmp_path)) as reader:
            size = reader.snapshot.checkpoint.size
        ledger.hand_over()
        with LedgerReader(Home(tmp_path)) as reader:
            assert reader.snapshot.checkpoint.size > size
        said(ledger, issuer)
        ledger.publish()
        with LedgerReader(Home(tmp_path)) as reader:
            assert reader.snapshot.note == ledger.snapshot.note


def test_the_keys_before_are_gone_and_those_that_follow_are_others(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        before = {name: ledger.keys.signer(name).public for name in ("checkpoint", "receipt")}
        ledger.hand_over()
    keys = KeyFile(Home(tmp_path).service_keys, PASSPHRASE)

    assert sorted(keys.names()) == ["api", "checkpoint", "operator", "receipt", "vault"]
    assert not {keys.signer(name).public for name in before} & set(before.values())


def test_a_compromised_key_is_not_believed_by_the_new_policy(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        first = said(ledger, issuer)
        old_bundle = build_bundle(ledger, first).encode()
        until = ledger.snapshot.checkpoint.size
        ledger.hand_over(HandoverReason.COMPROMISED, until)
        after = policy_of(ledger)

        assert not after.retired
        assert examine(old_bundle, after).verdict is Verdict.FAILED
        assert report(ledger, first, after).verdict is Verdict.VERIFIED


def test_a_lost_key_is_followed_only_by_who_pinned_the_genesis(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        before = policy_of(ledger)
        ledger.hand_over(HandoverReason.LOST)
        statement = said(ledger, issuer)

        assert report(ledger, statement, before).verdict is Verdict.VERIFIED
        seen = report(ledger, statement, bare(before))
        assert report(ledger, statement, policy_of(ledger)).verdict is Verdict.VERIFIED
    assert seen.verdict is Verdict.INDETERMINATE
    assert any("without the agreement" in check.detail for check in seen.checks)


def test_another_genesis_than_the_one_that_is_pinned_fails(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        policy = replace(policy_of(ledger), genesis=bytes(32))
        seen = report(ledger, said(ledger, issuer), policy)

    assert seen.verdict is Verdict.FAILED
    assert any("another entry than the policy pins" in check.detail for check in seen.checks)


def test_a_checkpoint_by_a_key_that_has_ended_fails(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        before, old = policy_of(ledger), ledger.keys.signer("checkpoint")
        ledger.hand_over()
        statement = said(ledger, issuer)
        after, bundle = policy_of(ledger), build_bundle(ledger, statement)

    from tallystick.statement import Note, sign_note

    text = parse_note(bundle.checkpoint).text
    stolen = Note(text, (sign_note(text, before.logs[0], old.sign),)).encode()
    forged = replace(bundle, checkpoint=stolen).encode()
    for policy in (before, bare(before)):
        seen = examine(forged, policy)
        assert seen.verdict is Verdict.FAILED
        assert any(check.code == "verification.key-ended" for check in seen.checks)
    assert examine(forged, after).verdict is Verdict.FAILED


def test_without_the_handovers_a_newer_bundle_is_not_believed(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        before = policy_of(ledger)
        ledger.hand_over()
        bundle = build_bundle(ledger, said(ledger, issuer))
    members = tuple(m for m in bundle.members if b"tallystick/handover" not in m.entry
                    and b"receipt_possession" not in m.entry)  # fmt: skip

    assert len(members) < len(bundle.members)
    assert examine(replace(bundle, members=members).encode(), before).verdict is Verdict.FAILED


def test_nobody_hands_over_through_the_door_of_statements(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        from tallystick.ledger.succession import make_next, next_handover, next_operator

        make_next(ledger.keys, ("checkpoint", "receipt", "operator"), None, existing=False)
        handover = next_handover(
            ledger.keys, ledger.card.origin, ledger.home.trust.read_text(),
            HandoverReason.ROTATED, None,
        )  # fmt: skip
        rotation = next_operator(ledger.keys, ledger.state.chains)
        operator = ledger.keys.signer("operator")
        for type_, payload in (
            (StatementType.HANDOVER, handover.encode()),
            (StatementType.KEY, rotation.encode()),
        ):
            said = operator_says(operator, type_, payload, subject="x", now=START)
            with pytest.raises(RefusedError) as caught:
                ledger.register_one(Submission(said.entry))
            assert caught.value.reason == "handover.closed"
            [refusal] = ledger.find(Query(link=parse_statement(said.entry).id)).found
            replayed = replay_refusal(ledger, refusal.statement.id)
            assert replayed == ("handover.closed", "handover.closed")


def test_a_handover_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        from tallystick.ledger.succession import make_next, next_handover

        make_next(ledger.keys, ("checkpoint", "receipt"), None, existing=False)
        good = next_handover(
            ledger.keys, ledger.card.origin, ledger.home.trust.read_text(),
            HandoverReason.ROTATED, None,
        )  # fmt: skip
        keys = ledger.state.log_keys
        stranger = parse_vkey(ledger.card.checkpoint_key)
        bad = [
            replace(good, origin="localhost/other"),
            replace(good, previous=good.checkpoint_key),
            replace(good, checkpoint_key=stranger),
            replace(good, checkpoint_key=replace(good.checkpoint_key, name="localhost/other")),
            replace(good, receipt_key=ledger.keys.signer("receipt").public),
            replace(good, receipt_key=generate().public),
            replace(good, policy="quorum none\n"),
            replace(good, until=1),
            replace(good, reason=HandoverReason.COMPROMISED, until=10_000),
            replace(good, agreement=b""),
            replace(good, agreement=bytes(64)),
            replace(good, possession=bytes(64)),
        ]
        keys.check(good, 5)
        assert parse_handover(good.encode()) == good
        for one in bad:
            with pytest.raises(TallystickError):
                keys.check(one, 5)


def test_the_operators_key_is_rotated_and_its_issuer_stays(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        policy = policy_of(ledger)
        first, old = said(ledger, issuer), ledger.keys.signer("operator")
        ledger.rotate_operator()
        new = ledger.keys.signer("operator")
        other = Issuer("Clinic South")
        ledger.register_key(other.record())
        second = said(ledger, other)

        assert new.issuer == old.issuer
        assert new.public != old.public
        for statement in (first, second):
            assert report(ledger, statement, policy).verdict is Verdict.VERIFIED
        says = operator_says(old, StatementType.POLICY, b"", subject="x", now=START)
        with pytest.raises(RefusedError) as caught:
            ledger.register_one(Submission(says.entry))
        assert caught.value.reason == "key.revoked"
        ledger.hand_over()
        third = said(ledger, other)
        for statement in (first, second, third):
            assert report(ledger, statement, policy).verdict is Verdict.VERIFIED
    with ledger_in(tmp_path) as ledger:
        assert said(ledger, other)


def test_a_key_file_of_before_does_not_open_the_ledger(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        path = ledger.home.service_keys
        before = path.read_bytes()
        ledger.hand_over()
    path.write_bytes(before)

    with pytest.raises(DamagedError), ledger_in(tmp_path):
        pass


def test_a_key_that_waits_is_used_by_the_next_attempt(tmp_path: Path) -> None:
    with ledger_in(tmp_path, clock=Clock()) as ledger:
        from tallystick.ledger.succession import make_next

        make_next(ledger.keys, ("checkpoint", "receipt"), None, existing=False)
        waiting = ledger.keys.signer("checkpoint~next").public
        ledger.hand_over()
        assert ledger.keys.signer("checkpoint").public == waiting
