"""Issuers of the web and accounts, through the sequencer: admitted, refused, and the same again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import RefusedError
from tallystick.evidence import build_bundle
from tallystick.identity import generate
from tallystick.ledger import Ledger, Submission
from tallystick.ledger.assembly import read_state
from tallystick.ledger.maintenance import check_statements
from tallystick.ledger.state import LedgerState
from tallystick.statement.account import AccountEnd, account_text
from tallystick.statement.fetched import FetchedDocument
from tallystick.statement.governance import IssuerKind
from tallystick.statement.keylife import KeyStatement
from tallystick.verify import Verdict, examine, parse_policy
from tests.histories import Controller, document_of
from tests.ledgers import ORIGIN, START, Clock, Issuer, ledger_in, started_pool
from tests.wallets import Wallet


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(tmp_path) as ledger:
        yield ledger


@pytest.fixture
def controller() -> Controller:
    controller = Controller()
    controller.create()
    controller.signer = generate(issuer=controller.did)
    return controller.append(document_of(controller.did, controller.signer))


def evidence(controller: Controller, after: int = 0, **changed: Any) -> FetchedDocument:
    lines = controller.lines.splitlines(keepends=True)
    said = FetchedDocument(
        issuer=controller.did,
        kind=IssuerKind.ORGANISATION,
        fetched_at=START,
        media_type="text/jsonl",
        certificate=bytes(32),
        content=b"".join(lines[after:]),
        after=after,
    )
    return replace(said, **changed)


def register(ledger: Ledger, issuer: Issuer) -> int:
    return ledger.register_one(Submission(issuer.sign().entry)).index


def reason(ledger: Ledger, said: KeyStatement) -> str:
    assert isinstance(ledger.clock, Clock)
    ledger.clock.now += 1  # else the same words of the operator are a retry
    with pytest.raises(RefusedError) as refused:
        ledger.register_key(said)
    return refused.value.reason


def bound(ledger: Ledger, wallet: Wallet, issuer: Issuer) -> Any:
    text = account_text(ORIGIN, ledger.state.chains.genesis, issuer.did)
    return wallet.bound(issuer, signature=wallet.sign(text))


def test_a_key_that_a_history_names_signs_until_it_is_named_no_more(
    ledger: Ledger, controller: Controller
) -> None:
    ledger.register_key(evidence(controller))
    old = Issuer(signer=controller.signer)
    register(ledger, old)
    new = Issuer(signer=generate(issuer=controller.did))
    controller.append(document_of(controller.did, new.signer))

    ledger.register_key(evidence(controller, after=2))

    register(ledger, new)
    with pytest.raises(RefusedError) as refused:
        register(ledger, old)
    assert refused.value.reason == "key.revoked"


def test_what_does_not_verify_is_refused_by_name(ledger: Ledger, controller: Controller) -> None:
    ledger.register_key(evidence(controller))

    assert reason(ledger, evidence(controller)) == "key.document"
    assert reason(ledger, evidence(controller, after=1)) == "key.document"
    assert reason(ledger, evidence(controller, after=2, content=b"{}")) == "key.document"
    assert reason(ledger, evidence(controller, after=3)) == "key.chain"
    other = Controller().create()
    assert reason(ledger, evidence(other, fetched_at=START + 1000)) == "time.future"
    assert reason(ledger, evidence(other, issuer=controller.did)) == "key.document"


def test_accounts_are_refused_by_name(ledger: Ledger, controller: Controller) -> None:
    ledger.register_key(evidence(controller))
    issuer, wallet = Issuer(signer=controller.signer), Wallet()
    said = bound(ledger, wallet, issuer)

    assert reason(ledger, wallet.bound(issuer)) == "payload"  # of another first entry
    ledger.register_key(said)
    assert reason(ledger, said) == "key.account"
    assert reason(ledger, AccountEnd(issuer=issuer.did, address=bytes(20))) == "key.chain"


def test_all_of_it_is_the_same_after_opening_again(tmp_path: Path, controller: Controller) -> None:
    issuer, wallet = Issuer(signer=controller.signer), Wallet()
    with ledger_in(tmp_path) as ledger:
        ledger.register_key(evidence(controller))
        ledger.register_key(bound(ledger, wallet, issuer))
        controller.append()
        ledger.register_key(evidence(controller, after=2))
        register(ledger, issuer)
        chains = ledger.state.chains

    with ledger_in(tmp_path) as ledger:
        assert ledger.state.chains == chains
        assert read_state(ledger.index, ledger.snapshot).chains == chains
        assert chains.account_of(issuer.did) is not None
        home = ledger.home
        register(ledger, issuer)
    walked = LedgerState()
    assert list(check_statements(home, state=walked)) == []
    assert walked.chains == chains


def test_worker_processes_learn_of_the_keys_of_a_history(
    tmp_path: Path, controller: Controller
) -> None:
    issuer = Issuer(signer=controller.signer)
    with ledger_in(tmp_path, checks=started_pool(1)) as ledger:
        ledger.register_key(evidence(controller))
        answers = ledger.register([Submission(issuer.sign().entry) for _ in range(40)])

    assert not [one for one in answers if isinstance(one, Exception)]


def test_a_bundle_without_the_first_part_of_a_history_is_open(
    ledger: Ledger, controller: Controller
) -> None:
    first = ledger.register_key(evidence(controller))
    newer = Issuer(signer=generate(issuer=controller.did))
    controller.append(document_of(controller.did, newer.signer))
    ledger.register_key(evidence(controller, after=2))
    statement = ledger.register_one(Submission(newer.sign().entry))
    policy = parse_policy(f"log {ledger.card.checkpoint_key}\nquorum none\n".encode())
    bundle = build_bundle(ledger, statement.id)

    whole = examine(bundle.encode(), policy)
    less = replace(bundle, members=tuple(
        one for one in bundle.members if one.entry != ledger.get(first.id).statement.entry
    ))  # fmt: skip

    assert whole.verdict is Verdict.VERIFIED
    assert examine(less.encode(), policy).verdict is Verdict.INDETERMINATE
