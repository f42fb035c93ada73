"""Our own vectors: what was ever written stays byte for byte what is written, and verifies."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.evidence.records import Record
from tallystick.statement import parse_statement
from tallystick.statement.approval import FIELDS, Enrolled, verify_approval
from tallystick.statement.governance import StatementType
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import parse_key_statement
from tallystick.statement.passkey import Passkey
from tallystick.verify import Verdict, examine, parse_policy

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "vectors"
LEDGERS_OWN = {
    StatementType.GENESIS,
    StatementType.POLICY,
    StatementType.KEY,
    StatementType.HEARTBEAT,
    StatementType.DATASET,
}
APPROVALS = sorted((VECTORS / "approvals").glob("*-approval.cbor"))
STATEMENTS = sorted(
    p for f in ("statements", "approvals", "appeals") for p in (VECTORS / f).glob("*.cbor")
)


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    """What the code of today writes for the vectors' inputs."""
    files: Iterator[tuple[str, bytes]] = runpy.run_path(str(ROOT / "tools/make_vectors.py"))[
        "files"
    ]()
    return dict(files)


def test_the_same_inputs_still_give_the_same_bytes(written: dict[str, bytes]) -> None:
    on_disk = {
        str(path.relative_to(VECTORS)): path.read_bytes()
        for path in VECTORS.rglob("*")
        if path.is_file() and path.name != "README.md"
    }

    assert on_disk.keys() == written.keys()
    assert [name for name in on_disk if on_disk[name] != written[name]] == []


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
def test_a_statement_parses_to_what_its_description_says(path: Path) -> None:
    described: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())

    statement = parse_statement(path.read_bytes())

    assert statement.id.hex() == described["id"]
    assert statement.header.type == described["protected"]["-70001"]
    assert statement.payload.hex() == described["payload"]


def test_what_was_said_of_keys_follows_from_the_first_key() -> None:
    first = parse_key_statement(parse_statement(_read("statements/key-clinic.cbor")).payload)
    chains = KeyChains("vectors.example/log")
    chains.apply(first, 2)

    for index, path in enumerate(sorted((VECTORS / "keys").glob("*.cbor")), 20):
        said = parse_key_statement(path.read_bytes())
        assert said.encode() == path.read_bytes()
        chains.check(said, index)
        chains.apply(said, index)

    ends = [chains.end_of(first.issuer, key_id) for key_id in chains.keys_of(first.issuer)]
    assert [(end.last, end.reason) if end else None for end in ends] == [
        (21, "rotated"),
        (3, "compromised"),
        None,
    ]


@pytest.mark.parametrize("path", APPROVALS, ids=lambda path: path.stem)
def test_what_a_passkey_approved_verifies(path: Path) -> None:
    registered = parse_statement(_read(f"approvals/{path.stem.partition('-')[0]}-passkey.cbor"))
    statement, passkey = parse_statement(path.read_bytes()), parse_key_statement(registered.payload)
    assert isinstance(passkey, Passkey)
    described = json.loads(path.with_suffix(".json").read_text())
    fields = described["content"]["fields"]
    values = {name: bytes.fromhex(fields[name]["value"]["hex"]) for name in FIELDS}

    passkey.verify_possession("vectors.example/log")
    by = Enrolled(registered.id, 20, passkey)
    approved = verify_approval(statement, 21, values, by, "vectors.example/log")

    assert approved.approval.action == "decision"


def _read(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def test_every_type_that_this_version_writes_has_a_vector() -> None:
    types = {parse_statement(path.read_bytes()).header.type for path in STATEMENTS}

    assert types == LEDGERS_OWN | {record.statement_type for record in Record.__subclasses__()}


def test_the_golden_bundle_verifies() -> None:
    policy = parse_policy((VECTORS / "trust.policy").read_bytes())

    report = examine((VECTORS / "answer.tally.json").read_bytes(), policy)

    assert report.verdict is Verdict.VERIFIED
