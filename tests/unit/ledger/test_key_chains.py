"""A key follows from the one before it, or not at all; what it signed in time stays."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import RefusedError, SignatureError
from tallystick.identity import Signer, SoftwareSigner, generate
from tallystick.ledger import Ledger, Submission
from tallystick.ledger.assembly import read_state
from tallystick.ledger.maintenance import check_statements
from tallystick.ledger.state import LedgerState
from tallystick.statement import KeyKind, Sequence
from tallystick.statement.governance import IssuerKind, KeyRecord, possession_bytes
from tallystick.statement.keylife import KeyStatement, Reason
from tests.keylives import next_key, recovery, revocation, rotation
from tests.ledgers import ORIGIN, Clock, Issuer, ledger_in, started_pool


@pytest.fixture
def clinic() -> Issuer:
    return Issuer()


@pytest.fixture
def ledger(tmp_path: Path, clinic: Issuer) -> Iterator[Ledger]:
    with ledger_in(tmp_path, clinic) as ledger:
        yield ledger


def rotated(ledger: Ledger, issuer: Issuer, kind: KeyKind = KeyKind.ED25519) -> Issuer:
    new = next_key(issuer, kind)
    ledger.register_key(rotation(issuer, new))
    return replace(issuer, signer=new)


def reason(ledger: Ledger, said: KeyStatement) -> str:
    assert isinstance(ledger.clock, Clock)
    ledger.clock.now += 1  # else the same words of the operator are a retry
    with pytest.raises(RefusedError) as refused:
        ledger.register_key(said)
    return refused.value.reason


def register(ledger: Ledger, issuer: Issuer, sequence: Sequence | None = None) -> int:
    return ledger.register_one(Submission(issuer.sign(sequence=sequence).entry)).index


def refused(ledger: Ledger, issuer: Issuer) -> str:
    with pytest.raises(RefusedError) as error:
        register(ledger, issuer)
    return error.value.reason


@pytest.mark.parametrize("kind", KeyKind)
def test_the_new_key_signs_and_the_old_one_no_more(
    ledger: Ledger, clinic: Issuer, kind: KeyKind
) -> None:
    newer = rotated(ledger, clinic, kind)
    newest = rotated(ledger, newer)

    assert newest.did == clinic.did
    register(ledger, newest)
    assert [refused(ledger, one) for one in (clinic, newer)] == ["key.revoked"] * 2


def test_a_retry_of_what_an_ended_key_signed_gets_its_first_index(
    ledger: Ledger, clinic: Issuer
) -> None:
    said = [Submission(clinic.numbered().entry), Submission(clinic.sign().entry)]
    places = [ledger.register_one(one).index for one in said]
    rotated(ledger, clinic)

    assert [ledger.register_one(one).index for one in said] == places


def test_a_count_goes_on_under_the_next_key(ledger: Ledger, clinic: Issuer) -> None:
    first = clinic.numbered()
    ledger.register_one(Submission(first.entry))
    newer = rotated(ledger, clinic)

    sequence = Sequence(emitter=clinic.emitter, epoch=0, seq=1, prev=first.id)
    register(ledger, newer, sequence=sequence)


def test_who_holds_an_ended_key_cannot_write(ledger: Ledger, clinic: Issuer) -> None:
    rotated(ledger, clinic)
    size = ledger.snapshot.checkpoint.size

    assert refused(ledger, clinic) == "key.revoked"
    assert ledger.snapshot.checkpoint.size == size


STRANGER = generate()
WRONG: dict[str, tuple[str, Callable[[Issuer], KeyStatement]]] = {
    "by a stranger": ("key.chain", lambda i: rotation(i, next_key(i), by=STRANGER)),
    "by the new key itself": (
        "key.chain",
        lambda i: rotation(i, new := next_key(i), by=new),
    ),
    "after a stranger's key": ("key.chain", lambda i: rotation(i, next_key(i), previous=STRANGER)),
    "with a forged agreement": (
        "key.chain",
        lambda i: replace(rotation(i, next_key(i)), authorisation=bytes(64)),
    ),
    "to a key that does not agree": (
        "payload",
        lambda i: replace(
            said := rotation(i, next_key(i)), record=replace(said.record, possession=bytes(64))
        ),
    ),
    "to its own key": ("key.known", lambda i: rotation(i, i.signer)),
    "to another name": (
        "key.issuer",
        lambda i: rotation(i, next_key(i), first=replace(i, name="Ministry").record()),
    ),
    "to another kind": (
        "key.issuer",
        lambda i: rotation(i, next_key(i), first=replace(i, kind=IssuerKind.AI).record()),
    ),
    "of nobody": ("key.chain", lambda _: rotation(other := Issuer(), next_key(other))),
    "until an entry to come": (
        "key.until",
        lambda i: revocation(i, Reason.COMPROMISED, until=10**6),
    ),
    "revoked by a stranger": ("key.chain", lambda i: revocation(i, by=STRANGER)),
    "of an unknown key": ("key.chain", lambda i: revocation(i, key=STRANGER)),
    "recovery by a stranger": ("key.chain", lambda i: recovery(i, generate(), by=STRANGER)),
    "recovery with its own key": ("key.known", lambda i: recovery(i, i.signer)),
    "recovery of nobody": ("key.chain", lambda _: recovery(Issuer(), generate())),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_does_not_follow_is_refused(ledger: Ledger, clinic: Issuer, how: str) -> None:
    expected, make = WRONG[how]

    assert reason(ledger, make(clinic)) == expected
    register(ledger, clinic)


def test_an_ended_key_agrees_to_nothing(ledger: Ledger, clinic: Issuer) -> None:
    newer = rotated(ledger, clinic)
    by_old = rotation(newer, next_key(newer), by=clinic.signer)

    assert reason(ledger, by_old) == "key.chain"
    assert reason(ledger, rotation(clinic, next_key(clinic))) == "key.chain"
    ledger.register_key(revocation(newer, by=newer.signer))
    assert reason(ledger, rotation(newer, next_key(newer))) == "key.chain"
    assert reason(ledger, recovery(newer, generate())) == "key.chain"
    assert refused(ledger, newer) == "key.revoked"


def test_a_rotation_cannot_be_played_again(ledger: Ledger, clinic: Issuer) -> None:
    said = rotation(clinic, next_key(clinic))
    stale = rotation(clinic, next_key(clinic))
    ledger.register_key(said)

    assert reason(ledger, said) == "key.known"
    assert reason(ledger, stale) == "key.chain"


def test_a_key_is_revoked_once_and_only_ever_earlier(ledger: Ledger, clinic: Issuer) -> None:
    first = register(ledger, clinic)
    register(ledger, clinic)
    ledger.register_key(revocation(clinic, by=clinic.signer))
    end = ledger.snapshot.checkpoint.size - 1

    assert reason(ledger, revocation(clinic)) == "key.ended"
    assert reason(ledger, revocation(clinic, Reason.COMPROMISED, until=end)) == "key.ended"
    ledger.register_key(revocation(clinic, Reason.COMPROMISED, until=first))
    assert reason(ledger, revocation(clinic, Reason.COMPROMISED, until=first)) == "key.ended"


def test_a_further_key_needs_the_agreement_of_the_first(ledger: Ledger, clinic: Issuer) -> None:
    other = generate(issuer=clinic.did)
    claimed = KeyRecord.signed(ORIGIN, other.public, clinic.kind, clinic.name, other.sign)
    claim = possession_bytes(ORIGIN, clinic.did, clinic.kind, clinic.name)
    stolen = replace(claimed, issuer=clinic.did, possession=other.sign(claim))

    assert reason(ledger, stolen) == "key.issuer"
    web = replace(stolen, issuer="did:example:clinic")
    claim = possession_bytes(ORIGIN, web.issuer, web.kind, web.name)
    ledger.register_key(replace(web, possession=other.sign(claim)))
    third = generate()
    again = replace(web, key=third.public, possession=third.sign(claim))
    assert reason(ledger, again) == "key.issuer"


def test_a_key_of_another_issuer_is_not_taken(ledger: Ledger, clinic: Issuer) -> None:
    other = Issuer("Other")
    ledger.register_key(other.record())

    assert reason(ledger, rotation(clinic, other.signer)) == "key.known"
    newer = rotated(ledger, clinic)
    theirs = KeyRecord.signed(ORIGIN, newer.signer.public, IssuerKind.AI, "Bot", newer.signer.sign)
    assert reason(ledger, theirs) == "key.known"


def test_the_operators_key_does_not_end(ledger: Ledger) -> None:
    signer = ledger.keys.signer("operator")
    operator = Issuer("the operator of the log", signer=signer)

    assert reason(ledger, rotation(operator, next_key(operator))) == "handover.closed"
    assert reason(ledger, revocation(operator)) == "key.operator"
    assert reason(ledger, recovery(operator, generate(), by=signer)) == "key.operator"


def test_a_lost_key_is_recovered(ledger: Ledger, clinic: Issuer) -> None:
    safe, new = generate(), next_key(clinic)
    ledger.register_key(recovery(clinic, safe))
    ledger.register_key(revocation(clinic, Reason.LOST, by=safe))

    ledger.register_key(rotation(clinic, new, by=safe))

    register(ledger, replace(clinic, signer=new))


def test_who_stole_a_key_cannot_take_the_recovery_key(ledger: Ledger, clinic: Issuer) -> None:
    safe, thief = generate(), next_key(clinic)
    ledger.register_key(recovery(clinic, safe))

    assert reason(ledger, recovery(clinic, generate())) == "key.recovery"
    assert reason(ledger, revocation(clinic, key=safe, by=clinic.signer)) == "key.recovery"
    ledger.register_key(rotation(clinic, thief))
    stolen = replace(clinic, signer=thief)
    assert reason(ledger, recovery(stolen, generate())) == "key.recovery"
    ledger.register_key(rotation(stolen, new := next_key(clinic), by=safe))
    assert refused(ledger, stolen) == "key.revoked"
    register(ledger, replace(clinic, signer=new))


def test_a_recovery_key_signs_no_statement(ledger: Ledger, clinic: Issuer) -> None:
    safe = generate(issuer=clinic.did)
    ledger.register_key(recovery(clinic, safe))
    size = ledger.snapshot.checkpoint.size

    assert refused(ledger, replace(clinic, signer=safe)) == "key.recovery"
    assert ledger.snapshot.checkpoint.size == size
    assert reason(ledger, rotation(clinic, safe)) == "key.known"


def test_a_recovery_key_is_replaced_and_revoked_by_itself(ledger: Ledger, clinic: Issuer) -> None:
    old, new = generate(), generate()
    ledger.register_key(recovery(clinic, old))
    ledger.register_key(recovery(clinic, new, by=old))

    assert reason(ledger, rotation(clinic, next_key(clinic), by=old)) == "key.chain"
    until = revocation(clinic, Reason.COMPROMISED, until=1, key=new, by=new)
    assert reason(ledger, until) == "key.until"
    ledger.register_key(revocation(clinic, key=new, by=new))
    assert reason(ledger, rotation(clinic, next_key(clinic), by=new)) == "key.chain"
    ledger.register_key(recovery(clinic, generate()))


def test_the_state_is_the_same_after_opening_again(tmp_path: Path, clinic: Issuer) -> None:
    with ledger_in(tmp_path, clinic) as ledger:
        newer = rotated(ledger, clinic, KeyKind.P256)
        ledger.register_key(recovery(newer, generate()))
        register(ledger, newer)
        ledger.register_key(revocation(newer, Reason.COMPROMISED, until=3, by=newer.signer))
        live = ledger.state.chains
        assert read_state(ledger.index, ledger.snapshot).chains == live
        home = ledger.home

    walked = LedgerState()
    assert list(check_statements(home, state=walked)) == []
    assert walked.chains == live
    with ledger_in(tmp_path) as ledger:
        assert ledger.state.chains == live
        assert refused(ledger, newer) == "key.revoked"


def test_worker_processes_learn_of_the_next_key(tmp_path: Path, clinic: Issuer) -> None:
    with ledger_in(tmp_path, clinic, checks=started_pool(1)) as ledger:
        newer = rotated(ledger, clinic)
        said = [Submission(newer.sign().entry) for _ in range(40)]

        answers = ledger.register(said)

    assert not [one for one in answers if isinstance(one, Exception)]


def test_a_signature_by_nobody_is_still_none(ledger: Ledger, clinic: Issuer) -> None:
    newer = rotated(ledger, clinic)
    forged = replace(newer, signer=_pretending(newer.signer))

    with pytest.raises(SignatureError):
        register(ledger, forged)


def _pretending(signer: Signer) -> SoftwareSigner:
    """Return a key that names another one as its own."""
    other = generate(issuer=signer.issuer)
    other._public = signer.public
    return other
