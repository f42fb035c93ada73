"""What only the operator of a log says, whatever the policy allows."""

from pathlib import Path

import pytest

from tallystick.errors import RefusedError
from tallystick.ledger import RegistrationPolicy, Rule
from tallystick.statement import SignedStatement
from tallystick.statement.administration import Act, AdminAct
from tallystick.statement.governance import IssuerKind
from tallystick.statement.labels import INLINE_MEDIA_TYPE
from tests.ledgers import START, Issuer, ledger_in, submissions

EVERYTHING = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
CLINIC = Issuer()
ACT = AdminAct(act=Act.KEY_MADE, target="0a1b", at=START, details={"role": "admin"})


@pytest.mark.parametrize(
    "statement",
    [
        CLINIC.sign(
            ACT.encode(),
            type="access", hashed=False, content_type=INLINE_MEDIA_TYPE, subject=ACT.subject,
        ),
        CLINIC.sign(type="approval", subject=f"urn:tallystick:approval:{bytes(32).hex()}"),
    ],
    ids=["an administrative act", "an approval by passkey"],
)  # fmt: skip
def test_nobody_else_says_it(tmp_path: Path, statement: SignedStatement) -> None:
    with ledger_in(tmp_path, CLINIC, policy=EVERYTHING) as ledger:
        [refused] = ledger.register(submissions(statement))

    assert isinstance(refused, RefusedError)
    assert refused.reason == "type.operator"
