"""A passkey is made once with a code, agrees to all that is registered of it, and is a person's."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tallystick.approvals import Enrolling, Made, Party, Waiting, local_party, party_of
from tallystick.approvals.enrolling import agree, invite
from tallystick.errors import (
    ApprovalError,
    EncodingError,
    InputError,
    RefusedError,
    UnavailableError,
)
from tallystick.ledger import Ledger, Registered
from tallystick.statement.governance import IssuerKind
from tallystick.statement.keychain import PASSKEYS_MAX
from tallystick.statement.keylife import Reason, Revocation
from tallystick.statement.passkey import Passkey
from tallystick.statement.webauthn import Assertion
from tests.ledgers import ORIGIN, Clock, Issuer, ledger_in
from tests.passkeys import PAGE, RP_ID, Authenticator


@dataclass
class Office:
    """A ledger with a person and a clinic."""

    ledger: Ledger
    waiting: Waiting
    clock: Clock
    person: Issuer
    clinic: Issuer
    party: Party = field(default_factory=lambda: Party(RP_ID, PAGE))

    @property
    def enrolling(self) -> Enrolling:
        return Enrolling(self.ledger, self.waiting, self.party)

    def invite(self, issuer: Issuer | None = None, *, agreement: bool = False) -> str:
        did, now = (issuer or self.person).did, self.clock()
        return invite(self.waiting, self.ledger.state, did, now, agreement=agreement)

    def make(self, code: str, authenticator: Authenticator) -> tuple[Made, Assertion]:
        _, challenge = self.enrolling.begin(code)
        made = authenticator.make(challenge)
        return made, authenticator.get(self.enrolling.possession(code, made))

    def reason(self, code: str, made: Made, assertion: Assertion) -> str:
        with pytest.raises((ApprovalError, RefusedError)) as caught:
            self.enrolling.enrol(code, made, assertion)
        return str(getattr(caught.value, "reason", None))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    clock, person, clinic = Clock(), Issuer(kind=IssuerKind.PERSON), Issuer()
    with (
        ledger_in(tmp_path, person, clinic, clock=clock) as ledger,
        closing(Waiting(ledger.home.asked, ledger.api_secret)) as waiting,
    ):
        yield Office(ledger, waiting, clock, person, clinic)


@pytest.mark.parametrize(
    "passkey", [Authenticator(), Authenticator(key=ed25519.Ed25519PrivateKey.generate())]
)
def test_a_passkey_is_registered_for_its_person_once(
    office: Office, passkey: Authenticator
) -> None:
    code = office.invite()

    made, agreed = office.make(code, passkey)
    done = office.enrolling.enrol(code, made, agreed)

    assert done is not None
    [registered] = office.ledger.state.chains.passkeys_of(office.person.did)
    assert registered.key == passkey.public
    assert office.ledger.at(done.index).statement.header.subject == office.person.did
    assert office.reason(code, made, agreed) == "approval.replayed"
    office.clock.now += 1  # else it is the very same statement, and a retry
    again = office.invite()
    assert office.reason(again, *office.make(again, passkey)) == "key.known"


def full(office: Office) -> list[Authenticator]:
    """Give the person as many passkeys as there may be."""
    made = []
    for _ in range(PASSKEYS_MAX):
        code, passkey = office.invite(), Authenticator()
        office.enrolling.enrol(code, *office.make(code, passkey))
        made.append(passkey)
    return made


def test_an_invitation_whose_registration_is_refused_counts_on(office: Office) -> None:
    first, *_ = full(office)
    code, passkey = office.invite(), Authenticator()
    made = office.make(code, passkey)

    assert office.reason(code, *made) == "key.passkeys"

    office.ledger.register_key(
        Revocation(
            issuer=office.person.did, key_id=first.public.thumbprint(), reason=Reason("lost")
        )
    )
    assert office.enrolling.enrol(code, *made) is not None
    assert office.reason(code, *made) == "approval.replayed"


def test_a_passkey_whose_registration_was_cut_off_is_registered_with_its_code(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_: object) -> None:
        raise UnavailableError("no space left")

    code, passkey = office.invite(), Authenticator()
    made = office.make(code, passkey)
    with monkeypatch.context() as patch:
        patch.setattr(office.ledger, "register_key", cut)
        with pytest.raises(UnavailableError):
            office.enrolling.enrol(code, *made)
    assert not office.ledger.state.chains.passkeys

    with pytest.raises(ApprovalError, match="answered before"):
        office.enrolling.begin(code)

    [registered] = office.ledger.state.chains.passkeys_of(office.person.did)
    assert registered.key == passkey.public
    size = office.ledger.snapshot.checkpoint.size
    assert office.reason(code, *made) == "approval.replayed"
    assert office.ledger.snapshot.checkpoint.size == size


def test_two_who_use_a_code_at_once_make_one_passkey(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, passkey = office.invite(), Authenticator()
    made = office.make(code, passkey)
    register = office.ledger.register_key

    def slow(said: Passkey) -> Registered:
        register(said)  # the other one, who found the code settled
        office.clock.now += 1
        return register(said)

    monkeypatch.setattr(office.ledger, "register_key", slow)
    done = office.enrolling.enrol(code, *made)

    assert done is not None
    assert len(office.ledger.state.chains.passkeys) == 1


def test_an_invitation_ends(office: Office) -> None:
    code = office.invite()
    made, agreed = office.make(code, Authenticator())
    office.clock.now += 86_400

    assert office.reason(code, made, agreed) == "approval.expired"


def test_only_a_registered_person_is_invited(office: Office) -> None:
    with pytest.raises(RefusedError, match="only a person"):
        office.invite(office.clinic)
    with pytest.raises(RefusedError, match="no key is registered"):
        office.invite(Issuer())


def test_a_passkey_made_with_one_code_is_not_registered_with_another(office: Office) -> None:
    first, second = office.invite(), office.invite()
    made, agreed = office.make(first, Authenticator())

    assert office.reason(second, made, agreed) == "approval.challenge"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"page": "http://localhost:1"}, "approval.origin"),
        ({"rp_id": "evil.example"}, "approval.rp"),
        ({"said": {"crossOrigin": True}}, "approval.cross-origin"),
        ({"said": {"type": "webauthn.get"}}, "approval.type"),
        ({"flags": 0x01}, "approval.verification"),
    ],
)
def test_a_passkey_that_was_made_otherwise_is_refused(
    office: Office, changes: dict[str, object], reason: str
) -> None:
    code, passkey = office.invite(), Authenticator()
    made, agreed = office.make(code, passkey)
    _, challenge = office.enrolling.begin(code)

    otherwise = passkey.but(**changes).make(challenge)

    assert office.reason(code, otherwise, agreed) == reason
    office.enrolling.enrol(code, made, agreed)  # the code still counts


def test_a_passkey_that_did_not_agree_is_refused(office: Office) -> None:
    code = office.invite()
    made, _ = office.make(code, Authenticator())
    _, others = office.make(code, Authenticator())

    assert office.reason(code, made, others) == "approval.challenge"
    assert not office.ledger.state.chains.passkeys


@pytest.mark.parametrize(
    "attestation",
    [
        b"", b"\x01", bytes(20_000), cbor2.dumps({"fmt": "none", "attStmt": {}}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": Authenticator().data()}),
    ],
)  # fmt: skip
def test_what_is_no_attestation_is_refused(office: Office, attestation: bytes) -> None:
    code = office.invite()
    _, challenge = office.enrolling.begin(code)
    said = Authenticator().client_data("webauthn.create", challenge)

    with pytest.raises(EncodingError):
        office.enrolling.possession(code, Made(attestation, said))


def test_the_relying_party_is_a_page_that_browsers_accept() -> None:
    assert local_party(8471) == Party("localhost", "http://localhost:8471")
    assert party_of("https://log.example/ledgers/hr") == Party("log.example", "https://log.example")
    assert party_of("https://Log.example:8471").origin == "https://log.example:8471"
    for url in ("http://log.example", "http://127.0.0.1:8471", "nonsense", "https://[x"):
        with pytest.raises(InputError, match="passkeys cannot be used"):
            party_of(url)


def test_a_passkey_waits_for_the_agreement_of_its_persons_key(office: Office) -> None:
    code = office.invite(agreement=True)
    with pytest.raises(InputError, match="no passkey was made"):
        agree(office.waiting, code, ORIGIN, office.person.signer)
    made, agreed = office.make(code, Authenticator())

    assert office.enrolling.enrol(code, made, agreed) is None

    assert not office.ledger.state.chains.passkeys
    with pytest.raises(InputError, match="the passkey is one of"):
        agree(office.waiting, code, ORIGIN, office.clinic.signer)
    office.ledger.register_key(agree(office.waiting, code, ORIGIN, office.person.signer))
    [registered] = office.ledger.state.chains.passkeys_of(office.person.did)
    assert registered.by == office.person.signer.public.thumbprint()
