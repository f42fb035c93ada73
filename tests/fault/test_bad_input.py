"""What a stranger sends: each is refused by its name, and the message says seen and expected."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tallystick.errors import EncodingError
from tallystick.evidence import Shown, build_bundle
from tallystick.ledger import Submission
from tallystick.statement import SignedStatement, commit, encode_header
from tallystick.statement.commitment import VALUE_DEPTH_MAX, commit_encoded
from tallystick.statement.cose import encode_sign1
from tallystick.statement.labels import ENTRY_BYTES_MAX
from tallystick.verify import parse_bundle
from tests.fault.conftest import Command
from tests.ledgers import Issuer, ledger_in

FAR = 4_000_000_000
"""An issue time that is in the future of every clock for a while."""


def sized(issuer: Issuer, size: int) -> bytes:
    """Return an entry of exactly that many bytes."""
    inline: dict[str, Any] = {"type": "call", "hashed": False, "content_type": "text/plain"}
    empty = issuer.sign(b"x" * 1000, **inline)
    short = 1000 + size - len(empty.entry)
    entry = issuer.sign(b"x" * short, **inline).entry
    entry = issuer.sign(b"x" * (short + size - len(entry)), **inline).entry
    assert len(entry) == size
    return entry


def unchecked(issuer: Issuer, payload: bytes) -> bytes:
    """Return an entry that our own signing would refuse to make."""
    protected = encode_header(issuer.header(hashed=False, content_type="text/plain"))
    return encode_sign1(protected, {}, payload, bytes(64))


def flipped(statement: SignedStatement) -> bytes:
    return statement.entry[:-1] + bytes([statement.entry[-1] ^ 1])


def header_of(issuer: Issuer, change: Callable[[bytes], bytes]) -> bytes:
    """Return a statement whose protected header was changed as bytes, signed all the same."""
    statement = issuer.sign()
    protected = change(statement.protected)
    return encode_sign1(protected, {}, statement.payload, statement.signature)


def duplicated(protected: bytes) -> bytes:
    """Say the algorithm twice."""
    members = cbor2.loads(protected)
    return bytes([0xA0 | len(members) + 1]) + b"\x01\x27" + protected[1:]


def indefinite(protected: bytes) -> bytes:
    return b"\xbf" + protected[1:] + b"\xff"


CASES: dict[str, tuple[Callable[[Issuer, Issuer], bytes], int, str, str]] = {
    "too long": (lambda i, _: unchecked(i, b"x" * ENTRY_BYTES_MAX), 2, "input.limit",
                 r"has 65\d+ bytes, at most 65535"),
    "wrong signature": (lambda i, _: flipped(i.sign()), 1, "verification.signature",
                        "does not match the issuer's key"),
    "unknown key": (lambda _, s: s.sign().entry, 5, "refused", "no key with id .* is registered"),
    "unknown type": (lambda i, _: i.sign(type="gossip").entry, 5, "refused",
                     "'gossip' is not a statement type"),
    "type not allowed": (lambda i, _: i.sign(type="model").entry, 5, "refused",
                         "policy does not let Clinic North register model"),
    "content in the clear": (
        lambda i, _: i.sign(b"Jane Doe", hashed=False, content_type="text/plain").entry, 5,
        "refused", "commits to its content with a salt; this one shows it to everybody"),
    "future": (lambda i, _: i.sign(issued_at=FAR).entry, 5, "refused",
               "issued at 4000000000, more than 300 s after .* heartbeat at"),
    "duplicate keys": (lambda i, _: header_of(i, duplicated), 2, "input.encoding",
                       "protected header is not one strict CBOR item: .*[Dd]uplicate"),
    "indefinite": (lambda i, _: header_of(i, indefinite), 2, "input.encoding",
                   "protected header is not one strict CBOR item: .*indefinite"),
    "detached": (lambda i, _: encode_sign1(i.sign().protected, {}, None, bytes(64)), 2,
                 "input.encoding", "has a detached payload, expected it inside"),
    "empty": (lambda _i, _s: b"", 2, "input.encoding", "must begin with .* tag 18 .* got no bytes"),
    "junk": (lambda _i, _s: b"junk", 2, "input.encoding", r"must begin with .* got 6a"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_statements_are_refused_by_name_and_nothing_is_written(
    tmp_path: Path, tally: Command, case: str
) -> None:
    make, code, error, message = CASES[case]
    clinic, stranger = Issuer(), Issuer(name="Nobody")
    with ledger_in(tmp_path / "home", clinic) as ledger:
        size = ledger.snapshot.checkpoint.size
    (tmp_path / "bad.cose").write_bytes(make(clinic, stranger))

    said = tally(tmp_path / "home", "register", tmp_path / "bad.cose")

    assert (said.code, said.error) == (code, error)
    assert re.search(message, said.detail), said.detail
    with ledger_in(tmp_path / "home") as ledger:
        new = range(size, ledger.snapshot.checkpoint.size)
        types = {ledger.at(index).statement.header.type for index in new}
        assert types <= {"heartbeat", "refusal"}


@pytest.mark.parametrize(("size", "fits"), [(ENTRY_BYTES_MAX, True), (ENTRY_BYTES_MAX + 1, False)])
def test_the_longest_entry_is_65535_bytes(
    tmp_path: Path, tally: Command, size: int, fits: bool
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path / "home", clinic):
        pass
    entry = sized(clinic, ENTRY_BYTES_MAX)
    if not fits:
        entry = entry.replace(b"x" * 100, b"x" * 101, 1)
    (tmp_path / "long.cose").write_bytes(entry)

    said = tally(tmp_path / "home", "register", tmp_path / "long.cose")

    assert said.code == (0 if fits else 2), said
    assert fits or f"has {size} bytes, at most 65535 allowed" in said.detail


def test_content_that_could_not_be_read_again_is_not_taken(tmp_path: Path) -> None:
    deep: object = 1
    for _ in range(20):
        deep = [deep]

    for value in (deep, 2**64, {1, 2}):
        with pytest.raises(EncodingError):
            commit({"field": value}, os.urandom).commitment()
        with pytest.raises(EncodingError):
            commit_encoded({"field": value}, os.urandom)


@pytest.mark.parametrize("depth", [VALUE_DEPTH_MAX, VALUE_DEPTH_MAX + 1])
def test_the_deepest_content_is_registered_and_read_again(tmp_path: Path, depth: int) -> None:
    clinic = Issuer()
    value: object = 1
    for _ in range(depth):
        value = [value]
    with ledger_in(tmp_path, clinic) as ledger:
        if depth > VALUE_DEPTH_MAX:
            with pytest.raises(EncodingError, match="nested too deeply"):
                clinic.content({"field": value})
            return
        statement, content = clinic.content({"field": value})
        registered = ledger.register_one(Submission(statement.entry, content))

        assert ledger.vault.get(registered.id).values() == {"field": value}
        shown = Shown(content=True)
        bundle = parse_bundle(build_bundle(ledger, registered.id, shown).encode())
        assert bundle.subject == statement.id
