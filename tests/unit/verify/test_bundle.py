"""Evidence bundles: whole they verify; whatever is changed is found, and named rightly."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import (
    EncodingError,
    IndeterminateError,
    InputError,
    LimitError,
    TallystickError,
    VerificationError,
    VersionError,
)
from tallystick.evidence import (
    Emitter,
    Model,
    Outcome,
    Shown,
    build_bundle,
    encode_row,
    load_rows,
)
from tallystick.identity import SoftwareSigner, generate
from tallystick.ledger import RegistrationPolicy, Rule
from tallystick.merkle import tree_root
from tallystick.statement import (
    Note,
    VerifierKey,
    b64,
    cosign_note,
    parse_note,
    parse_vkey,
)
from tallystick.statement.governance import IssuerKind
from tallystick.verify import (
    NOT_PROVEN,
    Bundle,
    OpenRow,
    Report,
    TrustPolicy,
    Verdict,
    examine,
    log_policy,
    parse_bundle,
    parse_policy,
    verify_bundle,
)
from tests.ledgers import Issuer, ledger_in

DIGEST = b"m" * 32
POLICY = RegistrationPolicy(
    (
        Rule(frozenset({"dataset", "heartbeat"}), kinds=frozenset({IssuerKind.ORGANISATION})),
        Rule(frozenset({"*"}), kinds=frozenset({IssuerKind.AI})),
    )
)


@dataclasses.dataclass
class Story:
    """A bundle about an answer, and what is needed to judge it."""

    data: bytes
    answer: bytes
    trust: TrustPolicy

    def bundle(self) -> Bundle:
        return parse_bundle(self.data)

    def json(self) -> Any:
        return json.loads(self.data)

    def examine(self, data: bytes | None = None, trust: TrustPolicy | None = None) -> Report:
        return examine(data or self.data, trust or self.trust)


def tell(folder: Path, shown: Shown) -> Story:
    clinic, ai = Issuer(), Issuer(name="Classifier", kind=IssuerKind.AI)
    with ledger_in(folder, clinic, ai, policy=POLICY) as ledger:
        with Emitter(ledger, clinic.signer) as emitter:
            rows = [encode_row({"x": n}) for n in range(10)]
            batch = emitter.register_rows(rows)
        trust = parse_policy(ledger.home.trust.read_bytes())
        loaded = load_rows(ledger, [batch.id], trust)
        with Emitter(ledger, ai.signer) as emitter:
            leaves = loaded.leaves()[: 5 * 32]
            chosen = emitter.register_selection(leaves, links={"derived_from": (batch.id,)})
            model = Model(
                name="m",
                digest=DIGEST,
                algorithm="a",
                parameters={},
                rows=5,
                row_root=tree_root(leaves),
                software={},
            )
            emitter.register(model, links={"used": (chosen.id,)}, model=DIGEST)
            outcome = Outcome(status="ok", response=b"{}", answer="yes", duration_ms=1.0)
            answer = emitter.register(outcome, model=DIGEST)
        return Story(build_bundle(ledger, answer.id, shown).encode(), answer.id, trust)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return tell(tmp_path_factory.mktemp("story"), Shown(rows=True))


def failures(report: Report) -> list[str]:
    return [f"{c.what}: {c.detail}" for c in report.checks if c.verdict is Verdict.FAILED]


def changed(story: Story, change: Callable[[Any], None]) -> bytes:
    content = story.json()
    change(content)
    return json.dumps(content).encode()


def flip(text: str) -> str:
    data = bytearray(b64.decode_url(text, "x"))
    data[-1] ^= 1
    return b64.encode_url(bytes(data))


def where(story: Story, type_: str) -> int:
    return next(
        at
        for at, m in enumerate(story.bundle().members)
        if f"tallystick.{type_}+cbor".encode() in m.entry
    )


def test_a_whole_bundle_verifies_from_the_answer_to_the_rows(story: Story) -> None:
    report = story.examine()
    said = "\n".join(c.detail for c in report.checks)

    assert report.verdict is Verdict.VERIFIED
    assert report.statements[story.answer].values["answer"] == "yes"
    assert report.statements[story.answer].issuer.name == "Classifier"
    for expected in (
        "each of its 5 rows is a row of dataset",
        "10 of 10 rows shown, all match",
        "names the model registered",
        "names the row root of dataset",
    ):
        assert expected in said
    verify_bundle(story.data, story.trust)
    assert parse_bundle(story.data).encode() == story.data


def test_a_changed_answer_is_named_and_nothing_else(story: Story) -> None:
    at = where(story, "inference")

    def change(content: Any) -> None:
        shown = content["statements"][at]["content"]["shown"]["answer"]
        shown["value"] = flip(shown["value"])

    report = story.examine(changed(story, change))
    [failure] = failures(report)
    assert "field 'answer' does not match its commitment" in failure
    assert story.answer not in report.statements
    with pytest.raises(VerificationError, match="answer"):
        verify_bundle(changed(story, change), story.trust)


def test_a_changed_row_is_named_with_its_position(story: Story) -> None:
    at = where(story, "dataset")

    def change(content: Any) -> None:
        row = content["statements"][at]["rows"][7]
        row["record"] = flip(row["record"])

    assert (
        "row 7 is not the one that was registered"
        in failures(story.examine(changed(story, change)))[0]
    )


@pytest.mark.parametrize(
    ("member", "what"),
    [("entry", "signature"), ("receipt", "registered"), ("leaves", "rows")],
)
def test_a_changed_part_fails_its_own_check(story: Story, member: str, what: str) -> None:
    at = where(story, "dataset")

    def change(content: Any) -> None:
        part = content["statements"][at]
        part[member] = flip(part[member])

    assert what in {f.split(":")[0] for f in failures(story.examine(changed(story, change)))}


def test_digests_and_salts_of_withheld_fields_are_bound_too(story: Story) -> None:
    at = where(story, "model")
    for path in (("salt",), ("digests", "name"), ("shown", "name", "salt")):

        def change(content: Any, path: tuple[str, ...] = path) -> None:
            here = content["statements"][at]["content"]
            for name in path[:-1]:
                here = here[name]
            here[path[-1]] = flip(here[path[-1]])

        assert failures(story.examine(changed(story, change)))


def test_a_checkpoint_that_was_changed_or_is_not_trusted_proves_nothing(story: Story) -> None:
    def change(content: Any) -> None:
        content["checkpoint"] = flip(content["checkpoint"])

    assert failures(story.examine(changed(story, change)))
    stranger = log_policy(VerifierKey("localhost/test", 1, b"x" * 32))
    report = story.examine(trust=stranger)
    assert report.verdict is Verdict.FAILED
    assert report.statements == {}
    other = log_policy(VerifierKey("elsewhere/log", 1, b"x" * 32))
    report = story.examine(trust=other)
    assert report.verdict is Verdict.INDETERMINATE
    assert "the policy does not name this log" in report.checks[0].detail
    assert report.statements == {}


def test_what_is_not_shown_is_counted_and_said(story: Story) -> None:
    whole = story.examine().shown

    def close(content: Any) -> None:
        content["statements"][where(story, "model")]["content"] = None

    closed = examine(changed(story, close), story.trust).shown

    assert whole.closed == 0
    assert str(whole).startswith(f"{whole.fields} fields shown, {whole.withheld} withheld")
    assert closed.closed == 1
    assert closed.fields < whole.fields
    assert "content of 1 statement not supplied" in str(closed)
    assert "that nothing else was said about it later" in NOT_PROVEN


@pytest.mark.parametrize(
    ("missing", "verdict", "message"),
    [
        ("genesis", Verdict.INDETERMINATE, "entry 0"),
        ("key", Verdict.INDETERMINATE, "no registered key"),
        ("model", Verdict.VERIFIED, "is not in the bundle"),
        ("inference", Verdict.FAILED, "itself is not in the bundle"),
    ],
)
def test_what_is_left_out_is_said(
    story: Story, missing: str, verdict: Verdict, message: str
) -> None:
    bundle = story.bundle()
    at = where(story, missing)
    members = bundle.members[:at] + bundle.members[at + 1 :]
    report = story.examine(dataclasses.replace(bundle, members=members).encode())

    assert report.verdict is verdict
    assert any(message in check.detail for check in report.checks)


def test_content_that_is_withheld_is_not_checked_and_said_so(tmp_path: Path) -> None:
    story = tell(tmp_path, Shown(content=False, leaves=False))
    report = story.examine()

    assert report.verdict is Verdict.VERIFIED
    assert report.statements[story.answer].values == {}
    unchecked = [c.detail for c in report.checks if c.verdict is Verdict.NOT_CHECKED]
    assert [detail.split(":")[1] for detail in unchecked] == [" content not supplied"] * 2
    assert b"yes" not in story.data


def test_one_field_alone_is_shown(tmp_path: Path) -> None:
    story = tell(tmp_path, Shown(fields=frozenset({"answer"})))
    report = story.examine()

    assert report.statements[story.answer].values == {"answer": "yes"}
    assert any("4 withheld" in c.detail for c in report.checks)


def test_a_row_is_proven_alone_by_its_path(story: Story) -> None:
    bundle = story.bundle()
    at = where(story, "dataset")
    member = bundle.members[at]
    leaves = [(member.leaves or b"")[n * 32 : n * 32 + 32] for n in range(10)]
    from tallystick.merkle import inclusion_ranges

    row = member.rows[3]
    path = tuple(tree_root(leaves[a:b]) for a, b in inclusion_ranges(3, 10))

    def with_row(row: OpenRow) -> bytes:
        alone = dataclasses.replace(member, leaves=None, rows=(row,))
        members = (*bundle.members[:at], alone, *bundle.members[at + 1 :])
        return dataclasses.replace(bundle, members=members).encode()

    good = story.examine(with_row(dataclasses.replace(row, path=path)))
    assert any("paths lead to the row root; 1 of 10" in c.detail for c in good.checks)
    assert not failures(good)
    wrong = story.examine(with_row(dataclasses.replace(row, path=path, record=b"x")))
    assert "row 3 is not the one" in failures(wrong)[0]
    assert failures(story.examine(with_row(dataclasses.replace(row, path=None))))
    assert failures(story.examine(with_row(dataclasses.replace(row, path=path, position=11))))


def test_a_selection_with_a_foreign_row_and_a_false_row_root_are_found(tmp_path: Path) -> None:
    clinic, ai = Issuer(), Issuer(name="Classifier", kind=IssuerKind.AI)
    with ledger_in(tmp_path, clinic, ai, policy=POLICY) as ledger:
        with Emitter(ledger, clinic.signer) as emitter:
            batch = emitter.register_rows([b"a", b"b"])
        trust = parse_policy(ledger.home.trust.read_bytes())
        leaves = ledger.leaves(ledger.get(batch.id).statement)
        with Emitter(ledger, ai.signer) as emitter:
            links = {"derived_from": (batch.id,)}
            false = emitter.register_selection(leaves[:32] + b"f" * 32, links=links)
            model = Model(
                name="m",
                digest=DIGEST,
                algorithm="a",
                parameters={},
                rows=2,
                row_root=b"r" * 32,
                software={},
            )
            registered = emitter.register(model, links={"used": (false.id,)}, model=DIGEST)
        report = examine(build_bundle(ledger, registered.id).encode(), trust)

    assert any("row 1 is none of the rows" in f for f in failures(report))
    assert any("its row root is that of none" in f for f in failures(report))


def test_witnesses_that_the_policy_asks_for_must_have_cosigned(story: Story) -> None:
    witness = generate()
    key = VerifierKey("witness.example", 4, witness.public.raw)
    [log] = story.trust.logs
    policy = parse_policy(f"log {log.encode()}\nwitness w {key.encode()}\nquorum w\n".encode())
    report = story.examine(trust=policy)
    assert report.verdict is Verdict.INDETERMINATE
    assert "cosigned by nobody of 1 witnesses" in report.checks[0].detail

    report = story.examine(cosigned(story, key, witness), trust=policy)
    assert report.verdict is Verdict.VERIFIED
    assert report.checkpoint is not None
    assert [(c.name, c.time) for c in report.checkpoint.cosigners] == [("w", 1_790_000_100)]


def cosigned(story: Story, key: VerifierKey, witness: SoftwareSigner) -> bytes:
    note = parse_note(story.bundle().checkpoint)
    line = cosign_note(note.text, key, 1_790_000_100, witness.sign)
    whole = Note(note.text, (*note.signatures, line)).encode()
    return dataclasses.replace(story.bundle(), checkpoint=whole).encode()


def test_an_issuer_that_nobody_registered_needs_the_callers_word(story: Story) -> None:
    bundle = story.bundle()
    keys = {where(story, "key")}
    members = tuple(m for at, m in enumerate(bundle.members) if at not in keys)
    data = dataclasses.replace(bundle, members=members).encode()

    with pytest.raises((IndeterminateError, VerificationError)):
        verify_bundle(data, story.trust)
    report = examine(data, story.trust, any_signer=True)
    assert any("nobody says whose" in c.detail for c in report.checks)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c.update(format=2), VersionError, "format 2, this release reads 1"),
        (lambda c: c.update(kind="other"), EncodingError, "must have kind"),
        (lambda c: c.update(statements=[]), EncodingError, r"1\.\.10000 statements"),
        (lambda c: c.update(subject="zz"), EncodingError, "must be hex"),
        (lambda c: c.update(checkpoint="!"), EncodingError, "base64url"),
        (lambda c: c["statements"][0].update(entry=5), EncodingError, "'entry' must be str"),
        (lambda c: c["statements"][0].update(leaves="AA"), EncodingError, "hashes of 32"),
        (lambda c: c["statements"][0].update(rows={}), EncodingError, "'rows' must be"),
        (lambda c: c["statements"][0].update(content=[]), EncodingError, "must be an object"),
    ],
)
def test_files_of_another_shape_are_refused(
    story: Story, change: Any, error: type[TallystickError], message: str
) -> None:
    with pytest.raises(error, match=message):
        examine(changed(story, change), story.trust)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_files_that_are_no_bundle_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_bundle(data)


def test_a_bundle_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.verify.bundle.BUNDLE_BYTES_MAX", 10)
    with pytest.raises(LimitError):
        parse_bundle(b"x" * 11)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_raises_our_error_or_fails_or_changes_nothing(
    story: Story, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(story.data) - 1))
    to = data.draw(st.integers(0, 255))
    hostile = story.data[:at] + bytes([to]) + story.data[at + 1 :]
    try:
        report = examine(hostile, story.trust)
    except InputError:
        return
    if report.verdict is Verdict.VERIFIED:
        # White space, or a name that nothing rests on: what is believed is the same.
        assert report.statements[report.subject].statement.id == story.answer


def test_vkeys_of_the_trust_file_are_those_of_the_genesis(story: Story) -> None:
    from tallystick.statement import parse_statement
    from tallystick.statement.governance import parse_genesis

    genesis = parse_genesis(parse_statement(story.bundle().members[0].entry).payload)
    assert (genesis.checkpoint_key,) == story.trust.logs
    assert parse_vkey(genesis.checkpoint_key.encode()) == genesis.checkpoint_key
