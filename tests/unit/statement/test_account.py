"""Accounts: what a wallet and a key of the issuer agree to, and what they do not."""

from dataclasses import replace
from typing import Any

import pytest

from tallystick.errors import EncodingError, IndeterminateError, KeyChainError, SignatureError
from tallystick.identity import SoftwareSigner, generate
from tallystick.identity.secp256k1 import parse_wallet_signature, recover
from tallystick.statement import dcbor
from tallystick.statement.account import (
    ORDER,
    Account,
    AccountEnd,
    account_text,
    parse_address,
    text_digest,
    verify_text,
    write_address,
)
from tallystick.statement.keccak import keccak256
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import parse_key_statement
from tests.keylives import recovery, revocation
from tests.ledgers import ORIGIN, Issuer
from tests.wallets import GENESIS, Wallet

TEXT = account_text(ORIGIN, GENESIS, "did:example:a")


def known(*issuers: Issuer) -> KeyChains:
    chains = KeyChains(origin=ORIGIN, genesis=GENESIS)
    for index, issuer in enumerate(issuers):
        chains.apply(issuer.record(), index)
    return chains


def took(chains: KeyChains, said: Account | AccountEnd, index: int) -> None:
    chains.check(said, index)
    chains.apply(said, index)


# --- keccak, addresses, texts


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"a" * 135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446"),
        (b"a" * 136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e"),
        (b"a" * 137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39"),
    ],
)
def test_digests_are_those_of_ethereum(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
    ],
)
def test_addresses_are_written_as_eip_55_does(address: str) -> None:
    assert write_address(parse_address(address)) == address
    assert write_address(parse_address(address.lower())) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x and 40 hex"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "0x and 40 hex"),
        ("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "typing error"),
    ],
)
def test_an_address_with_an_error_is_refused(text: str, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        parse_address(text)


def test_a_known_key_has_its_known_address() -> None:
    assert Wallet(1).bound(Issuer()).address == parse_address(
        "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
    )


def test_only_the_smaller_s_is_accepted() -> None:
    wallet = Wallet()

    verify_text(wallet.public, wallet.sign(TEXT), TEXT)
    for signature in (
        wallet.sign(TEXT, large=True), bytes(64), wallet.sign(TEXT)[:63],
        b"\xff" * 32 + wallet.sign(TEXT)[32:],
    ):  # fmt: skip
        with pytest.raises(SignatureError, match="the smaller s"):
            verify_text(wallet.public, signature, TEXT)
    with pytest.raises(SignatureError, match=r"0x[0-9A-Fa-f]{40} did not sign that"):
        verify_text(wallet.public, wallet.sign(TEXT), TEXT + ".")


# --- a signature tells its key


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("base", [0, 27])
def test_a_wallets_signature_tells_its_key(base: int, large: bool) -> None:
    for _ in range(4):
        wallet = Wallet()
        raw = wallet.sign(TEXT, large=large)
        found = set()
        for bit in (0, 1):
            text = "0x" + (raw + bytes([base + bit])).hex()
            signature, parity = parse_wallet_signature(text)
            found.add(recover(signature, parity, TEXT))
            verify_text(recover(signature, parity, TEXT), signature, TEXT)
        assert wallet.public in found


@pytest.mark.parametrize("text", ["0xzz", "0x00", "00" * 64 + "02", "00" * 66])
def test_what_is_no_signature_of_a_wallet_is_refused(text: str) -> None:
    with pytest.raises(EncodingError):
        parse_wallet_signature(text)


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (1, ORDER), (5, 1)])
def test_a_signature_that_no_key_made_is_refused(r: int, s: int) -> None:
    with pytest.raises(SignatureError, match="no account can have made"):
        recover(r.to_bytes(32) + s.to_bytes(32), 0, TEXT)


def test_a_signature_that_leads_to_infinity_is_refused() -> None:
    base, digest = Wallet(1).public, int.from_bytes(text_digest(TEXT))
    r, bit = base[1:33], base[64] % 2

    with pytest.raises(SignatureError, match="no account can have made"):
        recover(r + (digest % ORDER).to_bytes(32), bit, TEXT)  # s R = z G


# --- payloads


