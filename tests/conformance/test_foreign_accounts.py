"""Texts that eth-account signs, as wallets do, are verified here, and ours there."""

import os

import pytest

from tallystick.identity.secp256k1 import parse_wallet_signature, recover
from tallystick.statement.account import (
    account_text,
    parse_address,
    verify_text,
    write_address_of,
)
from tests.oracles import kit
from tests.wallets import Wallet

pytestmark = pytest.mark.oracle

TEXT = account_text("log.example/a", bytes(32), "did:web:example.com")


def test_what_a_wallet_signs_is_verified_here() -> None:
    for text in (TEXT, "", "\u20ac" * 100):
        signed = kit.sign_eth(os.urandom(32), text)
        signature, bit = parse_wallet_signature(signed["signature"])

        public = recover(signature, bit, text)

        verify_text(public, signature, text)
        assert write_address_of(public) == signed["address"]
        assert parse_address(signed["address"]).hex() == signed["address"][2:].lower()


def test_what_is_signed_here_is_a_wallets_there() -> None:
    wallet = Wallet()
    signature = wallet.sign(TEXT)

    named = {kit.ask_eth(signature + bytes([27 + bit]), TEXT).detail for bit in (0, 1)}

    assert write_address_of(wallet.public) in named
