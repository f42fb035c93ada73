"""Publishing what was committed to, and how visible content is by the policy."""

import os
from pathlib import Path

import pytest

from tallystick.errors import (
    EncodingError,
    ErasedError,
    InputError,
    LimitError,
    NotFoundError,
    RefusedError,
    VersionError,
)
from tallystick.evidence import build_bundle
from tallystick.evidence.export import Shown
from tallystick.ledger import (
    Ledger,
    Rows,
    Submission,
    disclosure_to_publish,
    publications_of,
    read_policy,
    sign_publication,
)
from tallystick.ledger.creation import OPERATOR
from tallystick.ledger.policy import Visibility, parse_policy_payload
from tallystick.statement import ErasureReason
from tallystick.vault import About
from tallystick.verify import Report, Verdict, examine, parse_policy
from tests.ledgers import ALLOW_ORGANISATIONS, START, Issuer, ledger_in

CLASSES = {"version": 2, "rules": [], "visibility": {"*": "sealed", "model": "public"}}


def said(ledger: Ledger, clinic: Issuer, about: About | None = None, **values: object) -> bytes:
    statement, content = clinic.content(values)
    return ledger.register_one(Submission(statement.entry, content, about=about)).id


def published(ledger: Ledger, statement: bytes, *fields: str) -> bytes:
    shown = disclosure_to_publish(ledger, statement, fields or None)
    operator = ledger.keys.signer(OPERATOR)
    return ledger.register_one(sign_publication(operator, statement, shown, START)).id


def judged(ledger: Ledger, statement: bytes) -> Report:
    """Verify as a stranger, who is shown no content beside what was published."""
    ledger.publish()
    bundle = build_bundle(ledger, statement, Shown(content=False))
    return examine(bundle.encode(), parse_policy(ledger.home.trust.read_bytes()))


