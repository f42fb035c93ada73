"""COSE_Sign1 examples of the COSE working group, and the receipt examples of RFC 9942."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import EncodingError, TallystickError
from tallystick.statement import KeyKind, PublicKey, parse_receipt
from tallystick.statement.cose import parse_sign1, signed_bytes
from tallystick.statement.dcbor import decode

Vectors = Callable[[str], list[tuple[str, Any]]]


def b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_of(case: dict[str, Any]) -> PublicKey:
    key = case["input"]["sign0"]["key"]
    if key["kty"] == "OKP":
        return PublicKey(KeyKind.ED25519, bytes.fromhex(key["x_hex"]))
    return PublicKey(KeyKind.P256, b"\x04" + b64url(key["x"]) + b64url(key["y"]))


def check(case: dict[str, Any]) -> None:
    """Verify as COSE says, with the algorithm of whichever header names it."""
    sign1 = parse_sign1(bytes.fromhex(case["output"]["cbor"]), "example")
    headers = {**sign1.unprotected, **(decode(sign1.protected, "h") if sign1.protected else {})}
    assert sign1.payload is not None
    key_of(case).verify(sign1.signature, signed_bytes(sign1.protected, sign1.payload), headers[1])


def verdict(case: dict[str, Any]) -> bool:
    try:
        check(case)
    except TallystickError:
        return False
    return True


def test_sign1_examples(vectors: Vectors) -> None:
    """All cases but those that sign additional data, which SCITT statements never have."""
    cases = [
        (name, case)
        for name, case in vectors("cose")
        if "sign0" in case["input"]
        and "external" not in case["input"]["sign0"]
        and case["input"]["sign0"]["alg"] in {"ES256", "EdDSA"}
        and case["input"]["sign0"]["key"].get("crv") in {"P-256", "Ed25519"}
    ]
    wrong = [name for name, case in cases if verdict(case) is bool(case.get("fail"))]

    assert len(cases) >= 9, [name for name, _ in cases]
    # Refused on purpose: an empty protected header (SCITT demands one), and a missing tag.
    assert set(wrong) == {"sign1-tests/sign-pass-01.json", "sign1-tests/sign-pass-03.json"}


def test_a_receipt_example_is_read(data: Path) -> None:
    """The signature of the example is a placeholder: reading is all that can be shown."""
    folder = data / "conformance" / "cose-receipts"
    receipt = parse_receipt((folder / "inclusion-receipt.cbor").read_bytes())

    assert (receipt.size, receipt.index, len(receipt.path)) == (5, 3, 3)
    assert receipt.key_id == b"test-key-1"
    assert not receipt.bound
    with pytest.raises(EncodingError, match="inclusion proof"):
        parse_receipt((folder / "consistency-receipt.cbor").read_bytes())
