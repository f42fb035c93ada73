"""Write, in the plainest way and with nothing of Tallystick, what the oracles can judge.

For `test_controls.py` only: it shows that an oracle says yes to what is right and no to what
is wrong, before anyone relies on its verdict about ours.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey

EDDSA: Final = -8
ES256: Final = -7
ED25519: Final = -19
ESP256: Final = -9

ED25519_KEY: Final = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
P256_KEY: Final = derive_private_key(1234567, SECP256R1())
STRANGER_ED25519_KEY: Final = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
STRANGER_P256_KEY: Final = derive_private_key(7654321, SECP256R1())

NOTE_KEY_ED25519: Final = b"\x01"
NOTE_KEY_COSIGNATURE: Final = b"\x04"


def sign1(
    key: PrivateKey,
    alg: int,
    payload: bytes,
    *,
    detached: bool = False,
    protected: Mapping[int, Any] | None = None,
    unprotected: Mapping[int, Any] | None = None,
    header: bytes | None = None,
) -> bytes:
    """Encode a tagged COSE_Sign1; `header` replaces the protected one, verbatim."""
    claims = {1: "https://issuer.example", 2: "urn:uuid:00000000-0000-4000-8000-000000000000"}
    standard = cbor2.dumps({1: alg, 4: b"kid", 15: claims, **(protected or {})}, canonical=True)
    header = standard if header is None else header
    signature = sign(key, cbor2.dumps(["Signature1", header, b"", payload]))
    body = [header, unprotected or {}, None if detached else payload, signature]
    return cbor2.dumps(cbor2.CBORTag(18, body))


def sign(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def inclusion_receipt(
    key: PrivateKey, alg: int, entries: Sequence[bytes], index: int, *, detached: bool = True
) -> bytes:
    """Encode an RFC 9942 receipt that entry `index` is in the tree over `entries`."""
    leaves = [leaf_hash(entry) for entry in entries]
    proof = cbor2.dumps([len(leaves), index, inclusion_proof(leaves, index)])
    return _receipt(key, alg, tree_root(leaves), {-1: [proof]}, detached=detached)


def consistency_receipt(
    key: PrivateKey, alg: int, size1: int, leaves: Sequence[bytes], proof: Sequence[bytes]
) -> bytes:
    """Encode an RFC 9942 receipt that the tree over `leaves` begins with its first `size1`."""
    blob = cbor2.dumps([size1, len(leaves), list(proof)])
    return _receipt(key, alg, tree_root(leaves), {-2: [blob]}, detached=True)


def _receipt(
    key: PrivateKey, alg: int, root: bytes, proofs: Mapping[int, Any], *, detached: bool
) -> bytes:
    return sign1(
        key, alg, root, detached=detached, protected={395: 1}, unprotected={396: dict(proofs)}
    )


def rewrite_inclusion(receipt: bytes, size: int, index: int) -> bytes:
    """Change tree size and leaf index of a receipt, and nothing else."""
    header, unprotected, payload, signature = cbor2.loads(receipt).value
    path = cbor2.loads(unprotected[396][-1][0])[2]
    proofs = {396: {-1: [cbor2.dumps([size, index, path])]}}
    return cbor2.dumps(cbor2.CBORTag(18, [header, proofs, payload, signature]))


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return node_hash(tree_root(leaves[:k]), tree_root(leaves[k:]))


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Prove leaf `index`: PATH of RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(leaves[:k], index), tree_root(leaves[k:])]
    return [*inclusion_proof(leaves[k:], index - k), tree_root(leaves[:k])]


def consistency_proof(leaves: Sequence[bytes], size: int, *, whole: bool = True) -> list[bytes]:
    """Prove the first `size` leaves: SUBPROOF of RFC 9162, section 2.1.4.1."""
    if size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    k = _split(len(leaves))
    if size <= k:
        return [*consistency_proof(leaves[:k], size, whole=whole), tree_root(leaves[k:])]
    return [*consistency_proof(leaves[k:], size - k, whole=False), tree_root(leaves[:k])]


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def note_vkey(name: str, key: Ed25519PrivateKey, kind: bytes) -> str:
    public = kind + key.public_key().public_bytes_raw()
    return f"{name}+{_note_key_id(name, public).hex()}+{_b64(public)}"


def note_signature(name: str, key: Ed25519PrivateKey, body: str) -> str:
    public = NOTE_KEY_ED25519 + key.public_key().public_bytes_raw()
    return _note_line(name, _note_key_id(name, public) + key.sign(body.encode()))


def cosignature(name: str, key: Ed25519PrivateKey, body: str, at: int) -> str:
    public = NOTE_KEY_COSIGNATURE + key.public_key().public_bytes_raw()
    signature = key.sign(f"cosignature/v1\ntime {at}\n{body}".encode())
    return _note_line(name, _note_key_id(name, public) + at.to_bytes(8) + signature)


def _note_key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]


def _note_line(name: str, blob: bytes) -> str:
    return f"\N{EM DASH} {name} {_b64(blob)}\n"


def checkpoint_body(origin: str, leaves: Sequence[bytes]) -> str:
    return f"{origin}\n{len(leaves)}\n{_b64(tree_root(leaves))}\n"


def tlog_proof(leaves: Sequence[bytes], index: int, checkpoint: str) -> bytes:
    nodes = "".join(f"{_b64(node)}\n" for node in inclusion_proof(leaves, index))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{nodes}\n{checkpoint}".encode()


def flip(data: bytes, place: int) -> bytes:
    """Change one bit of the byte at `place`."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def _b64(data: bytes) -> str:
    return base64.standard_b64encode(data).decode()