def test_a_stranger_sees_what_was_published_and_no_more(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement = said(ledger, clinic, answer="yes", reason="because", n=1.5)
        assert judged(ledger, statement).statements[statement].values == {}

        first = published(ledger, statement, "answer")
        published(ledger, statement, "n")
        report = judged(ledger, statement)

        assert report.verdict is Verdict.VERIFIED
        assert report.statements[statement].values == {"answer": "yes", "n": 1.5}
        assert report.statements[statement].withheld == 1
        details = [check.detail for check in report.checks if check.what == "published"]
        assert [one.partition(": ")[2].partition(" ")[0] for one in details] == ["answer", "n"]
        assert next(one.statement.id for one in publications_of(ledger, statement)) == first


def test_what_is_about_somebody_is_never_published(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic, About("jane"), answer="yes")
        before = ledger.snapshot.checkpoint.size

        with pytest.raises(RefusedError, match="about somebody") as refused:
            published(ledger, hers)

        assert refused.value.reason == "publication.personal"
        assert ledger.snapshot.checkpoint.size == before


def test_what_cannot_be_published_is_said(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        gone, large = said(ledger, clinic, a=1), said(ledger, clinic, a=b"x" * 70_000, b=2)
        ledger.erase({gone: None}, ErasureReason.OTHER)
        bare = ledger.register_one(Submission(clinic.sign(os.urandom(32)).entry)).id

        with pytest.raises(ErasedError):
            published(ledger, gone)
        with pytest.raises(NotFoundError):
            published(ledger, bare)
        with pytest.raises(InputError, match="all of it is public"):
            published(ledger, ledger.at(0).statement.id)
        with pytest.raises(InputError, match="there is no field 'c'; there are: a, b"):
            published(ledger, large, "c")
        with pytest.raises(LimitError, match="at most 65535"):
            published(ledger, large)
        assert published(ledger, large, "b")


def test_only_whom_the_policy_names_publishes(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement = said(ledger, clinic, answer="yes")
        shown = disclosure_to_publish(ledger, statement)
        submission = sign_publication(clinic.signer, statement, shown, START)

        [refused] = ledger.register([submission])

        assert isinstance(refused, RefusedError)
        assert refused.reason == "policy"


def test_a_false_publication_is_disregarded_and_fails_alone(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        one, other = said(ledger, clinic, answer="yes"), said(ledger, clinic, answer="no")
        shown = disclosure_to_publish(ledger, other)
        operator = ledger.keys.signer(OPERATOR)
        ledger.register_one(sign_publication(operator, one, shown, START))

        report = judged(ledger, one)

        assert report.verdict is Verdict.VERIFIED
        [found] = [check for check in report.checks if check.what == "published"]
        assert found.verdict is Verdict.NOT_CHECKED
        assert "is disregarded: the field digests do not match" in found.detail
        assert report.statements[one].values == {}
        [false] = publications_of(ledger, one)
        itself = judged(ledger, false.statement.id)
        assert itself.verdict is Verdict.FAILED


def test_content_that_nobody_is_to_have_is_refused_and_its_statement_is_not(
    tmp_path: Path,
) -> None:
    clinic = Issuer()
    classes = {"inference": Visibility.COMMITMENT_ONLY, "dataset": Visibility.COMMITMENT_ONLY}
    with ledger_in(tmp_path, clinic) as ledger:
        kept = clinic.content({"answer": "kept"})
        ledger.register_one(Submission(kept[0].entry, kept[1]))
        ledger.set_policy(
            read_policy({**ALLOW_ORGANISATIONS.content(), "version": 2, "visibility": classes})
        )
        statement, content = clinic.content({"answer": "not kept"})
        batch, salts, leaves = clinic.batch([b"\xa0"])
        sealed, hidden = clinic.content({"answer": "spooled"})
        seal = ledger.vault.seal(sealed.id, hidden)

        answers = ledger.register(
            [
                Submission(statement.entry, content),
                Submission(batch.entry, leaves=leaves, rows=Rows(salts, [b"\xa0"])),
                Submission(kept[0].entry, kept[1]),
                Submission(sealed.entry, sealed=seal),
                Submission(statement.entry),
                Submission(batch.entry, leaves=leaves),
            ]
        )

        reasons = [getattr(answer, "reason", None) for answer in answers]
        assert reasons == ["visibility.commitment-only"] * 2 + [None] * 4
        assert getattr(answers[2], "existed", None) is True
        with pytest.raises(NotFoundError):
            ledger.vault.get(sealed.id)
        assert ledger.vault.get(kept[0].id).values() == {"answer": "kept"}
    with ledger_in(tmp_path) as ledger:
        assert ledger.state.policy.visibility == classes


def test_the_class_of_a_type_and_of_all_others() -> None:
    policy = read_policy(CLASSES)

    assert policy.visibility_of("model") is Visibility.PUBLIC
    assert policy.visibility_of(None) is Visibility.SEALED
    assert policy.content() == CLASSES
    assert ALLOW_ORGANISATIONS.visibility_of("model") is None
    assert ALLOW_ORGANISATIONS.content()["version"] == 1
    assert ALLOW_ORGANISATIONS.with_rules([]).content() == ALLOW_ORGANISATIONS.content()


PRIVATE = {"version": 3, "rules": [], "log": "private"}


def test_a_private_log_is_said_by_version_3_alone() -> None:
    policy = read_policy(PRIVATE)
    both = read_policy({**PRIVATE, "visibility": {"*": "sealed"}})

    assert policy.private
    assert policy.content() == PRIVATE
    assert both.content() == {**PRIVATE, "visibility": {"*": "sealed"}}
    assert parse_policy_payload(both.encode()) == both
    assert not read_policy(CLASSES).private
    for changes in ({"log": "public"}, {"log": None}, {"version": 2}, {"version": 1}):
        with pytest.raises(EncodingError, match="version 3 must have 'log': 'private'"):
            read_policy({"visibility": {"*": "sealed"}, **PRIVATE, **changes})
    with pytest.raises(EncodingError, match="must have 'visibility'"):
        read_policy({**PRIVATE, "visibility": {}})


@pytest.mark.parametrize(
    ("visibility", "words"),
    [
        ({}, "must have 'visibility'"),
        (None, "must have 'visibility'"),
        ({"model": "secret"}, "must be one of public, parties, sealed, commitment-only"),
        ({"model": ["public"]}, "must be one of"),
        ({7: "public"}, "must be one of"),
    ],
)
def test_classes_that_do_not_exist(visibility: object, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        read_policy({"version": 2, "rules": [], "visibility": visibility})
    with pytest.raises(VersionError, match="reads up to 3"):
        read_policy({"version": 4, "rules": []})
