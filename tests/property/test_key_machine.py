"""Lives of keys against a plain model: the sequencer's state, one rebuilt, and the verifier."""

import dataclasses
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tallystick.errors import RefusedError, SignatureError
from tallystick.identity import Signer, generate
from tallystick.ledger import (
    Candidate,
    LedgerState,
    RegistrationPolicy,
    Rule,
    decide,
    operator_says,
)
from tallystick.statement import KeyKind, SignedStatement, VerifierKey, parse_statement
from tallystick.statement.governance import Genesis, IssuerKind, StatementType, operator_record
from tallystick.statement.keylife import KeyStatement, Reason, parse_key_statement
from tallystick.verify import RegisteredKeys
from tests.keylives import next_key, recovery, revocation, rotation
from tests.ledgers import ORIGIN, START, Issuer

KINDS = st.sampled_from(list(KeyKind))
WHICH = st.integers(0, 5)
OPERATOR = generate()


@dataclass
class Life:
    """What the model knows of a key."""

    signer: Signer
    start: int
    last: int | None = None


def genesis() -> SignedStatement:
    policy = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
    key = OPERATOR.public
    said = Genesis(
        origin=ORIGIN,
        checkpoint_key=VerifierKey(ORIGIN, 1, key.raw),
        receipt_key=key,
        operator=key.did(),
        operator_key=key,
        policy=policy.content(),
    )
    told = operator_says(OPERATOR, StatementType.GENESIS, said.encode(), subject=ORIGIN, now=START)
    return parse_statement(told.entry)


class KeyLives(RuleBasedStateMachine):
    """One issuer, whose keys come and go; any key may be the one that agrees, or signs."""

    def __init__(self) -> None:
        super().__init__()
        self.log = [genesis()]
        self.state = LedgerState()
        self.state.apply(self.log[0], 0)
        self.issuer = Issuer()
        self.first = self.issuer.record()
        self.lives: list[Life] = []
        self.safe: Life | None = None
        self.signed: list[tuple[int, Life]] = []
        assert self.tell(self.first)
        self.lives.append(Life(self.issuer.signer, 1))

    def tell(self, said: KeyStatement) -> bool:
        """Let the operator say it; return whether it was admitted."""
        told = operator_says(
            OPERATOR, StatementType.KEY, said.encode(), subject=said.issuer,
            now=START + len(self.log),
        )  # fmt: skip
        return self.admit(parse_statement(told.entry))

    def admit(self, statement: SignedStatement) -> bool:
        known = {one.id: at for at, one in enumerate(self.log)}
        try:
            found = decide(Candidate(statement, signed=True), self.state, lambda s: known.get(s.id))
        except RefusedError as error:
            if not error.reason.startswith("key."):
                raise
            return False
        assert found is None
        self.state.apply(statement, len(self.log))
        self.log.append(statement)
        return True

    def pick(self, which: int) -> Life:
        return self.lives[which % len(self.lives)]

    def agrees(self, which: int, *, safe: bool) -> Life:
        return self.safe if safe and self.safe else self.pick(which)

    @rule(which=WHICH)
    def sign(self, which: int) -> None:
        life = self.pick(which)
        issuer = dataclasses.replace(self.issuer, signer=life.signer)

        admitted = self.admit(issuer.sign(issued_at=START, issuer=self.issuer.did))

        assert admitted == (life.last is None)
        if admitted:
            self.signed.append((len(self.log) - 1, life))

    @rule(kind=KINDS, which=WHICH, follows=WHICH, safe=st.booleans())
    def rotate(self, kind: KeyKind, which: int, follows: int, *, safe: bool) -> None:
        new, by, before = next_key(self.issuer, kind), self.agrees(which, safe=safe), self.lives[-1]
        if follows == 0:
            before = self.lives[0]
        index = len(self.log)

        admitted = self.tell(rotation(self.issuer, new, by.signer, before.signer, self.first))

        assert admitted == (by.last is None and before is self.lives[-1])
        if admitted:
            for life in self.lives:
                life.last = index if life.last is None else life.last
            self.lives.append(Life(new, index))

    @rule(
        which=WHICH, by=st.none() | WHICH, until=st.none() | st.integers(0, 30), safe=st.booleans()
    )
    def revoke(self, which: int, by: int | None, until: int | None, *, safe: bool) -> None:
        target, index = self.pick(which), len(self.log)
        said_by = None if by is None else self.agrees(by, safe=safe)
        reason = Reason.CEASED if until is None else Reason.COMPROMISED
        signer = None if said_by is None else said_by.signer

        admitted = self.tell(revocation(self.issuer, reason, until, target.signer, signer))

        last = index if until is None else until
        may = said_by is None or said_by.last is None
        assert admitted == (
            may and (until is None or until < index) and (target.last is None or last < target.last)
        )
        if admitted:
            target.last = last

    @rule(which=WHICH, safe=st.booleans())
    def make_recovery(self, which: int, *, safe: bool) -> None:
        new, by = generate(), self.agrees(which, safe=safe)

        admitted = self.tell(recovery(self.issuer, new, by.signer))

        assert admitted == (by.last is None and (self.safe is None or by is self.safe))
        if admitted:
            self.safe = Life(new, len(self.log) - 1)

    @rule(by_itself=st.booleans())
    def revoke_recovery(self, *, by_itself: bool) -> None:
        if self.safe is None:
            return
        key = self.safe.signer
        assert self.tell(revocation(self.issuer, key=key, by=key if by_itself else None))
        self.safe = None

    @invariant()
    def the_state_rebuilt_is_the_same(self) -> None:
        again = LedgerState()
        for index, statement in enumerate(self.log):
            again.apply(statement, index)
        assert again.chains == self.state.chains
        assert again.size == self.state.size == len(self.log)

    @invariant()
    def a_stranger_believes_what_was_signed_in_time(self) -> None:
        keys = RegisteredKeys()
        keys.chains.origin, keys.chains.operator = ORIGIN, OPERATOR.public.did()
        keys.add(operator_record(self.state.genesis), 0)  # type: ignore[arg-type]
        for index, statement in enumerate(self.log):
            if index and statement.header.type == StatementType.KEY:
                said = parse_key_statement(statement.payload)
                keys.chains.check(said, index)
                keys.add(said, index)
        for index, life in self.signed:
            key_id = life.signer.public.thumbprint()
            try:
                keys.find(self.issuer.did, key_id, index)
                believed = True
            except SignatureError:
                believed = False
            assert believed == (life.last is None or index <= life.last)


TestKeyLives = KeyLives.TestCase
TestKeyLives.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
