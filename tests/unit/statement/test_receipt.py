"""Receipts and tlog-proofs: bound to one leaf of one tree of one log."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError, InputError, ProofError, SignatureError
from tallystick.identity import SoftwareSigner
from tallystick.merkle import inclusion_ranges, leaf_hash, tree_root
from tallystick.statement import (
    KeyKind,
    TlogProof,
    parse_note,
    parse_receipt,
    parse_tlog_proof,
    receipt_header,
    sign_receipt,
)

SIGNER = SoftwareSigner(KeyKind.ED25519, b"R" * 32)
LEAVES = [leaf_hash(bytes([n])) for n in range(5)]
NOTE = b"o\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\xe2\x80\x94 o QUJDREVGRw==\n"


def path(index: int, size: int) -> tuple[bytes, ...]:
    return tuple(tree_root(LEAVES[a:b]) for a, b in inclusion_ranges(index, size))


def protected(size: int, index: int) -> bytes:
    return receipt_header(
        algorithm=SIGNER.algorithm,
        key_id=SIGNER.public.thumbprint(),
        origin="log.example/a",
        subject="s",
        size=size,
        index=index,
    )


def receipt(index: int = 4, size: int = 5) -> bytes:
    root = tree_root(LEAVES[:size])
    return sign_receipt(protected(size, index), root, size, index, path(index, size), SIGNER.sign)


def rewritten(size: int, index: int, nodes: tuple[bytes, ...]) -> bytes:
    """The receipt for leaf 4 of 5, its unsigned proof speaking of another place."""
    sign1 = cbor2.loads(receipt()).value
    proof = cbor2.dumps([size, index, list(nodes)])
    return cbor2.dumps(cbor2.CBORTag(18, [sign1[0], {396: {-1: [proof]}}, None, sign1[3]]))


@pytest.mark.parametrize(("index", "size"), [(i, n) for n in range(2, 6) for i in range(n)])
def test_a_receipt_leads_from_its_leaf_to_the_signed_root(index: int, size: int) -> None:
    read = parse_receipt(receipt(index, size))

    assert read.verify_signature(LEAVES[index], SIGNER.public) == tree_root(LEAVES[:size])
    assert (read.index, read.size, read.issuer, read.bound) == (index, size, "log.example/a", True)
    assert read.encode() == receipt(index, size)


def test_receipts_are_deterministic_cbor() -> None:
    """Encoded without sorting: the order in the code must be the deterministic one."""
    protected_ = cbor2.loads(receipt()).value[0]
    assert cbor2.dumps(cbor2.loads(protected_), canonical=True) == protected_
    assert cbor2.dumps(cbor2.loads(receipt()), canonical=True) == receipt()


def test_a_receipt_is_for_one_leaf() -> None:
    with pytest.raises(SignatureError):
        parse_receipt(receipt()).verify_signature(LEAVES[3], SIGNER.public)


@pytest.mark.parametrize(("size", "index"), [(2, 1), (3, 2), (5, 3)])
def test_size_and_index_cannot_be_rewritten(size: int, index: int) -> None:
    """RFC 9942 leaves both unsigned; our protected header repeats them."""
    with pytest.raises(ProofError, match="signed for size 5, index 4"):
        parse_receipt(rewritten(size, index, path(4, 5)))


def test_receipts_of_other_services_are_read_as_not_bound() -> None:
    members = cbor2.loads(protected(5, 4))
    plain = cbor2.dumps({k: v for k, v in members.items() if k > -70000})
    read = parse_receipt(sign_receipt(plain, tree_root(LEAVES), 5, 4, path(4, 5), SIGNER.sign))

    assert not read.bound
    read.verify_signature(LEAVES[4], SIGNER.public)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xd2\x84\x40\xa0\x40\x40", "detached"),
        (cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({395: 2}), {}, None, b""])), "vds 1"),
        (cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({395: 1}), {}, None, b""])), "exactly one"),
        (rewritten(5, 4, (b"short",)), "32 bytes"),
        (rewritten(5, 4, (b"x" * 32,) * 64), "at most 63"),
    ],
)
def test_other_shapes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_receipt(data)


def test_two_proofs_in_one_receipt_are_refused() -> None:
    sign1 = cbor2.loads(receipt()).value
    proof = cbor2.dumps([5, 4, list(path(4, 5))])
    twice = cbor2.dumps(cbor2.CBORTag(18, [sign1[0], {396: {-1: [proof, proof]}}, None, sign1[3]]))

    with pytest.raises(EncodingError, match="exactly one"):
        parse_receipt(twice)


@given(st.integers(0, len(receipt()) * 8 - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    data = bytearray(receipt())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((InputError, ProofError, SignatureError)):
        parse_receipt(bytes(data)).verify_signature(LEAVES[4], SIGNER.public)


@pytest.mark.parametrize("extra", [None, b"", b"hello"])
def test_a_tlog_proof_is_read_as_it_was_written(extra: bytes | None) -> None:
    proof = TlogProof(4, path(4, 5), parse_note(NOTE), extra)

    assert parse_tlog_proof(proof.encode()) == proof
    assert proof.encode().startswith(b"c2sp.org/tlog-proof@v1\n")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v2\nindex 1\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 01\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 1\nQUI=\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 1\n!\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 1\n\nno note",
        b"\xff\n\n",
    ],
)
def test_texts_that_are_no_tlog_proof_are_refused(text: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_tlog_proof(text)
