"""did:key vectors of the W3C community group."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick.errors import EncodingError
from tallystick.statement import KeyKind, parse_did_key


def read(data: Path, name: str) -> dict[str, Any]:
    text = (data / "conformance" / "did-key" / name).read_bytes()
    return msgspec.json.decode(text, type=dict[str, Any])


def b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_ed25519_keys_are_read_and_written(data: Path) -> None:
    cases = read(data, "ed25519-x25519.json")
    for did in cases:
        key = parse_did_key(did)
        assert key.kind is KeyKind.ED25519
        assert key.did() == did
    assert len(cases) >= 5


def test_p256_keys_are_read_and_written(data: Path) -> None:
    cases = {
        did: case["verificationMethod"]["publicKeyJwk"]
        for did, case in read(data, "nist-curves.json").items()
        if case["verificationMethod"].get("publicKeyJwk", {}).get("crv") == "P-256"
    }
    for did, jwk in cases.items():
        key = parse_did_key(did)
        assert key.raw == b"\x04" + b64url(jwk["x"]) + b64url(jwk["y"])
        assert key.did() == did
    assert cases


@pytest.mark.parametrize("name", ["rsa.json", "secp256k1.json", "bls12381.json"])
def test_other_kinds_are_refused_by_name(data: Path, name: str) -> None:
    for did in read(data, name):
        with pytest.raises(EncodingError, match=r"unknown kind|base58 text"):
            parse_did_key(did)
