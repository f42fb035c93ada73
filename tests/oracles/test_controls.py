"""Each oracle says yes to what is right and no to what is wrong, and no third thing.

Nothing here is written by Tallystick: logs are Tessera's own, the rest is made by `controls`.
What an oracle does against the standard stands here too, so that a new release shows it.
"""

import base64
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from tallystick.errors import VerificationError
from tallystick.statement import b64
from tallystick.statement.webvh import read_history
from tests.oracles import kit
from tests.oracles.controls import (
    ED25519,
    ED25519_KEY,
    EDDSA,
    ES256,
    ESP256,
    NOTE_KEY_COSIGNATURE,
    NOTE_KEY_ED25519,
    P256_KEY,
    STRANGER_ED25519_KEY,
    STRANGER_P256_KEY,
    PrivateKey,
    checkpoint_body,
    consistency_proof,
    consistency_receipt,
    cosignature,
    flip,
    inclusion_proof,
    inclusion_receipt,
    leaf_hash,
    node_hash,
    note_signature,
    note_vkey,
    rewrite_inclusion,
    sign1,
    tlog_proof,
    tree_root,
)

pytestmark = pytest.mark.oracle

ORIGIN = "log.example/controls"
WITNESS = "witness.example"
AT = 1_780_000_000
ENTRIES = [b"entry %d" % index for index in range(13)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
LOG_SIZE = 700

AskCose = Callable[..., kit.Verdict]
COSE_ORACLES = [kit.ask_cose, kit.ask_cwt, kit.ask_pycose]
KEYS = [(EDDSA, ED25519_KEY, STRANGER_ED25519_KEY), (ES256, P256_KEY, STRANGER_P256_KEY)]
each_cose_oracle = pytest.mark.parametrize("ask", COSE_ORACLES)
each_key = pytest.mark.parametrize(("alg", "key", "stranger"), KEYS, ids=["eddsa", "es256"])


def assert_accepted(verdict: kit.Verdict) -> None:
    assert verdict.accepted, verdict


def assert_rejected(verdict: kit.Verdict, because: str) -> None:
    assert not verdict.accepted, verdict
    assert because in verdict.detail, verdict


# Logs: fsck, tiles, note


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("pristine")
    return directory, kit.write_log(directory, LOG_SIZE, ORIGIN)


@pytest.fixture
def log(pristine: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    directory, vkey = pristine
    return shutil.copytree(directory, tmp_path / "log"), vkey


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
def test_readers_accept_a_log_that_tessera_wrote(tmp_path: Path, count: int) -> None:
    vkey = kit.write_log(tmp_path, count, ORIGIN)

    assert_accepted(kit.ask_note(vkey, (tmp_path / "checkpoint").read_bytes()))
    assert_accepted(kit.ask_fsck(tmp_path, vkey))
    assert f"read {count} entries" in kit.ask_tiles(tmp_path, vkey).detail


def test_readers_accept_the_log_that_the_next_tests_break(log: tuple[Path, str]) -> None:
    assert_accepted(kit.ask_fsck(*log))
    assert_accepted(kit.ask_tiles(*log))


def test_readers_reject_a_changed_entry(log: tuple[Path, str]) -> None:
    directory, vkey = log
    bundle = directory / "tile/entries/001"
    bundle.write_bytes(flip(bundle.read_bytes(), -1))

    assert_rejected(kit.ask_fsck(directory, vkey), ": log has:")
    assert_rejected(kit.ask_tiles(directory, vkey), "hash mismatch for entry 511")


@pytest.mark.parametrize("tile", ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2"])
def test_readers_reject_a_changed_tile(log: tuple[Path, str], tile: str) -> None:
    directory, vkey = log
    (directory / tile).write_bytes(flip((directory / tile).read_bytes(), 40))

    assert_rejected(kit.ask_fsck(directory, vkey), f"{tile}: log has:")
    assert_rejected(kit.ask_tiles(directory, vkey), "inconsistent tile")


@pytest.mark.parametrize("tile", ["tile/0/001", "tile/1/000.p/2", "tile/entries/002.p/188"])
def test_readers_reject_a_missing_tile(log: tuple[Path, str], tile: str) -> None:
    directory, vkey = log
    (directory / tile).unlink()

    assert_rejected(kit.ask_fsck(directory, vkey), "no such file")
    assert_rejected(kit.ask_tiles(directory, vkey), "no such file")


def test_readers_reject_the_checkpoint_of_another_log(
    log: tuple[Path, str], tmp_path: Path
) -> None:
    directory, _ = log
    body = checkpoint_body(ORIGIN, LEAVES[:1]).replace("\n1\n", f"\n{LOG_SIZE}\n")
    checkpoint = f"{body}\n{note_signature(ORIGIN, ED25519_KEY, body)}"
    (directory / "checkpoint").write_text(checkpoint)
    vkey = note_vkey(ORIGIN, ED25519_KEY, NOTE_KEY_ED25519)

    assert_rejected(kit.ask_fsck(directory, vkey), "but checkpoint claims")
    assert_rejected(kit.ask_tiles(directory, vkey), "inconsistent")


def test_readers_reject_an_unknown_key(log: tuple[Path, str]) -> None:
    directory, _ = log
    vkey = note_vkey(ORIGIN, STRANGER_ED25519_KEY, NOTE_KEY_ED25519)

    assert_rejected(kit.ask_note(vkey, (directory / "checkpoint").read_bytes()), "no verifiable")
    assert_rejected(kit.ask_fsck(directory, vkey), "no verifiable")
    assert_rejected(kit.ask_tiles(directory, vkey), "no verifiable")


def test_fsck_ends_when_every_tile_differs(log: tuple[Path, str]) -> None:
    directory, vkey = log
    for tile in directory.glob("tile/[0-9]/**/*"):
        if tile.is_file():
            tile.write_bytes(flip(tile.read_bytes(), 0))

    assert_rejected(kit.ask_fsck(directory, vkey), "log has:")


def test_only_torchwood_sees_bytes_after_the_last_entry(log: tuple[Path, str]) -> None:
    directory, vkey = log
    bundle = directory / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes() + b"\x00\x01x")

    assert_accepted(kit.ask_fsck(directory, vkey))
    assert_rejected(kit.ask_tiles(directory, vkey), "unexpected leftover data")


def test_fsck_crashes_on_a_bundle_with_an_entry_too_few(log: tuple[Path, str]) -> None:
    directory, vkey = log
    bundle = directory / "tile/entries/002.p/188"
    entry_bytes = len(b"entry 699") * (699 % 9)
    bundle.write_bytes(bundle.read_bytes()[: -2 - entry_bytes])

    with pytest.raises(kit.OracleBrokenError, match="index out of range"):
        kit.ask_fsck(directory, vkey)
    assert_rejected(kit.ask_tiles(directory, vkey), "unexpected end of tile data")


def test_note_rejects_a_changed_body(log: tuple[Path, str]) -> None:
    directory, vkey = log
    checkpoint = (directory / "checkpoint").read_bytes()

    assert_accepted(kit.ask_note(vkey, checkpoint))
    assert_rejected(kit.ask_note(vkey, checkpoint.replace(b"700", b"701")), "invalid signature")


# Proofs: inclusion, consistency, cosignature, proof


def ask_inclusion(size: int, index: int, proof: list[bytes], leaf: bytes) -> kit.Verdict:
    root = tree_root(LEAVES[:size])
    return kit.ask_inclusion(size=size, index=index, leaf_hash=leaf, root=root, proof=proof)


def ask_consistency(size1: int, size2: int, proof: list[bytes]) -> kit.Verdict:
    root1, root2 = tree_root(LEAVES[:size1]), tree_root(LEAVES[:size2])
    return kit.ask_consistency(size1=size1, root1=root1, size2=size2, root2=root2, proof=proof)


@pytest.mark.parametrize(("size", "index"), [(1, 0), (2, 1), (7, 6), (8, 3), (13, 12)])
def test_inclusion_accepts_one_leaf_and_rejects_others(size: int, index: int) -> None:
    proof = inclusion_proof(LEAVES[:size], index)

    assert_accepted(ask_inclusion(size, index, proof, LEAVES[index]))
    assert_rejected(ask_inclusion(size, index, proof, leaf_hash(b"x")), "invalid")
    assert_rejected(ask_inclusion(size, index, [*proof, LEAVES[0]], LEAVES[index]), "invalid")
    assert_rejected(ask_inclusion(size, size, proof, LEAVES[index]), "invalid")


@pytest.mark.parametrize(("size1", "size2"), [(1, 2), (4, 7), (5, 8), (8, 8), (6, 13)])
def test_consistency_accepts_one_proof_and_rejects_others(size1: int, size2: int) -> None:
    proof = consistency_proof(LEAVES[:size2], size1)

    assert_accepted(ask_consistency(size1, size2, proof))
    assert_rejected(ask_consistency(size1, size2, [*proof, LEAVES[0]]), "invalid")
    assert_rejected(ask_consistency(size2, size1, [*proof, LEAVES[0]]), "invalid")


def test_proof_questions_that_tlog_cannot_express_have_no_verdict(tmp_path: Path) -> None:
    question = tmp_path / "question"
    question.write_text(json.dumps({"size": 1, "leaf_hash": "", "root": "", "proof": []}))

    with pytest.raises(kit.OracleBrokenError, match="hash of 31 bytes"):
        ask_inclusion(1, 0, [], LEAVES[0][:-1])
    with pytest.raises(kit.OracleBrokenError, match="index is missing"):
        kit.run("inclusion", question)


def make_checkpoint() -> tuple[str, str]:
    """Make body and signed, cosigned checkpoint of a log of all `ENTRIES`."""
    body = checkpoint_body(ORIGIN, LEAVES)
    signatures = note_signature(ORIGIN, ED25519_KEY, body)
    return body, f"{body}\n{signatures}{cosignature(WITNESS, STRANGER_ED25519_KEY, body, AT)}"


LOG_VKEY = note_vkey(ORIGIN, ED25519_KEY, NOTE_KEY_ED25519)
WITNESS_VKEY = note_vkey(WITNESS, STRANGER_ED25519_KEY, NOTE_KEY_COSIGNATURE)
LOG_POLICY = f"log {LOG_VKEY}\n"
WITNESS_POLICY = f"{LOG_POLICY}witness w {WITNESS_VKEY}\nquorum w\n"


def test_cosignature_accepts_what_the_witness_signed_with_its_time() -> None:
    body, checkpoint = make_checkpoint()
    other_time = cosignature(WITNESS, STRANGER_ED25519_KEY, body, AT)[:-1]
    blob = flip(base64.b64decode(other_time.split()[-1]), 11)
    line = f"\N{EM DASH} {WITNESS} {base64.b64encode(blob).decode()}\n"

    assert f"time {AT}" in kit.ask_cosignature(WITNESS_VKEY, checkpoint.encode()).detail
    changed = f"{body}\n{line}".encode()
    assert_rejected(kit.ask_cosignature(WITNESS_VKEY, changed), "invalid signature")


@pytest.mark.parametrize("policy", [WITNESS_POLICY, f"{LOG_POLICY}quorum none\n"])
def test_proof_accepts_the_entry_and_rejects_others(policy: str) -> None:
    _, checkpoint = make_checkpoint()
    proof = tlog_proof(LEAVES, 9, checkpoint)

    assert_accepted(kit.ask_proof(policy, proof, ENTRIES[9]))
    assert_rejected(kit.ask_proof(policy, proof, ENTRIES[8]), "verification failed for index 9")
    moved = proof.replace(b"index 9", b"index 8")
    assert_rejected(kit.ask_proof(policy, moved, ENTRIES[9]), "verification failed for index 8")


def test_proof_rejects_a_checkpoint_without_its_quorum() -> None:
    body, _ = make_checkpoint()
    checkpoint = f"{body}\n{note_signature(ORIGIN, ED25519_KEY, body)}"

    verdict = kit.ask_proof(WITNESS_POLICY, tlog_proof(LEAVES, 9, checkpoint), ENTRIES[9])

    assert_rejected(verdict, "note verification failed")


def test_proof_under_a_policy_of_two_logs_wants_the_signatures_of_both() -> None:
    body, checkpoint = make_checkpoint()
    second = note_vkey(ORIGIN, STRANGER_ED25519_KEY, NOTE_KEY_ED25519)
    policy = f"{LOG_POLICY}log {second}\nquorum none\n"
    both = checkpoint + note_signature(ORIGIN, STRANGER_ED25519_KEY, body)

    verdict = kit.ask_proof(policy, tlog_proof(LEAVES, 9, checkpoint), ENTRIES[9])
    assert_rejected(verdict, "note verification failed")
    assert_accepted(kit.ask_proof(policy, tlog_proof(LEAVES, 9, both), ENTRIES[9]))


# Statements: cose, cwt, pycose, scitt-statement


@each_cose_oracle
@each_key
def test_cose_oracles_accept_the_signer_and_reject_others(
    ask: AskCose, alg: int, key: PrivateKey, stranger: PrivateKey
) -> None:
    signed = sign1(key, alg, b"payload")

    assert_accepted(ask(key.public_key(), signed))
    assert_rejected(ask(stranger.public_key(), signed), "erif")
    assert_rejected(ask(key.public_key(), flip(signed, -1)), "erif")
    assert_rejected(ask(key.public_key(), signed.replace(b"payload", b"payloaD")), "erif")
    assert_rejected(ask(key.public_key(), signed.replace(b"kid", b"kiD")), "erif")


@each_cose_oracle
@each_key
def test_cose_oracles_take_a_detached_payload(
    ask: AskCose, alg: int, key: PrivateKey, stranger: PrivateKey
) -> None:
    signed = sign1(key, alg, b"payload", detached=True)

    assert_accepted(ask(key.public_key(), signed, b"payload"))
    assert_rejected(ask(key.public_key(), signed, b"payloaD"), "erif")


@each_key
def test_scitt_statement_accepts_the_issuer_and_rejects_others(
    alg: int, key: PrivateKey, stranger: PrivateKey
) -> None:
    statement = sign1(key, alg, b"payload")

    assert (
        "iss https://issuer.example" in kit.ask_scitt_statement(key.public_key(), statement).detail
    )
    assert_rejected(kit.ask_scitt_statement(stranger.public_key(), statement), "FAILED")
    assert_rejected(kit.ask_scitt_statement(key.public_key(), flip(statement, -1)), "FAILED")
    detached = sign1(key, alg, b"payload", detached=True)
    assert_rejected(kit.ask_scitt_statement(key.public_key(), detached), "payload is detached")


@pytest.mark.parametrize(("alg", "key"), [(ED25519, ED25519_KEY), (ESP256, P256_KEY)])
def test_only_cwt_knows_the_fully_specified_algorithms(alg: int, key: PrivateKey) -> None:
    signed, public = sign1(key, alg, b"payload"), key.public_key()

    assert_accepted(kit.ask_cwt(public, signed))
    assert_rejected(kit.ask_cwt(public, flip(signed, -1)), "erif")
    assert_rejected(kit.ask_cose(public, signed), "algorithm mismatch")
    assert_rejected(kit.ask_pycose(public, signed), "Unknown COSE attribute")
    assert_rejected(kit.ask_scitt_statement(public, signed), "unsupported alg")


def test_only_go_cose_and_scitt_cose_refuse_other_encodings_of_the_same() -> None:
    signed, public = sign1(ED25519_KEY, EDDSA, b"payload"), ED25519_KEY.public_key()
    twice = b"\xa3\x01\x27\x04\x40\x04\x40"  # {1: -8, 4: '', 4: ''}
    for other in (
        signed + b"\x00",
        b"\xd2\x9f" + signed[2:] + b"\xff",
        sign1(ED25519_KEY, EDDSA, b"payload", header=twice),
    ):
        assert_rejected(kit.ask_cose(public, other), "cbor: ")
        assert_rejected(kit.ask_scitt_statement(public, other), "malleable")
        assert_accepted(kit.ask_cwt(public, other))
        assert_accepted(kit.ask_pycose(public, other))


def test_cwt_does_not_ask_whether_the_algorithm_fits_the_key() -> None:
    signed, public = sign1(ED25519_KEY, ES256, b"payload"), ED25519_KEY.public_key()

    assert_accepted(kit.ask_cwt(public, signed))
    assert_rejected(kit.ask_cose(public, signed), "algorithm mismatch")


def test_only_scitt_cose_refuses_an_unknown_critical_header() -> None:
    critical = {2: [-70099], -70099: 1}
    signed = sign1(ED25519_KEY, EDDSA, b"payload", protected=critical)
    public = ED25519_KEY.public_key()

    assert_rejected(kit.ask_scitt_statement(public, signed), "does not understand it")
    for ask in COSE_ORACLES:
        assert_accepted(ask(public, signed))


# Receipts: scitt-receipt, transmute-inclusion, transmute-consistency


@each_key
@pytest.mark.parametrize(("size", "index"), [(1, 0), (2, 1), (13, 5), (13, 12)])
def test_scitt_receipt_accepts_the_entry_and_rejects_others(
    alg: int, key: PrivateKey, stranger: PrivateKey, size: int, index: int
) -> None:
    receipt, entry = inclusion_receipt(key, alg, ENTRIES[:size], index), ENTRIES[index]

    verdict = kit.ask_scitt_receipt(key.public_key(), receipt, entry)
    assert f"leaf {index} of {size}, root {tree_root(LEAVES[:size]).hex()}" in verdict.detail
    assert_rejected(kit.ask_scitt_receipt(key.public_key(), receipt, b"x"), "signature: ")
    assert_rejected(kit.ask_scitt_receipt(stranger.public_key(), receipt, entry), "signature: ")
    changed = flip(receipt, -1)
    assert_rejected(kit.ask_scitt_receipt(key.public_key(), changed, entry), "signature: ")


@pytest.mark.parametrize(("size", "index"), [(1, 0), (2, 1), (13, 5), (13, 12)])
def test_transmute_accepts_an_inclusion_receipt_and_rejects_others(size: int, index: int) -> None:
    receipt, entry = inclusion_receipt(P256_KEY, ES256, ENTRIES[:size], index), ENTRIES[index]
    public, stranger = P256_KEY.public_key(), STRANGER_P256_KEY.public_key()
    failed = "Signature verification failed"

    assert_accepted(kit.ask_transmute_inclusion(public, receipt, entry))
    assert_rejected(kit.ask_transmute_inclusion(public, receipt, b"x"), failed)
    assert_rejected(kit.ask_transmute_inclusion(stranger, receipt, entry), failed)
    assert_rejected(kit.ask_transmute_inclusion(public, flip(receipt, -1), entry), failed)


def test_receipts_with_an_attached_root_are_rejected() -> None:
    receipt = inclusion_receipt(P256_KEY, ES256, ENTRIES, 5, detached=False)
    public = P256_KEY.public_key()

    assert_rejected(kit.ask_scitt_receipt(public, receipt, ENTRIES[5]), "payload is attached")
    verdict = kit.ask_transmute_inclusion(public, receipt, ENTRIES[5])
    assert_rejected(verdict, "payload must be null")


def test_receipts_do_not_authenticate_size_and_index() -> None:
    receipt = inclusion_receipt(P256_KEY, ES256, ENTRIES[:5], 4)
    rewritten, public = rewrite_inclusion(receipt, 2, 1), P256_KEY.public_key()

    assert_accepted(kit.ask_scitt_receipt(public, rewritten, ENTRIES[4]))
    assert_accepted(kit.ask_transmute_inclusion(public, rewritten, ENTRIES[4]))


def test_transmute_accepts_a_consistency_receipt_and_rejects_others() -> None:
    proof, public = consistency_proof(LEAVES, 6), P256_KEY.public_key()
    receipt = consistency_receipt(P256_KEY, ES256, 6, LEAVES, proof)
    old, new, stranger = tree_root(LEAVES[:6]), tree_root(LEAVES), STRANGER_P256_KEY.public_key()

    assert_accepted(kit.ask_transmute_consistency(public, receipt, old, new))
    assert_rejected(kit.ask_transmute_consistency(public, receipt, LEAVES[0], new), "does not lead")
    for key, root in ((public, LEAVES[0]), (stranger, new)):
        verdict = kit.ask_transmute_consistency(key, receipt, old, root)
        assert_rejected(verdict, "Signature verification failed")


def test_transmute_wants_the_old_root_where_rfc_9162_leaves_it_out() -> None:
    proof, public = consistency_proof(LEAVES, 8), P256_KEY.public_key()
    old, new = tree_root(LEAVES[:8]), tree_root(LEAVES)

    standard = consistency_receipt(P256_KEY, ES256, 8, LEAVES, proof)
    verdict = kit.ask_transmute_consistency(public, standard, old, new)
    assert not verdict.accepted
    longer = consistency_receipt(P256_KEY, ES256, 8, LEAVES, [old, *proof])
    assert_accepted(kit.ask_transmute_consistency(public, longer, old, new))


def test_transmute_cannot_count_to_a_tree_of_2_to_the_32() -> None:
    path = [leaf_hash(b"%d" % level) for level in range(32)]
    root = functools.reduce(node_hash, path, LEAVES[0])
    proof = {396: {-1: [cbor2.dumps([2**32, 0, path])]}}
    receipt = sign1(P256_KEY, ES256, root, detached=True, protected={395: 1}, unprotected=proof)

    assert_accepted(kit.ask_scitt_receipt(P256_KEY.public_key(), receipt, ENTRIES[0]))
    verdict = kit.ask_transmute_inclusion(P256_KEY.public_key(), receipt, ENTRIES[0])
    assert_rejected(verdict, "sn is")


# Roots, by pymerkle


@pytest.mark.parametrize("size", [1, 2, 7, 13])
def test_pymerkle_accepts_one_root_and_rejects_others(size: int) -> None:
    assert_accepted(kit.ask_pymerkle(ENTRIES[:size], tree_root(LEAVES[:size])))
    assert_rejected(kit.ask_pymerkle(ENTRIES[:size], leaf_hash(b"x")), "the root of")


# SD-JWT, by the reference library


def test_sd_jwt_accepts_what_it_issued_and_rejects_another_key() -> None:
    mine, other = (
        {"kty": "OKP", "crv": "Ed25519", "d": b64.encode_url(key.private_bytes_raw()),
         "x": b64.encode_url(key.public_key().public_bytes_raw())}
        for key in (ED25519_KEY, STRANGER_ED25519_KEY)
    )  # fmt: skip
    issued = kit.issue_sd_jwt({"claims": {"a": 1}, "hidden": ["a"], "key": mine, "typ": "x"})
    assert_accepted(kit.ask_sd_jwt({"shown": issued, "key": mine}))
    assert_rejected(kit.ask_sd_jwt({"shown": issued, "key": other}), "InvalidJWSSignature")


# Histories of did:webvh, and texts that wallets sign


def test_didwebvh_accepts_what_it_wrote_and_rejects_what_was_changed() -> None:
    did, lines = kit.write_didwebvh({"host": "lab.example", "document": {"id": "{DID}"},
                                     "updates": [{"id": "{DID}", "a": 1}]})  # fmt: skip
    assert_accepted(kit.ask_didwebvh(did, lines))
    assert_rejected(kit.ask_didwebvh(did, lines.replace(b'"a": 1', b'"a": 2')), "hash-chain-broken")


def test_didwebvh_writes_small_numbers_otherwise_than_jcs() -> None:
    did, lines = kit.write_didwebvh({"host": "lab.example", "updates": [],
                                     "document": {"id": "{DID}", "n": 1e-7}})  # fmt: skip
    assert_accepted(kit.ask_didwebvh(did, lines))
    with pytest.raises(VerificationError, match="does not lead to the SCID"):
        read_history(did, None, lines, None, 1_790_000_000)  # JCS, as JavaScript, writes 1e-7


def test_eth_account_names_the_address_that_signed() -> None:
    signed = kit.sign_eth(b"1" * 32, "text")
    again = kit.ask_eth(bytes.fromhex(signed["signature"]), "text")
    other = kit.ask_eth(bytes.fromhex(signed["signature"]), "other")
    assert again.detail == signed["address"] != other.detail


def test_the_status_list_library_reads_what_it_wrote_and_rejects_what_is_not_compressed(
    tmp_path: Path,
) -> None:
    def token(lst: str) -> str:
        said = {"status_list": {"bits": 2, "lst": lst}}
        parts = ({"typ": "statuslist+jwt"}, said)
        encoded = [b64.encode_url(json.dumps(one).encode()) for one in parts]
        return ".".join([*encoded, "AA"])

    lst = kit.write_status_list([1, 2, 0, 3], 2)
    assert kit.read_status_list(token(lst)) == [1, 2, 0, 3]
    file = tmp_path / "token"
    file.write_text(token("AAAA"))
    assert_rejected(kit.run("status-list-read", file), "")


# No verdict


@pytest.mark.parametrize("oracle", sorted(kit.ORACLES))
def test_a_question_without_files_has_no_verdict(oracle: str) -> None:
    with pytest.raises(kit.OracleBrokenError):
        kit.run(oracle)


QUESTIONS = {
    "note": (LOG_VKEY, "missing"),
    "cosignature": (WITNESS_VKEY, "missing"),
    "inclusion": ("missing",),
    "consistency": ("missing",),
    "proof": ("missing", "missing", "missing"),
    "fsck": ("missing", LOG_VKEY),
    "tiles": ("missing", LOG_VKEY),
    "cose": ("00" * 32, "missing"),
    "cwt": ("missing", "missing"),
    "pycose": ("missing", "missing"),
    "pymerkle": ("missing",),
    "sd-jwt": ("missing",),
    "sd-jwt-issue": ("missing",),
    "didwebvh": ("did:webvh:x:example.com", "missing"),
    "didwebvh-write": ("missing",),
    "eth-sign": ("missing",),
    "eth-recover": ("missing",),
    "scitt-statement": ("missing", "missing"),
    "scitt-receipt": ("missing", "missing", "missing"),
    "transmute-inclusion": ("missing", "missing", "missing"),
    "transmute-consistency": ("missing", "missing", "00" * 32, "00" * 32),
    "status-list-read": ("missing",),
    "status-list-write": ("missing",),
}


@pytest.mark.parametrize("oracle", sorted(kit.ORACLES))
def test_missing_files_have_no_verdict(oracle: str) -> None:
    with pytest.raises(kit.OracleBrokenError, match=r"[Nn]o such file"):
        kit.run(oracle, *QUESTIONS[oracle])


def test_bad_keys_have_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    (tmp_path / "key.jwk").write_text('{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA"}')
    (tmp_path / "file").write_bytes(sign1(ED25519_KEY, EDDSA, b"payload"))

    for oracle, key, files in (
        ("note", "no key", 1),
        ("cosignature", LOG_VKEY, 1),
        ("tiles", WITNESS_VKEY, 1),
        ("cose", "0011", 1),
        ("cwt", tmp_path / "key.pem", 1),
        ("pycose", tmp_path / "key.pem", 1),
        ("scitt-statement", tmp_path / "key.pem", 1),
        ("scitt-receipt", tmp_path / "key.pem", 2),
        ("transmute-inclusion", tmp_path / "key.jwk", 2),
    ):
        with pytest.raises(kit.OracleBrokenError, match=f"{oracle} gave no verdict"):
            kit.run(oracle, key, *[tmp_path / "file"] * files)


def test_without_the_oracles_a_test_is_skipped_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "_missing_environments", lambda: frozenset({"go"}))

    monkeypatch.delenv("TALLYSTICK_ORACLES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make oracles installs it"):
        kit.run("note")
    monkeypatch.setenv("TALLYSTICK_ORACLES", "required")
    with pytest.raises(pytest.fail.Exception, match="make oracles installs it"):
        kit.run("note")