def test_an_account_is_read_as_it_is_written() -> None:
    issuer = Issuer()
    said = Wallet().bound(issuer)
    end = AccountEnd(issuer=issuer.did, address=said.address)
    signed = end.signed_by(ORIGIN, issuer.signer.public, issuer.signer.sign)

    for one in (said, end, signed):
        assert parse_key_statement(one.encode()) == one


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"issuer": ""}, "one line"),
        ({"issuer": "a\nb"}, "one line"),
        ({"public": bytes(64)}, "'public' must be 65 bytes"),
        ({"public": bytes(65)}, "not a point"),
        ({"signature": b""}, "'signature' must be 64 bytes"),
        ({"by": None}, "'by' must be 32 bytes"),
        ({"authorisation": b""}, "'authorisation' must be 64 bytes"),
    ],
)
def test_a_payload_that_is_no_account_is_refused(changed: dict[str, Any], words: str) -> None:
    members = dcbor.decode(Wallet().bound(Issuer()).encode(), "it")

    with pytest.raises(EncodingError, match=words):
        parse_key_statement(dcbor.encode({**members, **changed}))


# --- what follows what


def test_an_account_is_bound_and_unbound() -> None:
    issuer, wallet = Issuer(), Wallet()
    chains, said = known(issuer), wallet.bound(issuer)
    took(chains, said, 5)

    assert chains.account_of(issuer.did) == said.address
    end = AccountEnd(issuer=issuer.did, address=said.address)
    took(chains, end.signed_by(ORIGIN, issuer.signer.public, issuer.signer.sign), 7)
    assert chains.account_of(issuer.did) is None
    assert chains.accounts[said.address].ended == 7
    chains.apply(end, 9)
    assert chains.accounts[said.address].ended == 7
    took(chains, Wallet().bound(issuer), 10)


def refused(chains: KeyChains, said: Account | AccountEnd, words: str, reason: str) -> None:
    with pytest.raises(KeyChainError, match=words) as error:
        chains.check(said, 9)
    assert error.value.reason == reason


def test_an_account_has_one_issuer_and_an_issuer_one_account() -> None:
    one, two, wallet = Issuer(), Issuer(), Wallet()
    chains = known(one, two)
    took(chains, wallet.bound(one), 5)

    refused(chains, wallet.bound(two), "was bound already, to", "key.account")
    refused(chains, Wallet().bound(one), "has the account 0x", "key.account")
    end = AccountEnd(issuer=two.did, address=wallet.bound(one).address)
    refused(chains, end, "does not belong to", "key.account")
    took(chains, replace(end, issuer=one.did), 6)
    refused(chains, replace(end, issuer=one.did), "does not belong to", "key.account")
    refused(chains, wallet.bound(one), "was bound already", "key.account")


def test_both_agree_or_nothing_is_bound() -> None:
    one, two, wallet = Issuer(), Issuer(), Wallet()
    chains = known(one, two)
    other_log = account_text("other.example/log", GENESIS, one.did)
    other_first = account_text(ORIGIN, bytes(32), one.did)

    for text in (other_log, other_first, account_text(ORIGIN, GENESIS, two.did)):
        with pytest.raises(SignatureError, match="did not sign that"):
            chains.check(wallet.bound(one, signature=wallet.sign(text)), 9)
    said = replace(wallet.bound(one), authorisation=two.signer.sign(b""))
    refused(chains, said, "did not agree", "key.chain")
    said = wallet.bound(one).signed_by("other.example/log", one.signer.public, one.signer.sign)
    refused(chains, said, "did not agree", "key.chain")


def test_a_key_that_may_not_says_nothing_of_accounts() -> None:
    issuer, spare = Issuer(), generate()
    chains = known(issuer)
    chains.apply(recovery(issuer, spare), 3)

    said = Wallet().bound(issuer).signed_by(ORIGIN, spare.public, spare.sign)
    refused(chains, said, "recovery key says nothing", "key.account")
    chains.apply(revocation(issuer), 4)
    refused(chains, Wallet().bound(issuer), "ended at index", "key.chain")


def test_the_end_of_an_account_that_is_not_known_is_open() -> None:
    with pytest.raises(IndeterminateError, match="is not known here"):
        known().check(AccountEnd(issuer="did:example:a", address=bytes(20)), 9)


def test_the_end_of_an_unknown_account_changes_nothing() -> None:
    chains = known()

    chains.apply(AccountEnd(issuer="did:example:a", address=bytes(20)), 9)

    assert chains.accounts == {}


def test_a_signer_of_ours_is_no_wallet() -> None:
    signer: SoftwareSigner = generate()

    with pytest.raises(SignatureError):
        verify_text(Wallet().public, signer.sign(TEXT.encode()), TEXT)
