"""Worker processes: the same answers as without them, whatever happens to a worker."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import EncodingError, RefusedError, SignatureError, TallystickError
from tallystick.identity import generate
from tallystick.ledger import PooledChecks, Registered
from tallystick.ledger.signatures import CHUNK, INLINE_MAX, Examined, InlineChecks, Keys
from tallystick.ledger.worker import LEDGERS_MAX
from tallystick.statement import KeyKind
from tests.ledgers import Issuer, ledger_in, many, started_pool, submissions

CLINIC, OTHER = Issuer(), Issuer(signer=generate(KeyKind.P256))


def keys_of(*issuers: Issuer) -> Keys:
    return {(i.did, i.signer.public.thumbprint()): (n, i.record()) for n, i in enumerate(issuers)}


KEYS = keys_of(CLINIC, OTHER)


@pytest.fixture(scope="module")
def pool() -> Iterator[PooledChecks]:
    pool = started_pool(2)
    yield pool
    pool.close()


def entries(count: int, issuer: Issuer = CLINIC) -> list[bytes]:
    return [statement.entry for statement in many(issuer, count)]


def seen(answers: list[Examined | TallystickError]) -> list[object]:
    """Make answers comparable."""
    return [(type(a), str(a)) if isinstance(a, TallystickError) else a for a in answers]


def pids(pool: PooledChecks) -> list[int]:
    return [worker._process.pid for worker in pool._workers]


@pytest.mark.parametrize("count", [0, 1, INLINE_MAX, CHUNK, CHUNK + 1, 5 * CHUNK + 3])
def test_a_pool_answers_as_the_caller_would(pool: PooledChecks, count: int) -> None:
    some = entries(count)

    assert pool.examine(some, KEYS) == InlineChecks().examine(some, KEYS)


def test_everything_a_statement_can_say_survives_the_pipe(pool: PooledChecks) -> None:
    rich = [
        CLINIC.numbered(model=b"m" * 32, links={"used": (b"a" * 32, b"b" * 32)}).entry,
        CLINIC.numbered(assurance="key", location="https://example.org/x").entry,
        CLINIC.sign(hashed=False, payload=b"inline", content_type="text/plain").entry,
        CLINIC.sign(issued_at=None).entry,
        CLINIC.sign(subject="urn:☃").entry,
        OTHER.sign().entry,
    ] * 5

    assert pool.examine(rich, KEYS) == InlineChecks().examine(rich, KEYS)


def test_what_is_wrong_is_said_in_the_same_words(pool: PooledChecks) -> None:
    good = CLINIC.sign().entry
    stranger = Issuer().sign().entry
    mixed = [good, good[:-1] + bytes((good[-1] ^ 1,)), b"", good[:-1], stranger, b"\xd2\x84"] * 9

    found = pool.examine(mixed, KEYS)

    assert seen(found) == seen(InlineChecks().examine(mixed, KEYS))
    first, second, third, _, fifth, _ = found[:6]
    assert isinstance(first, Examined)
    assert first.signed
    assert isinstance(second, Examined)
    assert not second.signed
    assert isinstance(third, EncodingError)
    assert isinstance(fifth, Examined)
    assert not fifth.signed


_GOOD = CLINIC.numbered(model=b"m" * 32, links={"used": (b"a" * 32,)}).entry


@given(
    st.lists(
        st.tuples(st.integers(0, len(_GOOD) - 1), st.integers(0, 255), st.booleans()),
        min_size=INLINE_MAX,
        max_size=60,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pool_judges_changed_statements_as_the_caller_would(
    pool: PooledChecks, changes: list[tuple[int, int, bool]]
) -> None:
    changed = [
        _GOOD[:at] + bytes((byte,)) + _GOOD[at + (not insert) :] for at, byte, insert in changes
    ]

    assert seen(pool.examine(changed, KEYS)) == seen(InlineChecks().examine(changed, KEYS))


def test_a_key_that_was_registered_later_is_known_from_then_on(pool: PooledChecks) -> None:
    late = Issuer()
    some = entries(40, late)
    keys = dict(KEYS)
    before = pool.examine(some, keys)
    keys.update(keys_of(late))

    after = pool.examine(some, keys)

    assert not any(answer.signed for answer in before if isinstance(answer, Examined))
    assert all(isinstance(answer, Examined) and answer.signed for answer in after)


def test_keys_of_one_ledger_are_not_those_of_another(pool: PooledChecks) -> None:
    here, there = Issuer(), Issuer()

    first = pool.examine(entries(40, here), keys_of(here))
    second = pool.examine(entries(40, here), keys_of(there))

    assert all(isinstance(answer, Examined) and answer.signed for answer in first)
    assert not any(isinstance(answer, Examined) and answer.signed for answer in second)


def test_ledgers_take_turns_and_each_keeps_its_keys(pool: PooledChecks) -> None:
    """More of them than a worker remembers, and each learns a key on the way."""
    ledgers = [
        (issuer, dict(keys_of(issuer))) for issuer in (Issuer() for _ in range(LEDGERS_MAX + 3))
    ]
    late = Issuer()

    for _ in range(2):
        for issuer, keys in ledgers:
            answers = pool.examine([*entries(20, issuer), *entries(20, late)], keys)
            signed = [isinstance(answer, Examined) and answer.signed for answer in answers]
            assert (
                signed == [True] * 20 + [(late.did, late.signer.public.thumbprint()) in keys] * 20
            )
            keys.update(keys_of(late))


def test_a_worker_that_died_is_replaced_and_nothing_is_missing() -> None:
    pool, some = started_pool(2), entries(5 * CHUNK)
    expected = InlineChecks().examine(some, KEYS)
    try:
        for _ in range(3):
            before = pids(pool)
            os.kill(before[0], signal.SIGKILL)
            assert pool.examine(some, KEYS) == expected
        assert pool.examine(some, KEYS) == expected
        assert len(set(pids(pool))) == 2
    finally:
        pool.close()


def test_workers_that_die_at_any_moment_change_no_answer() -> None:
    pool, some = started_pool(2), entries(6 * CHUNK)
    expected = InlineChecks().examine(some, KEYS)
    ended = False

    def kill() -> None:
        while not ended:
            time.sleep(0.03)
            pool._workers[0]._process.kill()

    killer = Thread(target=kill)
    killer.start()
    try:
        for _ in range(4):
            assert pool.examine(some, KEYS) == expected
    finally:
        ended = True
        killer.join()
        pool.close()


def test_many_threads_share_few_workers(pool: PooledChecks) -> None:
    batches = [entries(CHUNK + 20) for _ in range(6)]
    found: dict[int, list[Examined | TallystickError]] = {}

    def examine(number: int) -> None:
        found[number] = pool.examine(batches[number], KEYS)

    threads = [Thread(target=examine, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [found[n] for n in range(6)] == [InlineChecks().examine(b, KEYS) for b in batches]


def test_workers_are_started_by_many_entries_and_nobody_waits_for_them() -> None:
    pool, some = PooledChecks(2), entries(3 * CHUNK)
    try:
        pool.examine(some[: INLINE_MAX - 1], KEYS)
        before = list(pool._workers)
        answers = pool.examine(some[:INLINE_MAX], KEYS)
        assert not before
        assert len(pool._workers) == 2
        assert answers == InlineChecks().examine(some[:INLINE_MAX], KEYS)
        assert pool.examine(some, KEYS) == InlineChecks().examine(some, KEYS)
    finally:
        pool.close()


def test_without_workers_the_caller_examines_everything() -> None:
    pool, some = PooledChecks(0), entries(CHUNK + 1)

    assert pool.examine(some, KEYS) == InlineChecks().examine(some, KEYS)
    assert not pool._workers


def test_a_pool_that_is_closed_while_its_workers_start_leaves_no_process() -> None:
    pool = PooledChecks(2)
    pool.examine(entries(INLINE_MAX), KEYS)
    processes = pids(pool)

    pool.close()

    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_a_closed_pool_leaves_no_process() -> None:
    pool = started_pool(2)
    processes = pids(pool)

    pool.close()

    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_a_ledger_registers_through_workers_as_without_them(tmp_path: Path) -> None:
    clinic = Issuer()
    good = many(clinic, 50)
    broken = good[0].entry[:-1] + bytes((good[0].entry[-1] ^ 1,))
    with ledger_in(tmp_path, clinic, checks=started_pool(2)) as ledger:
        batch = submissions(*good, Issuer().sign())
        answers = ledger.register([*batch, type(batch[0])(broken), type(batch[0])(b"?" * 40)])

    *registered, unknown, forged, garbage = answers
    assert [answer.index for answer in registered if isinstance(answer, Registered)] == list(
        range(3, 53)
    )
    assert isinstance(unknown, RefusedError)
    assert unknown.reason == "issuer.unknown"
    assert isinstance(forged, SignatureError)
    assert isinstance(garbage, EncodingError)
