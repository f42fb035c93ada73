"""Data Integrity proofs of the one suite that did:webvh v1.0 allows: eddsa-jcs-2022 by a did:key.

Source:
    W3C Data Integrity EdDSA Cryptosuites v1.0, section 3.3; did:webvh v1.0, "Authorized Keys".
"""

from hashlib import sha256
from typing import Any, Final

from tallystick.errors import EncodingError, SignatureError
from tallystick.statement import base58
from tallystick.statement.jcs import canonical
from tallystick.statement.keys import KeyKind, PublicKey, parse_did_key

SUITE: Final = "eddsa-jcs-2022"
PROOFS_MAX: Final = 64
_EXPECTED: Final = {
    "type": "DataIntegrityProof",
    "cryptosuite": SUITE,
    "proofPurpose": "assertionMethod",
}


def multikey(text: str) -> PublicKey:
    """Read a Multikey that can sign histories.

    Raises:
        EncodingError: Not an Ed25519 key.
    """
    key = parse_did_key(f"did:key:{text}")
    if key.kind is not KeyKind.ED25519:
        raise EncodingError(f"a history is signed with Ed25519 keys, got one of {key.kind.value}")
    return key


def signed_bytes(content: dict[str, Any], proof: dict[str, Any]) -> bytes:
    """Return what a proof signs: its own options, then the content without proofs."""
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    bare = {name: value for name, value in content.items() if name != "proof"}
    return sha256(canonical(options)).digest() + sha256(canonical(bare)).digest()


def verify_proof(content: dict[str, Any], proof: Any) -> str:
    """Verify one proof, and return the Multikey that made it; whether it may is not checked here.

    Raises:
        EncodingError: Not a proof of this suite.
        SignatureError: It does not match.
    """
    if not isinstance(proof, dict):
        raise EncodingError(f"a proof is an object, got {proof!r:.40}")
    for name, expected in _EXPECTED.items():
        if proof.get(name) != expected:
            raise EncodingError(f"{name!r} of a proof is {expected!r}, got {proof.get(name)!r:.60}")
    name, value = _signer(proof.get("verificationMethod")), proof.get("proofValue")
    if not isinstance(value, str) or not value.startswith("z"):
        raise EncodingError(f"'proofValue' must be base58 that begins with z, got {value!r:.40}")
    try:
        multikey(name).verify(base58.decode(value[1:]), signed_bytes(content, proof))
    except SignatureError as error:
        raise SignatureError(f"the proof by {name} does not match: {error}") from error
    return name


def _signer(method: Any) -> str:
    """Return the Multikey that a did:key URL names twice, in its body and its fragment."""
    body, _, fragment = method.partition("#") if isinstance(method, str) else ("", "", "")
    name = str(body.removeprefix("did:key:"))
    if not body.startswith("did:key:z") or fragment != name:
        raise EncodingError(
            f"'verificationMethod' must be did:key:KEY#KEY of one key, got {method!r:.120}"
        )
    return name
