"""What a stranger says of handovers that are forged, left out, or lead elsewhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import EncodingError, TallystickError, VersionError
from tallystick.evidence import build_bundle
from tallystick.identity import generate
from tallystick.ledger import Ledger, operator_says
from tallystick.ledger.creation import verifier_key
from tallystick.ledger.succession import make_next, next_handover
from tallystick.statement import (
    Found,
    Note,
    VerifierKey,
    dcbor,
    parse_note,
    parse_statement,
    sign_note,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.handover import Handover, HandoverReason, parse_handover
from tallystick.statement.note import TYPE_ED25519
from tallystick.verify import Bundle, Member, Report, Verdict, examine, log_policy, parse_policy
from tests.ledgers import ORIGIN, START, Issuer, ledger_in, many, submissions


def prepared(ledger: Ledger) -> Handover:
    make_next(ledger.keys, ("checkpoint", "receipt"), None, existing=False)
    text = ledger.home.trust.read_text()
    return next_handover(ledger.keys, ORIGIN, text, HandoverReason.ROTATED, None)


def handed_over(ledger: Ledger, issuer: Issuer) -> Bundle:
    ledger.hand_over()
    [answer] = ledger.register(submissions(*many(issuer, 1)))
    assert not isinstance(answer, TallystickError)
    return build_bundle(ledger, answer.id)


def told(report: Report) -> str:
    return "\n".join(check.detail for check in report.checks)


def test_a_handover_by_another_than_the_operator_is_refused(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        policy = parse_policy(ledger.home.trust.read_bytes())
        said = operator_says(
            issuer.signer, StatementType.HANDOVER, prepared(ledger).encode(),
            subject=ORIGIN, now=START,
        )  # fmt: skip
        ledger._parts.log.append([said.entry])
        at = ledger.snapshot.checkpoint.size - 1
        bundle = build_bundle(ledger, ledger.at(2).statement.id)
        proof = ledger.prove_found(Found(at, parse_statement(said.entry)), ledger.snapshot)
        forged = replace(bundle, members=(*bundle.members, Member(said.entry, proof.receipt)))
        seen = examine(forged.encode(), policy)

    assert seen.verdict is Verdict.FAILED
    assert "the handover was not registered by the operator" in told(seen)
    assert seen.checkpoint is not None


def test_without_the_genesis_nothing_is_followed(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        before = parse_policy(ledger.home.trust.read_bytes())
        bundle = handed_over(ledger, issuer)
        after = parse_policy(ledger.home.trust.read_bytes())
    bare = replace(bundle, members=bundle.members[1:]).encode()

    assert examine(bare, before).verdict is Verdict.FAILED
    seen = examine(bare, after)
    assert seen.verdict is Verdict.INDETERMINATE
    assert "entry 0, which names the keys of the log, is not in the bundle" in told(seen)
    seen = examine(bare, after, any_signer=True)
    assert "without the genesis entry the operator is not known" in told(seen)


def test_a_key_that_was_never_the_logs_leads_nowhere(tmp_path: Path) -> None:
    issuer, stranger = Issuer(), generate()
    other = VerifierKey(ORIGIN, TYPE_ED25519, stranger.public.raw)
    with ledger_in(tmp_path, issuer) as ledger:
        bundle = handed_over(ledger, issuer)
        mine = log_policy(verifier_key(ORIGIN, ledger.keys.signer("checkpoint")))

    assert examine(bundle.encode(), log_policy(other)).verdict is Verdict.FAILED
    text = parse_note(bundle.checkpoint).text
    forged = Note(text, (sign_note(text, other, stranger.sign),)).encode()
    seen = examine(replace(bundle, checkpoint=forged).encode(), mine)
    assert seen.verdict is Verdict.FAILED
    assert "not signed by any key that is trusted" in told(seen)


def test_a_handover_that_the_log_does_not_hold_is_not_followed(tmp_path: Path) -> None:
    issuer = Issuer()
    with ledger_in(tmp_path, issuer) as ledger:
        policy = parse_policy(ledger.home.trust.read_bytes())
        bundle = handed_over(ledger, issuer)
    members = list(bundle.members)
    place = next(at for at, one in enumerate(members) if b"receipt_possession" in one.entry)
    members[place] = replace(members[place], receipt=members[0].receipt)

    seen = examine(replace(bundle, members=tuple(members)).encode(), policy)

    assert seen.verdict is not Verdict.VERIFIED
    assert seen.checkpoint is None


BROKEN: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"version": 2}, VersionError, "has version 2"),
    ({"version": True}, VersionError, "has version True"),
    ({"reason": "bored"}, EncodingError, "reason must be one of"),
    ({"until": -1}, EncodingError, "'until' must be a size"),
    ({"until": True}, EncodingError, "'until' must be a size"),
    ({"policy": "p" * 70_000}, EncodingError, "at most 65536 letters"),
    ({"origin": 4}, EncodingError, "'origin' must be str"),
    ({"previous": "nobody"}, EncodingError, "verifier key must be"),
    ({"receipt_key": b""}, EncodingError, "COSE_Key"),
]


@pytest.mark.parametrize(("change", "error", "says"), BROKEN)
def test_a_payload_that_is_no_handover_is_refused(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    with ledger_in(tmp_path) as ledger:
        good = dcbor.decode(prepared(ledger).encode(), "handover")

    with pytest.raises(error, match=says):
        parse_handover(dcbor.encode({**good, **change}))


def test_a_payload_that_is_no_map_is_refused() -> None:
    with pytest.raises(EncodingError, match="must be a map"):
        parse_handover(dcbor.encode([1]))


def test_a_key_of_the_log_is_taken_once(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        said = prepared(ledger)
        new = replace(said.checkpoint_key, public=ledger.keys.signer("receipt").public.raw)
        with pytest.raises(TallystickError, match="taken once, for one use"):
            ledger.state.log_keys.check(replace(said, checkpoint_key=new), 5)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("#tallystick genesis " + "0" * 64, "one genesis only"),
        ("#tallystick genesis short", "expected genesis ID or retired SIZE VKEY"),
        ("#tallystick retired 007 nobody", "expected genesis ID or retired SIZE VKEY"),
        ("#tallystick retired 7 nobody", "verifier key must be"),
        ("#tallystick", "expected genesis ID"),
    ],
)
def test_a_comment_of_ours_that_is_broken_is_refused(tmp_path: Path, line: str, says: str) -> None:
    with ledger_in(tmp_path) as ledger:
        text = ledger.home.trust.read_text()

    with pytest.raises(EncodingError, match=says):
        parse_policy(f"{text}{line}\n".encode())
    passed_over = parse_policy(f"{text}#tallysticks are old\n# tallystick genesis\n".encode())
    assert passed_over == parse_policy(text.encode())


def test_a_retired_key_counts_up_to_its_size(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        old = verifier_key(ORIGIN, ledger.keys.signer("checkpoint"))
        ledger.hand_over()
        policy = parse_policy(ledger.home.trust.read_bytes())
        [(key, last)] = policy.retired

    assert (key, last) == (old, ledger.snapshot.checkpoint.size)
    assert old in policy.signing(ORIGIN, last)
    assert old not in policy.signing(ORIGIN, last + 1)
    assert policy.signing("localhost/other", last) == []
