"""One statement, one verdict: whichever process checks it, and whichever library does the sums."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import SignatureError, TallystickError
from tallystick.identity import SoftwareSigner, fastest_equation
from tallystick.ledger.signatures import (
    INLINE_MAX,
    Examined,
    InlineChecks,
    Keys,
    PooledChecks,
)
from tallystick.statement import KeyKind, parse_statement
from tallystick.statement.ed25519 import check_equation, verify_ed25519
from tests.ledgers import Issuer, started_pool
from tests.property.test_hostile_bytes import CHANGES, changed

ISSUERS = [
    Issuer(signer=SoftwareSigner(kind, bytes([at + 1]) * 32), emitter=b"e" * 16)
    for at, kind in enumerate((KeyKind.ED25519, KeyKind.ED25519, KeyKind.P256))
]
KEYS: Keys = {
    (issuer.did, issuer.signer.public.thumbprint()): (at, issuer.record())
    for at, issuer in enumerate(ISSUERS[1:])  # the first is registered by nobody
}
SEEDS = tuple(
    issuer.sign(payload, subject="urn:example:1", **members).entry
    for issuer in ISSUERS
    for payload, members in (
        (b"p" * 32, {}),
        (b"inline", {"hashed": False, "content_type": "text/plain", "type": "decision"}),
    )
)

Seen = tuple[str, bytes, bool] | tuple[str, str]


def seen(answer: Examined | TallystickError) -> Seen:
    """Reduce an answer to what a caller can tell."""
    if isinstance(answer, Examined):
        return "statement", answer.statement.entry, answer.signed
    return answer.code, str(answer)


def alone(entry: bytes) -> Seen:
    """Decide by the offline verifier's way alone: OpenSSL, in this process."""
    try:
        statement = parse_statement(entry)
    except TallystickError as error:
        return error.code, str(error)
    found = KEYS.get((statement.header.issuer, statement.header.key_id))
    try:
        signed = found is not None
        if found is not None:
            statement.verify_signature(found[1].key)
    except SignatureError:
        signed = False
    return "statement", statement.entry, signed


@pytest.fixture(scope="module")
def pool() -> Iterator[PooledChecks]:
    pool = started_pool(1)
    yield pool
    pool.close()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(CHANGES, min_size=INLINE_MAX, max_size=3 * INLINE_MAX))
def test_three_ways_to_check_agree_on_mutated_statements(
    pool: PooledChecks, changes: list[tuple[object, ...]]
) -> None:
    entries = [*SEEDS, *(changed(SEEDS, change) for change in changes)]

    inline = [seen(answer) for answer in InlineChecks().examine(entries, KEYS)]
    pooled = [seen(answer) for answer in pool.examine(entries, KEYS)]

    assert inline == pooled == [alone(entry) for entry in entries]
    assert [answer[2] for answer in inline[: len(SEEDS)] if len(answer) == 3] == [
        False, False, True, True, True, True
    ]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    bits=st.lists(st.integers(0, 767), max_size=3),
    tail=st.sampled_from([b"", bytes(31) + b"\x10", b"\xff" * 32]),
)
def test_libraries_agree_on_mutated_keys_and_signatures(bits: list[int], tail: bytes) -> None:
    signer = ISSUERS[0].signer
    both = bytearray(signer.public.raw + signer.sign(b"message"))
    both[len(both) - len(tail) :] = tail
    for bit in bits:
        both[bit // 8] ^= 1 << bit % 8
    public, signature = bytes(both[:32]), bytes(both[32:])

    verdicts = []
    for equation in (check_equation, fastest_equation()):
        try:
            verify_ed25519(public, signature, b"message", equation)
            verdicts.append("verified")
        except SignatureError as error:
            verdicts.append(str(error))

    assert verdicts[0] == verdicts[1]
    untouched = not tail and all(bits.count(bit) % 2 == 0 for bit in bits)
    assert (verdicts[0] == "verified") is untouched
