"""Registered passkeys: of a person, agreed to by the passkey itself, and ended like any key."""

from dataclasses import replace
from typing import Any

import pytest

from tallystick.errors import (
    EncodingError,
    IndeterminateError,
    KeyChainError,
    SignatureError,
)
from tallystick.statement import dcbor
from tallystick.statement.governance import IssuerKind
from tallystick.statement.keychain import PASSKEYS_MAX, KeyChains
from tallystick.statement.keylife import Reason, Revocation, parse_key_statement, registered_key
from tallystick.statement.passkey import ORIGINS_MAX, Passkey
from tests.ledgers import ORIGIN, Issuer
from tests.passkeys import Authenticator

PERSON, CLINIC = Issuer(kind=IssuerKind.PERSON), Issuer()
PASSKEY = Authenticator().passkey(PERSON.did)


def chains() -> KeyChains:
    made = KeyChains(ORIGIN, "did:key:operator")
    made.apply(PERSON.record(), 1)
    made.apply(CLINIC.record(), 2)
    return made


def reason(said: Passkey, made: KeyChains | None = None) -> str:
    with pytest.raises(KeyChainError) as caught:
        (made or chains()).check(said, 9)
    return caught.value.reason


def test_a_passkey_of_a_person_is_registered_once_and_signs_nothing() -> None:
    made = chains()
    made.check(PASSKEY, 9)
    made.apply(PASSKEY, 9)
    made.apply(PASSKEY, 10)

    assert made.passkeys_of(PERSON.did) == [PASSKEY]
    assert made.passkeys[PERSON.did, PASSKEY.key.thumbprint()][0] == 9
    assert not made.is_recovery(PERSON.did, PASSKEY.key.thumbprint())
    assert made.keys_of(PERSON.did) == [PERSON.signer.public.thumbprint()]
    assert registered_key(PASSKEY) is None
    assert reason(PASSKEY, made) == "key.known"


def test_a_passkey_is_agreed_to_by_a_key_of_its_person_or_by_the_operator_alone() -> None:
    agreed = PASSKEY.signed_by(ORIGIN, PERSON.signer.public, PERSON.signer.sign)

    chains().check(agreed, 9)
    forged = replace(agreed, authorisation=bytes(64))
    assert reason(forged) == "key.chain"
    with pytest.raises(IndeterminateError):
        chains().check(PASSKEY.signed_by(ORIGIN, CLINIC.signer.public, CLINIC.signer.sign), 9)


def test_only_a_registered_person_has_passkeys() -> None:
    assert reason(Authenticator().passkey(CLINIC.did)) == "key.person"
    with pytest.raises(IndeterminateError, match="no key of"):
        chains().check(Authenticator().passkey("did:key:zNobody"), 9)


@pytest.mark.parametrize(
    "changed",
    [
        replace(PASSKEY, issuer=CLINIC.did),
        replace(PASSKEY, key=Authenticator().public),
        replace(PASSKEY, possession=b""),
        replace(PASSKEY, origins=("http://localhost:1",)),
        Authenticator().passkey(PERSON.did, "localhost/other"),
    ],
)
def test_a_passkey_agrees_itself_to_all_that_is_registered_of_it(changed: Passkey) -> None:
    with pytest.raises(SignatureError, match="the passkey did not agree"):
        chains().check(changed, 9)


def test_a_passkey_ends_like_any_key() -> None:
    made, key_id = chains(), PASSKEY.key.thumbprint()
    made.apply(PASSKEY, 9)
    lost = Revocation(issuer=PERSON.did, key_id=key_id, reason=Reason.COMPROMISED, until=11)
    made.check(lost, 20)
    made.apply(lost, 20)

    end = made.end_of(PERSON.did, key_id)
    assert end is not None
    assert (end.last, end.reason) == (11, "compromised")
    assert made.passkeys_of(PERSON.did) == []
    assert PERSON.did in made.recovery or made.keys_of(PERSON.did)


def test_a_person_has_no_more_passkeys_than_that() -> None:
    made = chains()
    for index in range(PASSKEYS_MAX):
        made.check(passkey := Authenticator().passkey(PERSON.did), 10 + index)
        made.apply(passkey, 10 + index)

    assert reason(PASSKEY, made) == "key.passkeys"


def test_it_is_read_as_it_was_written() -> None:
    agreed = PASSKEY.signed_by(ORIGIN, PERSON.signer.public, PERSON.signer.sign)

    for passkey in (PASSKEY, agreed):
        assert parse_key_statement(passkey.encode()) == passkey


@pytest.mark.parametrize(
    "change",
    [
        {"rp_id": 1},
        {"rp_id": "example"},
        {"origins": "http://localhost"},
        {"origins": []},
        {"origins": [1]},
        {"origins": ["http://localhost"] * 2},
        {"origins": [f"http://localhost:{n}" for n in range(ORIGINS_MAX + 1)]},
        {"origins": ["http://localhost/"]},
        {"origins": ["http://localhost:99999"]},
        {"origins": ["http://LOCALHOST"]},
        {"origins": ["http://[localhost"]},
        {"origins": ["http://"]},
        {"origins": ["ftp://localhost"]},
        {"rp_id": "log.example", "origins": ["http://log.example"]},
        {"rp_id": "log.example", "origins": ["https://evillog.example"]},
        {"rp_id": "a" * 300, "origins": ["https://" + "a" * 300]},
        {"key": b""},
        {"key": None},
        {"by": 1},
        {"by": b"short"},
        {"authorisation": b"x"},
        {"possession": "text"},
        {"issuer": ""},
        {"action": "passkeys"},
    ],
)
def test_what_is_no_passkey_is_refused(change: dict[str, Any]) -> None:
    members = dcbor.decode(PASSKEY.encode(), "passkey")

    with pytest.raises(EncodingError):
        parse_key_statement(dcbor.encode({**members, **change}))


def test_pages_of_a_host_below_the_relying_party_may_ask() -> None:
    members = dcbor.decode(PASSKEY.encode(), "passkey")
    pages = {
        "rp_id": "log.example",
        "origins": ["https://log.example", "https://a.log.example:8471"],
    }

    said = parse_key_statement(dcbor.encode({**members, **pages}))

    assert isinstance(said, Passkey)
    assert said.asked(bytes(32)).origins == tuple(pages["origins"])
