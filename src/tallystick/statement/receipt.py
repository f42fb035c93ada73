"""Receipts: proof that a statement is at an index of a tree, signed by who serves the log.

RFC 9942 signs the root and the protected header, but not tree size and leaf index: a receipt for
leaf 4 of 5 also verifies as leaf 1 of 2. So ours repeat both in the protected header, and still
say nothing about a checkpoint that others saw: `tallystick.verify` asks for that as well.

Source:
    RFC 9942, sections 4 and 5.2; RFC 9943, section 7.
"""

from dataclasses import dataclass
from typing import Any, Final

import cbor2

from tallystick.errors import EncodingError, ProofError
from tallystick.merkle import HASH_BYTES, root_from_inclusion
from tallystick.statement import dcbor
from tallystick.statement.cose import encode_sign1, parse_sign1, signed_bytes
from tallystick.statement.keys import PublicKey
from tallystick.statement.labels import INCLUSION, VDS_RFC9162_SHA256, Alg, Claim, Label
from tallystick.statement.signed import Sign

_ALG, _KID, _CLAIMS, _VDS, _VDP, _TREE_SIZE, _LEAF_INDEX = map(
    int,
    (
        Label.ALG,
        Label.KID,
        Label.CWT_CLAIMS,
        Label.VDS,
        Label.VDP,
        Label.TREE_SIZE,
        Label.LEAF_INDEX,
    ),
)
_ISS, _SUB = int(Claim.ISS), int(Claim.SUB)

PATH_MAX: Final = 63
"""Longest inclusion path that is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An inclusion receipt, parsed and not yet believed.

    Attributes:
        protected: Encoded protected header.
        signature: 64 bytes.
        algorithm: COSE number of the signature algorithm.
        key_id: Thumbprint of the receipt key.
        issuer: Origin of the log that is said to hold the statement.
        size: Tree size.
        index: Leaf index.
        path: Inclusion path, from the leaf upwards.
        bound: Size and index also stand in the protected header.
    """

    protected: bytes
    signature: bytes
    algorithm: int
    key_id: bytes
    issuer: str
    size: int
    index: int
    path: tuple[bytes, ...]
    bound: bool

    def encode(self) -> bytes:
        """Return the COSE_Sign1 with detached payload."""
        return _encode(self.protected, self.size, self.index, self.path, self.signature)

    def root(self, leaf: bytes) -> bytes:
        """Return the root that the path leads to from a leaf hash.

        Raises:
            ProofError: The path does not fit size and index.
        """
        return root_from_inclusion(leaf, self.index, self.size, self.path)

    def verify_signature(self, leaf: bytes, key: PublicKey) -> bytes:
        """Accept only if `key` signed the root that the path leads to; return that root.

        Raises:
            ProofError: The path does not fit size and index.
            SignatureError: Another key, or another root.
        """
        root = self.root(leaf)
        key.verify(self.signature, signed_bytes(self.protected, root), self.algorithm)
        return root


def receipt_header(
    *, algorithm: int, key_id: bytes, origin: str, subject: str, size: int, index: int
) -> bytes:
    """Encode the protected header of a receipt, with size and index in it."""
    # The members stand in deterministic order, so nothing needs to be sorted here.
    return cbor2.dumps(
        {
            _ALG: int(algorithm),
            _KID: key_id,
            _CLAIMS: {_ISS: origin, _SUB: subject},
            _VDS: VDS_RFC9162_SHA256,
            _TREE_SIZE: size,
            _LEAF_INDEX: index,
        }
    )


def sign_receipt(
    protected: bytes, root: bytes, size: int, index: int, path: tuple[bytes, ...], sign: Sign
) -> bytes:
    """Sign and encode a receipt whose header `receipt_header` made."""
    return _encode(protected, size, index, path, sign(signed_bytes(protected, root)))


def _encode(
    protected: bytes, size: int, index: int, path: tuple[bytes, ...], signature: bytes
) -> bytes:
    inclusion = cbor2.dumps([size, index, list(path)])
    return encode_sign1(protected, {_VDP: {INCLUSION: [inclusion]}}, None, signature)


def parse_receipt(data: bytes) -> Receipt:
    """Parse a receipt with exactly one inclusion proof.

    Receipts of other services may lack size and index in the protected header; `bound` says so.

    Raises:
        EncodingError: Not such a receipt, or an attached payload.
        ProofError: Size or index in the protected header contradict the proof.
    """
    sign1 = parse_sign1(data, "receipt")
    if sign1.payload is not None:
        raise EncodingError("receipt must have a detached payload, so that the root is computed")
    header = dcbor.decode(sign1.protected, "receipt header")
    if not isinstance(header, dict) or Label.CRIT in header:
        raise EncodingError("receipt header must be a map without 'crit'")
    if any(type(member) in {bool, float} for member in (*header, *header.values())):
        raise EncodingError("receipt header must not have floats, true or false")
    if header.get(Label.VDS) != VDS_RFC9162_SHA256:
        raise EncodingError(
            f"receipt must have vds {VDS_RFC9162_SHA256} (RFC9162_SHA256), "
            f"got {header.get(Label.VDS)!r:.40}"
        )
    size, index, path = _inclusion(sign1.unprotected)
    claims = header.get(Label.CWT_CLAIMS)
    issuer = claims.get(Claim.ISS) if isinstance(claims, dict) else None
    algorithm, key_id = header.get(Label.ALG), header.get(Label.KID)
    if algorithm not in set(Alg) or not isinstance(key_id, bytes) or not isinstance(issuer, str):
        raise EncodingError("receipt header must have a known algorithm, a key id and an issuer")
    return Receipt(
        protected=sign1.protected,
        signature=sign1.signature,
        algorithm=algorithm,
        key_id=key_id,
        issuer=issuer,
        size=size,
        index=index,
        path=path,
        bound=_bound(header, size, index),
    )


def _bound(header: dict[Any, Any], size: int, index: int) -> bool:
    signed = (header.get(Label.TREE_SIZE), header.get(Label.LEAF_INDEX))
    if signed == (None, None):
        return False
    if signed != (size, index):
        raise ProofError(
            f"receipt is signed for size {signed[0]}, index {signed[1]}, "
            f"but its proof speaks of size {size}, index {index}"
        )
    return True


def _inclusion(unprotected: dict[Any, Any]) -> tuple[int, int, tuple[bytes, ...]]:
    proofs = unprotected.get(Label.VDP)
    found = proofs.get(INCLUSION) if isinstance(proofs, dict) else None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], bytes):
        raise EncodingError("receipt must have exactly one inclusion proof")
    match dcbor.decode(found[0], "inclusion proof"):
        case [int() as size, int() as index, list() as path] if len(path) <= PATH_MAX:
            if type(size) is type(index) is int and all(
                isinstance(node, bytes) and len(node) == HASH_BYTES for node in path
            ):
                return size, index, tuple(path)
    raise EncodingError("inclusion proof must be [size, index, [at most 63 hashes of 32 bytes]]")
