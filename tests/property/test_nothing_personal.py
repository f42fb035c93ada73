"""Nothing personal gets on the ledger: no plaintext, and no digest that somebody could guess."""

import os
import tempfile
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import CommitmentError, RefusedError
from tallystick.evidence import encode_row, sign_batch, sign_fields
from tallystick.evidence.committing import RowCommitter
from tallystick.ledger import Ledger, Registered, RegistrationPolicy, Rows, Rule, Submission
from tallystick.ledger.committed import EVIDENCE
from tallystick.ledger.marking import sign_marks
from tallystick.ledger.policy import Visibility
from tallystick.merkle import tree_root
from tallystick.statement import Batch, ErasureReason, OpenField, Preimage, commit, dcbor, row_leaf
from tallystick.statement.governance import IssuerKind, StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.vault import About, reading_as
from tests.ledgers import START, Issuer, ledger_in

SHORT = 8
"""Below this a text could stand somewhere by chance."""
POLICY = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
LETTERS = st.characters(codec="utf-8")
WORDS = st.text(LETTERS, min_size=SHORT, max_size=40)
SECRETS = st.binary(min_size=SHORT, max_size=40).filter(any)
"""Not zeros alone: the digest of no schema is 32 of them."""
VALUES = st.recursive(
    WORDS | SECRETS | st.integers(10**9, 10**12),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(WORDS, inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)
MEDIA = ["application/cbor", "text/plain", "application/vnd.tallystick.content+cbor"]
GOVERNING = {"access", "refusal", "approval"}
"""Types that other rules speak of first."""
ONE = os.urandom(32)
"""A salt that is random, and used more than once."""
FIELDS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4)


def guesses(value: Any) -> set[bytes]:
    """Return what a stranger who guesses a value could look for: it, and digests without salt."""
    plain = {dcbor.encode(value)}
    if isinstance(value, str):
        plain.add(value.encode())
    if isinstance(value, bytes):
        plain.add(value)
    found = {one for one in plain if len(one) >= SHORT - 1 or isinstance(value, int)}
    found |= {sha256(one).digest() for one in plain}
    for inner in value.values() if isinstance(value, dict) else value if _many(value) else ():
        found |= guesses(inner)
    return found


def _many(value: Any) -> bool:
    return isinstance(value, list)


def public(ledger: Ledger) -> bytes:
    """Return all that a stranger can read: every entry, and the leaf hashes of batches."""
    size = ledger.snapshot.checkpoint.size
    entries = b"".join(ledger.at(at).statement.entry for at in range(size))
    return entries + b"".join(one.read_bytes() for one in ledger.home.rows.rglob("*.*"))


def said_in_every_way(ledger: Ledger, clinic: Issuer, fields: dict[str, Any], who: str) -> None:
    """Register, erase, hold, restrict and read, through each word that takes content."""
    about = About(who, who)
    made = sign_fields(clinic.signer, "document", fields, issued_at=START)
    first = ledger.register_one(Submission(made.entry, made.content, about=about)).id
    records = [encode_row(fields), encode_row(fields)]
    with RowCommitter(1) as committer:
        done = committer.commit(records)
    batch = sign_batch(clinic.signer, done.leaves, issued_at=START)
    rows = Rows(done.salts, records, [who, None], who)
    ledger.register_one(Submission(batch.entry, leaves=done.leaves, rows=rows))
    with reading_as(who, who):
        ledger.vault.get(first)
        list(ledger.vault.rows(batch.id))
    ledger.register_reads()
    operator = ledger.keys.signer("operator")
    for type_ in (StatementType.HOLD, StatementType.RESTRICTION):
        ledger.register(sign_marks(operator, type_, {first: None}, "other", START))
    refused = clinic.sign(commit(fields, bytes).commitment(), type="hold")
    ledger.register([Submission(refused.entry)])
    ledger.erase({batch.id: None}, ErasureReason.OTHER)


@cache
def vocabulary() -> bytes:
    """Return what stands in every such ledger, and may be hit upon by chance."""
    clinic = Issuer()
    with (
        tempfile.TemporaryDirectory() as folder,
        ledger_in(Path(folder), clinic, policy=POLICY) as ledger,
    ):
        said_in_every_way(ledger, clinic, {"·" * 30: "·" * 30}, "·" * 30)
        ledger.publish()
        return public(ledger)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=FIELDS, who=WORDS)
