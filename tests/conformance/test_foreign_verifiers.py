"""Verifiers nobody here wrote accept what we write, and reject what we break."""

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallystick.identity import SoftwareSigner, generate
from tallystick.log import EmbeddedLog, PosixDisk, PublicLog, Snapshot
from tallystick.merkle import leaf_hash
from tallystick.statement import (
    Alg,
    Header,
    KeyKind,
    Note,
    Sequence,
    SignedStatement,
    TlogProof,
    VerifierKey,
    cosign_note,
    parse_note,
    parse_vkey,
    receipt_header,
    sign_receipt,
    sign_statement,
)
from tests.fault.ledger_on_disk import KEY, open_log
from tests.oracles import kit

pytestmark = pytest.mark.oracle
SIZES = [1, 255, 256, 257, 700]
VKEY = KEY.verifier.encode()


def statement(signer: SoftwareSigner, number: int = 0) -> SignedStatement:
    header = Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.public.did(),
        subject=f"urn:example:{number}",
        issued_at=1_790_000_000,
        type="inference",
        sequence=Sequence(emitter=b"e" * 16, epoch=0, seq=0, prev=None),
        links={"used": (b"u" * 32,)},
    )
    return sign_statement(header, b"p" * 32, signer.sign)


def foreign(signer: SoftwareSigner) -> Ed25519PublicKey | ec.EllipticCurvePublicKey:
    """The same key as another library holds it."""
    if signer.public.kind is KeyKind.ED25519:
        return Ed25519PublicKey.from_public_bytes(signer.public.raw)
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), signer.public.raw)


def flipped(data: bytes, at: int = -1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@pytest.fixture(scope="module")
def entries() -> list[bytes]:
    signer = generate()
    return [statement(signer, n).entry for n in range(700)]


@pytest.fixture(scope="module", params=SIZES)
def log(request: pytest.FixtureRequest, entries: list[bytes],
        tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EmbeddedLog]:  # fmt: skip
    folder = tmp_path_factory.mktemp("log")
    log = open_log(PosixDisk(), str(folder))
    for first in range(0, request.param, 90):
        log.append(entries[first : min(first + 90, request.param)])
    log.close()
    return folder / "log", log


def test_other_readers_read_our_log(log: tuple[Path, EmbeddedLog]) -> None:
    folder, _ = log

    assert kit.ask_fsck(folder, VKEY).accepted
    assert kit.ask_tiles(folder, VKEY).accepted
    assert kit.ask_note(VKEY, (folder / "checkpoint").read_bytes()).accepted


def test_other_readers_notice_a_flipped_byte(log: tuple[Path, EmbeddedLog]) -> None:
    folder, _ = log
    for bundle in sorted((folder / "tile/entries").rglob("*")):
        if bundle.is_file():
            whole = bundle.read_bytes()
            bundle.write_bytes(flipped(whole))
            assert not kit.ask_fsck(folder, VKEY).accepted
            assert not kit.ask_tiles(folder, VKEY).accepted
            bundle.write_bytes(whole)
            break


def test_our_proofs_hold_for_others(log: tuple[Path, EmbeddedLog], entries: list[bytes]) -> None:
    _, engine = log
    snapshot = engine.snapshot
    size, root = snapshot.checkpoint.size, snapshot.checkpoint.root
    for index in {0, size // 2, size - 1}:
        path, leaf = snapshot.reader.inclusion_path(index), leaf_hash(entries[index])
        assert kit.ask_inclusion(size=size, index=index, leaf_hash=leaf, root=root,
                                 proof=path).accepted  # fmt: skip
        assert not kit.ask_inclusion(size=size, index=index, leaf_hash=leaf_hash(b"x"),
                                     root=root, proof=path).accepted  # fmt: skip
        older = snapshot.reader.root(index + 1)
        proof = snapshot.reader.consistency_path(index + 1)
        assert kit.ask_consistency(size1=index + 1, root1=older, size2=size, root2=root,
                                   proof=proof).accepted  # fmt: skip
    assert kit.ask_pymerkle(entries[:size], root).accepted


def test_we_read_a_log_that_tessera_wrote(tmp_path: Path) -> None:
    vkey = kit.write_log(tmp_path, 700, "tessera.example/log")
    snapshot = PublicLog(tmp_path, parse_vkey(vkey)).snapshot()

    assert snapshot.checkpoint.size == 700
    assert snapshot.reader.root() == snapshot.checkpoint.root
    assert snapshot.reader.entry(5) == b"entry 5" * 5


@pytest.mark.parametrize("kind", KeyKind)
def test_our_statements_verify_elsewhere(kind: KeyKind) -> None:
    signer = generate(kind)
    entry, key = statement(signer).entry, foreign(signer)
    for ask in (kit.ask_scitt_statement, kit.ask_cose, kit.ask_cwt, kit.ask_pycose):
        assert ask(key, entry).accepted
        assert not ask(key, flipped(entry)).accepted


@pytest.mark.parametrize("alg", [Alg.ED25519, Alg.ESP256])
def test_fully_specified_algorithms_verify_where_they_are_known(alg: Alg) -> None:
    signer = generate(KeyKind.ED25519 if alg == Alg.ED25519 else KeyKind.P256)
    made = dataclasses.replace(statement(signer).header, algorithm=alg)
    entry = sign_statement(made, b"p" * 32, signer.sign).entry

    assert kit.ask_cwt(foreign(signer), entry).accepted


def receipt(snapshot: Snapshot, index: int, signer: SoftwareSigner) -> bytes:
    size, root = snapshot.checkpoint.size, snapshot.checkpoint.root
    protected = receipt_header(
        algorithm=signer.algorithm, key_id=signer.public.thumbprint(),
        origin=snapshot.checkpoint.origin, subject="s", size=size, index=index)  # fmt: skip
    path = snapshot.reader.inclusion_path(index)
    return sign_receipt(protected, root, size, index, path, signer.sign)


def test_our_receipts_verify_elsewhere(log: tuple[Path, EmbeddedLog], entries: list[bytes]) -> None:
    snapshot = log[1].snapshot
    index = snapshot.checkpoint.size - 1
    for kind in KeyKind:
        signer = generate(kind)
        made, key = receipt(snapshot, index, signer), foreign(signer)
        assert kit.ask_scitt_receipt(key, made, entries[index]).accepted
        assert not kit.ask_scitt_receipt(key, made, entries[index - 1] + b"x").accepted
        if isinstance(key, ec.EllipticCurvePublicKey):
            assert kit.ask_transmute_inclusion(key, made, entries[index]).accepted
            assert not kit.ask_transmute_inclusion(key, made, b"another").accepted


def test_our_tlog_proofs_and_cosignatures_verify_elsewhere(
    log: tuple[Path, EmbeddedLog], entries: list[bytes]
) -> None:
    snapshot, witness = log[1].snapshot, generate()
    witness_key = VerifierKey("witness.example", 4, witness.public.raw)
    note = parse_note(snapshot.note)
    line = cosign_note(note.text, witness_key, 1_790_000_000, witness.sign)
    cosigned = Note(note.text, (*note.signatures, line))
    index = snapshot.checkpoint.size - 1
    proof = TlogProof(index, snapshot.reader.inclusion_path(index), cosigned).encode()
    policy = f"log {VKEY}\nwitness w {witness_key.encode()}\nquorum w\n"

    assert kit.ask_cosignature(witness_key.encode(), cosigned.encode()).accepted
    assert kit.ask_proof(policy, proof, entries[index]).accepted
    assert not kit.ask_proof(policy, proof, b"another").accepted
