"""An emitter goes on under the next key of its issuer: the issuer is the same."""

from dataclasses import replace
from pathlib import Path

from tallystick.evidence import Emitter
from tallystick.ledger import Query, RegistrationPolicy, Rule
from tallystick.statement import KeyKind
from tallystick.statement.governance import IssuerKind
from tallystick.verify import Account
from tests.keylives import next_key, rotation
from tests.ledgers import Issuer, ledger_in

POLICY = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))


def test_epochs_go_on_across_a_rotation(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        with Emitter(ledger, clinic.signer):
            pass
        ledger.register_key(rotation(clinic, new := next_key(clinic, KeyKind.P256)))
        with Emitter(ledger, new) as emitter:
            assert emitter.issuer == clinic.did

        account = Account()
        for at in range(ledger.snapshot.checkpoint.size):
            account.add(at, ledger.at(at).statement)
        theirs = [one for one in account.epochs() if one.issuer == clinic.did]
        assert [(one.number, one.ended, one.faults) for one in theirs] == [
            (0, True, []),
            (1, True, []),
        ]
        assert len(ledger.find(Query(issuer=replace(clinic, signer=new).did)).found) == 4