def test_no_value_and_no_guessable_digest_of_one_is_public(
    fields: dict[str, Any], who: str
) -> None:
    clinic = Issuer()
    with tempfile.TemporaryDirectory() as folder:
        with ledger_in(Path(folder), clinic, policy=POLICY) as ledger:
            said_in_every_way(ledger, clinic, fields, who)
            ledger.publish()
            seen = public(ledger)
        for guess in guesses(fields) | guesses(who):
            assert guess not in seen or guess in vocabulary()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Issuer]]:
    """A ledger whose policy lets a clinic register all that can be, and hides nothing by name."""
    clinic, policy = Issuer(), RegistrationPolicy(POLICY.rules, {"*": Visibility.PUBLIC})
    with ledger_in(tmp_path_factory.mktemp("shared"), clinic, policy=policy) as ledger:
        yield ledger, clinic


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=FIELDS, type_=st.sampled_from(sorted(EVIDENCE)), media=st.sampled_from(MEDIA))
def test_no_issuer_shows_content_of_evidence(
    shared: tuple[Ledger, Issuer], fields: dict[str, Any], type_: str, media: str
) -> None:
    ledger, clinic = shared
    operator = Issuer(signer=ledger.keys.signer("operator"))
    for issuer in (clinic, operator):  # who may register refusals and reads of content as well
        shown = issuer.sign(dcbor.encode(fields), type=type_, hashed=False, content_type=media)
        [answer] = ledger.register([Submission(shown.entry)])

        assert isinstance(answer, RefusedError)
        assert answer.reason in {"payload.inline", "type.operator", "payload", "policy"}
        assert type_ in GOVERNING or issuer is operator or answer.reason == "payload.inline"
        assert shown.payload not in public(ledger)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=FIELDS, salt=st.sampled_from([b"", b"short", bytes(32), b"s" * 32, ONE]))
def test_content_whose_salts_hide_nothing_is_refused(
    shared: tuple[Ledger, Issuer], fields: dict[str, Any], salt: bytes
) -> None:
    ledger, clinic = shared
    opened = {name: OpenField(salt, value) for name, value in fields.items()}
    for content in (Preimage(salt, opened), Preimage(os.urandom(32), opened)):
        said = clinic.sign(content.commitment())
        [answer] = ledger.register([Submission(said.entry, content)])

        if salt == ONE and content.salt != ONE and len(fields) == 1:
            continue  # two salts, each random and its own
        assert isinstance(answer, RefusedError)
        assert answer.reason == "content.salt"
        assert said.entry not in public(ledger)


@pytest.mark.parametrize(
    "salts", [bytes(64), b"s" * 64, ONE * 2], ids=["zeros", "one byte", "one twice"]
)
def test_rows_whose_salts_hide_nothing_are_refused(
    shared: tuple[Ledger, Issuer], salts: bytes
) -> None:
    ledger, clinic = shared
    leaves = row_leaf(salts[:32], b"one row") + row_leaf(salts[32:], b"another")
    payload = Batch(rows=2, root=tree_root(leaves)).encode()
    batch = clinic.sign(payload, type="dataset", hashed=False, content_type=BATCH_MEDIA_TYPE)
    rows = Rows(salts, [b"one row", b"another"])

    [answer] = ledger.register([Submission(batch.entry, leaves=leaves, rows=rows)])

    assert isinstance(answer, RefusedError)
    assert answer.reason == "content.salt"
    assert batch.entry not in public(ledger)


def test_a_policy_that_calls_a_type_public_lets_it_be_shown(tmp_path: Path) -> None:
    clinic = Issuer()
    policy = RegistrationPolicy(POLICY.rules, {"document": Visibility.PUBLIC})
    with ledger_in(tmp_path, clinic, policy=policy) as ledger:
        shown = [
            clinic.sign(b"a notice", type=type_, hashed=False, content_type="text/plain")
            for type_ in ("document", "change")
        ]
        answers = ledger.register([Submission(one.entry) for one in shown])

    assert isinstance(answers[0], Registered)
    assert getattr(answers[1], "reason", None) == "payload.inline"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=FIELDS)
def test_the_same_content_never_has_the_same_digest(fields: dict[str, Any]) -> None:
    clinic = Issuer()
    once, again = (sign_fields(clinic.signer, "document", fields, issued_at=START) for _ in "ab")
    with RowCommitter(1) as committer:
        done = committer.commit([encode_row(fields)] * 2)

    assert once.content is not None
    assert again.content is not None
    assert once.content.commitment() != again.content.commitment()
    assert done.leaves[:32] != done.leaves[32:]
    digests = once.content.disclose([]).digests.values()
    assert not set(digests) & set(again.content.disclose([]).digests.values())


@settings(max_examples=12, deadline=None)
@given(fields=FIELDS)
def test_content_that_comes_with_an_inline_payload_is_refused(fields: dict[str, Any]) -> None:
    clinic = Issuer()
    content = commit(fields, os.urandom)
    with tempfile.TemporaryDirectory() as folder, ledger_in(Path(folder), clinic) as ledger:
        inline = clinic.sign(dcbor.encode(fields), hashed=False, content_type="application/cbor")
        [answer] = ledger.register([Submission(inline.entry, content)])

        assert isinstance(answer, CommitmentError)
        assert inline.entry not in public(ledger)
