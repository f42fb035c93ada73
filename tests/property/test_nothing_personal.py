"""Nothing personal gets on the ledger: no plaintext, and no digest that somebody could guess."""

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import CommitmentError
from tallystick.evidence import encode_row, sign_batch, sign_fields
from tallystick.evidence.committing import RowCommitter
from tallystick.ledger import Ledger, RegistrationPolicy, Rows, Rule, Submission
from tallystick.ledger.marking import sign_marks
from tallystick.statement import ErasureReason, commit, dcbor
from tallystick.statement.governance import IssuerKind, StatementType
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
            assert guess not in seen


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
