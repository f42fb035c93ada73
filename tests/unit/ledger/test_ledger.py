"""Registering: once, in order, durably, by those who may; everything else is refused and said."""

import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import (
    CommitmentError,
    ConflictError,
    DamagedError,
    EncodingError,
    NotFoundError,
    RefusedError,
    SignatureError,
    UnavailableError,
)
from tallystick.identity import generate
from tallystick.ledger import (
    Home,
    Ledger,
    Query,
    Registered,
    RegistrationPolicy,
    Rows,
    Rule,
    Submission,
    create,
)
from tallystick.merkle import leaf_hash
from tallystick.statement import KeyKind, parse_checkpoint, parse_note, parse_receipt
from tallystick.statement.governance import IssuerKind, parse_heartbeat
from tallystick.verify import log_policy, open_checkpoint, verify_registered
from tests.ledgers import (
    ALLOW_ORGANISATIONS,
    ORIGIN,
    PASSPHRASE,
    START,
    Clock,
    Issuer,
    ledger_in,
    many,
    submissions,
)


def types(ledger: Ledger) -> list[str | None]:
    size = ledger.snapshot.checkpoint.size
    return [ledger.at(n).statement.header.type for n in range(size)]


def refused(ledger: Ledger, submission: Submission) -> RefusedError:
    [answer] = ledger.register([submission])
    assert isinstance(answer, RefusedError), answer
    return answer


def test_a_registered_statement_is_found_and_proven(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement = clinic.sign()
        registered = ledger.register_one(Submission(statement.entry))
        proof = ledger.prove(statement.id)

        assert ledger.get(statement.id).statement == statement
        assert proof.found.index == registered.index
        key = ledger._parts.log._key.verifier
        checkpoint = open_checkpoint(proof.checkpoint, log_policy(key))
        receipt = parse_receipt(proof.receipt)
        index = verify_registered(statement.entry, receipt, checkpoint, None)
        assert index == registered.index
        receipt.verify_signature(leaf_hash(statement.entry), ledger._receipt.public)


def test_a_ledger_begins_with_genesis_and_says_the_time_before_it_takes_anything(
    tmp_path: Path,
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register(submissions(clinic.sign()))
        assert types(ledger) == ["genesis", "heartbeat", "key", "inference"]
    with ledger_in(tmp_path) as ledger:
        assert types(ledger)[4:] == ["heartbeat"]
        states = [parse_heartbeat(ledger.at(n).statement.payload).state for n in (1, 4)]
        assert states == ["start", "end"]


def test_a_retry_gets_the_first_index_also_after_a_restart(tmp_path: Path) -> None:
    clinic = Issuer()
    unnumbered, numbered = clinic.sign(), clinic.numbered()
    with ledger_in(tmp_path, clinic) as ledger:
        first = ledger.register(submissions(unnumbered, numbered, unnumbered))
        again = ledger.register(submissions(unnumbered, numbered))
    with ledger_in(tmp_path) as ledger:
        later = ledger.register(submissions(unnumbered, numbered))

    indexes = [[a.index for a in answers if isinstance(a, Registered)]
               for answers in (first, again, later)]  # fmt: skip
    assert indexes == [[3, 4, 3], [3, 4], [3, 4]]
    assert [a.existed for a in later if isinstance(a, Registered)] == [True, True]


def test_another_signature_over_the_same_statement_is_a_retry(tmp_path: Path) -> None:
    clinic = Issuer(signer=generate(KeyKind.P256))
    made = clinic.header()
    with ledger_in(tmp_path, clinic) as ledger:
        one, two = (clinic.sign(**dataclasses.asdict(made) | {"links": {}}) for _ in range(2))
        assert one.signature != two.signature
        answers = ledger.register(submissions(one, two))

        assert [a.index for a in answers if isinstance(a, Registered)] == [3, 3]
        assert ledger.at(3).statement.entry == one.entry


def test_what_the_policy_does_not_allow_is_refused_and_the_refusal_recorded(
    tmp_path: Path,
) -> None:
    clinic, outsider = Issuer(), Issuer(name="Clinic South", kind=IssuerKind.MACHINE)
    with ledger_in(tmp_path, clinic, outsider) as ledger:
        statement, content = outsider.content({"row": "poisoned"}, type="dataset")
        error = refused(ledger, Submission(statement.entry, content))

        assert (error.reason, "Clinic South" in str(error)) == ("policy", True)
        [found] = ledger.find(Query(type="refusal")).found
        assert found.statement.header.links == {"decided_on": (statement.id,)}
        kept = ledger.vault.get(found.statement.id).values()
        assert (kept["reason"], kept["entry"]) == ("policy", statement.entry)
        with pytest.raises(NotFoundError):
            ledger.vault.get(statement.id)


def test_strangers_write_nothing_and_are_only_counted(tmp_path: Path) -> None:
    clinic, stranger, clock = Issuer(), Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock) as ledger:
        size = ledger.snapshot.checkpoint.size
        clock.now += 3600
        assert refused(ledger, Submission(stranger.sign().entry)).reason == "issuer.unknown"
        forged = bytearray(clinic.sign().entry)
        forged[-1] ^= 1
        [answer] = ledger.register([Submission(bytes(forged))])
        assert isinstance(answer, SignatureError)
        assert ledger.snapshot.checkpoint.size == size

        ledger.register(submissions(clinic.sign()))
        beat = parse_heartbeat(ledger.at(size).statement.payload)
        assert (beat.unknown, beat.time) == (2, clock.now)
        assert beat.unknown_root != bytes(32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issued_at": START + 301}, "time.future"),
        ({"type": "gossip"}, "type.unknown"),
        ({"type": "genesis"}, "type.operator"),
        ({"type": "policy"}, "type.operator"),
        ({"type": "evaluation"}, "policy"),
        ({"type": None}, "policy"),
        ({"links": {"likes": (b"x" * 32,)}}, "link.relation"),
        ({"type": "dataset", "hashed": False, "content_type":
          "application/vnd.tallystick.batch+cbor"}, "payload"),
    ],
)  # fmt: skip
def test_each_rule_refuses_by_name(tmp_path: Path, changes: Any, reason: str) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        assert refused(ledger, Submission(clinic.sign(**changes).entry)).reason == reason


def test_time_is_judged_by_the_newest_heartbeat(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock) as ledger:
        ledger.register(submissions(clinic.sign(issued_at=START + 300)))
        clock.now += 59
        late = clinic.sign(issued_at=START + 301)
        assert refused(ledger, Submission(late.entry)).reason == "time.future"
        clock.now += 1
        ledger.register_one(Submission(late.entry))
        clock.now = 0  # a clock that runs backwards moves nothing
        ledger.register_one(Submission(clinic.sign(issued_at=START + 300).entry))


def test_numbers_have_no_gap_no_fork_and_name_their_predecessor(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        zero, one, two = (clinic.numbered() for _ in range(3))
        assert refused(ledger, Submission(one.entry)).reason == "sequence.first"
        ledger.register(submissions(zero))
        assert refused(ledger, Submission(two.entry)).reason == "sequence.gap"
        ledger.register(submissions(one, two))

        sequence = two.header.sequence
        assert sequence is not None
        fork = clinic.sign(sequence=sequence, subject="urn:another")
        assert refused(ledger, Submission(fork.entry)).reason == "sequence.equivocation"
        false = dataclasses.replace(sequence, seq=3, prev=zero.id)
        assert refused(ledger, Submission(clinic.sign(sequence=false).entry)).reason == (
            "sequence.prev"
        )
    with ledger_in(tmp_path) as ledger:
        ledger.register_one(Submission(clinic.numbered().entry))


def test_a_batch_needs_the_leaf_hashes_that_lead_to_its_root(tmp_path: Path) -> None:
    clinic = Issuer()
    records = [b"row %d" % n for n in range(10)]
    statement, salts, leaves = clinic.batch(records)
    with ledger_in(tmp_path, clinic) as ledger:
        for wrong in (None, leaves[:-32], leaves[:-1] + b"x", leaves[:-1]):
            error = refused(ledger, Submission(statement.entry, leaves=wrong))
            assert error.reason == "batch.leaves"
        ledger.register_one(Submission(statement.entry, leaves=leaves, rows=Rows(salts, records)))

        assert ledger.leaves(statement) == leaves
        assert ledger.vault.row(statement.id, 3) == (salts[96:128], b"row 3")
        assert [record for _, _, record in ledger.vault.rows(statement.id)] == records


def test_content_that_is_not_what_was_committed_to_is_not_kept(tmp_path: Path) -> None:
    clinic = Issuer()
    statement, _ = clinic.content({"a": 1})
    _, other = clinic.content({"a": 2})
    with ledger_in(tmp_path, clinic) as ledger:
        good = clinic.sign()
        answers = ledger.register(
            [Submission(statement.entry, other), Submission(good.entry), Submission(b"junk")]
        )

        assert isinstance(answers[0], CommitmentError)
        assert isinstance(answers[1], Registered)
        assert isinstance(answers[2], EncodingError)


def test_the_operator_changes_policy_and_the_newest_counts(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=RegistrationPolicy()) as ledger:
        statement = clinic.sign()
        assert refused(ledger, Submission(statement.entry)).reason == "policy"
        ledger.set_policy(ALLOW_ORGANISATIONS)
        ledger.register_one(Submission(statement.entry))
    with ledger_in(tmp_path) as ledger:
        assert ledger.state.policy == ALLOW_ORGANISATIONS
        ledger.set_policy(RegistrationPolicy((Rule(frozenset({"*"}), frozenset({"did:x"})),)))
        assert refused(ledger, Submission(clinic.sign().entry)).reason == "policy"


def test_a_key_is_registered_only_with_its_own_consent_for_this_log(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path) as ledger:
        with pytest.raises(RefusedError) as error:
            ledger.register_key(clinic.record(origin="elsewhere/log"))
        assert error.value.reason == "payload"
        ledger.register_key(clinic.record())


def test_many_threads_register_at_once(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        batches = [many(clinic, 20) for _ in range(8)]
        answers: list[Any] = []
        threads = [threading.Thread(target=lambda b=b: answers.extend(
            ledger.register(submissions(*b)))) for b in batches]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(a.index for a in answers) == list(range(3, 163))
        for answer in answers:
            claim = answer.snapshot.checkpoint
            assert claim == parse_checkpoint(parse_note(answer.snapshot.note).text)
            assert claim.size > answer.index


def test_search_by_everything_with_pages_and_after_a_restart(tmp_path: Path) -> None:
    clinic, other = Issuer(), Issuer(name="Clinic South")
    target = clinic.sign(subject="urn:target", issued_at=START - 500)
    model = b"m" * 32
    linked = other.sign(type="decision", links={"decided_on": (target.id,)}, model=model)
    plain = many(clinic, 30)
    for _ in range(2):
        with ledger_in(tmp_path, clinic, other) as ledger:
            ledger.register(submissions(target, linked, *plain))

            def ids(ledger: Ledger = ledger, **query: Any) -> list[bytes]:
                return [f.statement.id for f in ledger.find(Query(**query)).found]

            assert ids(subject="urn:target") == [target.id]
            assert ids(link=target.id) == ids(model=model) == ids(issuer=other.did) == [linked.id]
            assert ids(type="decision", issuer=clinic.did) == []
            assert ids(type="inference", issuer=clinic.did) == [
                s.id for s in [*reversed(plain), target]]  # fmt: skip
            assert ids(until=START - 1) == [target.id]
            assert len(ids(since=START - 500, until=START, issuer=clinic.did)) == 31
            pages, before = [], 2**62
            while before is not None:
                page = ledger.find(Query(issuer=clinic.did, limit=10, before=before))
                pages.append(len(page.found))
                before = page.next  # type: ignore[assignment]
            assert pages == [10, 10, 10, 1]


def test_watching_yields_what_comes(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        size = ledger.snapshot.checkpoint.size
        statements = many(clinic, 3)
        threading.Timer(0.05, lambda: ledger.register(submissions(*statements))).start()
        seen = [found.statement.id for found in ledger.watch(size, timeout_s=1)]

        assert seen == [s.id for s in statements]


def test_a_second_writer_and_a_second_ledger_are_refused(tmp_path: Path) -> None:
    with ledger_in(tmp_path):
        with pytest.raises(ConflictError, match="already writing"):
            Ledger.open(Home(tmp_path), PASSPHRASE)
        with pytest.raises(ConflictError, match="already"):
            create(Home(tmp_path), ORIGIN, PASSPHRASE, clock=Clock())
    with pytest.raises(RefusedError, match="wrong passphrase"):
        Ledger.open(Home(tmp_path), b"wrong")
    with ledger_in(tmp_path):
        pass


def test_a_folder_without_a_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no ledger in"):
        Ledger.open(Home(tmp_path), PASSPHRASE)


def test_an_index_that_is_lost_is_built_again_and_a_foreign_one_left(tmp_path: Path) -> None:
    clinic = Issuer()
    statement = clinic.numbered()
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register(submissions(statement, *many(clinic, 10)))
    for file in Home(tmp_path).index.rglob("*"):
        if file.is_file():
            file.unlink()
    with ledger_in(tmp_path) as ledger:
        assert ledger.get(statement.id).index == 3
        assert refused(ledger, Submission(clinic.sign(sequence=statement.header.sequence).entry)
                       ).reason == "sequence.equivocation"  # fmt: skip


def test_a_stale_index_ahead_of_the_log_is_named(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 3)))
        ledger.index.flush()
        ledger.index._set_meta("applied", 1000)
        ledger.index._applied = 1000
    with pytest.raises(DamagedError, match="index covers 1000 entries") as error:
        Ledger.open(Home(tmp_path), PASSPHRASE)
    assert error.value.advice == "run `tally rebuild-index`"


def test_after_a_failure_half_way_the_ledger_opens_itself_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        zero, one = clinic.numbered(), clinic.numbered()
        ledger.register(submissions(zero))
        with monkeypatch.context() as patch:
            patch.setattr(ledger._parts.log._head, "swap", _fail)
            with pytest.raises(UnavailableError, match="outcome is unknown"):
                ledger.register(submissions(one))
        answer = ledger.register_one(Submission(one.entry))

        assert ledger.at(answer.index).statement == one
        assert types(ledger).count("inference") == 2


def _fail(*_: object) -> None:
    raise OSError("no space left on device")
