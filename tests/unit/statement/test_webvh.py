"""Histories of did:webvh: what goes on is believed, what was changed is named."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tallystick.errors import EncodingError, SignatureError, TallystickError, VerificationError
from tallystick.identity import generate
from tallystick.statement import KeyKind
from tallystick.statement.webvh import History, read_history
from tests.histories import (
    Controller,
    commitment,
    document_of,
    multikey,
    proof_of,
    time_text,
    witnesses,
)
from tests.ledgers import START


def read(controller: Controller, did: str | None = None, witness: bytes | None = None) -> History:
    return read_history(did or controller.did, None, controller.lines, witness, START)


def test_a_history_is_read_to_its_end() -> None:
    controller = Controller().create()
    newer = document_of(controller.did, generate())
    controller.append(newer)

    history = read(controller)

    assert history.versions == tuple(entry["versionId"] for entry in controller.entries)
    assert history.document == newer
    assert not history.deactivated


def test_a_history_goes_on_from_where_it_was() -> None:
    controller = Controller().create()
    before = read(controller)
    known = len(controller.lines)
    controller.append().append()

    after = read_history(controller.did, before, controller.lines[known:], None, START)

    assert after == read(controller)


def test_an_entry_without_a_line_feed_at_the_end_is_read() -> None:
    controller = Controller().create()

    assert read_history(controller.did, None, controller.lines[:-1], None, START).versions


def test_keys_that_may_update_are_replaced() -> None:
    new = generate()
    controller = Controller().create().append(updateKeys=[multikey(new)]).append(by=new)

    assert len(read(controller).versions) == 3
    with pytest.raises(VerificationError, match="may not update"):
        read(controller.append())


def test_a_key_that_was_committed_to_takes_over_at_once() -> None:
    second, third = generate(), generate()
    controller = Controller().create(nextKeyHashes=[commitment(second)])
    controller.append(
        by=second, updateKeys=[multikey(second)], nextKeyHashes=[commitment(third)]
    ).append(by=third, updateKeys=[multikey(third)], nextKeyHashes=[]).append(by=third)

    assert len(read(controller).versions) == 4


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "must have updateKeys and nextKeyHashes"),
        ({"updateKeys": "new"}, "must have updateKeys and nextKeyHashes"),
        ({"updateKeys": "new", "nextKeyHashes": []}, "nobody committed to the key"),
    ],
)
def test_a_key_that_nobody_committed_to_does_not(parameters: dict[str, Any], words: str) -> None:
    thief = generate()
    controller = Controller().create(nextKeyHashes=[commitment(generate())])
    said = {**parameters, **({"updateKeys": [multikey(thief)]} if parameters else {})}
    controller.append(by=thief, **said)

    with pytest.raises(VerificationError, match=words):
        read(controller)


def test_nothing_follows_a_deactivation() -> None:
    controller = Controller().create().append(deactivated=True, updateKeys=[])
    history = read(controller)

    assert history.deactivated
    with pytest.raises(VerificationError, match="is deactivated"):
        read_history(controller.did, history, controller.lines, None, START)


def test_entries_behind_a_deactivation_in_one_file_are_refused() -> None:
    controller = Controller().create().append(deactivated=True).append()

    with pytest.raises(VerificationError, match=r"entry 3 .*is deactivated"):
        read(controller)


def test_a_portable_history_moves_and_says_from_where() -> None:
    controller = Controller().create(portable=True)
    old, controller.host = controller.did, "example.org"
    controller.append(document_of(controller.did, generate(), alsoKnownAs=[old]))

    assert read(controller).document["id"] == controller.did
    assert read(controller, old).matched
    with pytest.raises(VerificationError, match=r"no entry of the history is of .*example\.net"):
        read(controller, old.replace("example.com", "example.net"))


@pytest.mark.parametrize(
    ("portable", "members", "words"),
    [
        (False, {"alsoKnownAs": ["old"]}, "is not portable"),
        (True, {}, "does not name that"),
        (True, {"alsoKnownAs": "old"}, "does not name that"),
    ],
)
def test_another_move_is_refused(portable: bool, members: dict[str, Any], words: str) -> None:
    controller = Controller().create(portable=portable)
    old, controller.host = controller.did, "example.org"
    said = json.loads(json.dumps(members).replace("old", old))
    controller.append(document_of(controller.did, generate(), **said))

    with pytest.raises(VerificationError, match=words):
        read(controller)


def test_only_the_first_entry_makes_a_history_portable() -> None:
    with pytest.raises(VerificationError, match="makes a history portable"):
        read(Controller().create().append(portable=True))


def test_null_stands_for_a_default() -> None:
    controller = Controller().create().append(watchers=None, witness=None, ttl=None)

    assert read(controller).parameters["ttl"] == 3600
    assert read(controller.append(ttl=60)).parameters["ttl"] == 60


Change = Callable[[dict[str, Any]], Any]
CHANGES: list[tuple[Change, type[TallystickError], str]] = [
    (lambda e: e.update(more=1), EncodingError, "exactly"),
    (lambda e: e.pop("proof"), EncodingError, "exactly"),
    (lambda e: e.update(parameters=[]), EncodingError, "must be an object"),
    (lambda e: e["parameters"].pop("method"), EncodingError, "method, scid and updateKeys"),
    (lambda e: e["parameters"].update(method="did:webvh:0.5"), EncodingError, "must be did:webvh"),
    (lambda e: e["parameters"].update(scid=7), EncodingError, "'scid' must be text"),
    (lambda e: e["parameters"].update(scid="Qm" + "a" * 44), VerificationError, "the SCID is"),
    (lambda e: e["parameters"].update(magic=1), EncodingError, "no parameter 'magic'"),
    (lambda e: e["parameters"].update(updateKeys="z6"), EncodingError, "at most 64 texts"),
    (lambda e: e["parameters"].update(updateKeys=[7]), EncodingError, "at most 64 texts"),
    (lambda e: e["parameters"].update(nextKeyHashes=["a"] * 65), EncodingError, "at most 64"),
    (lambda e: e["parameters"].update(portable="yes"), EncodingError, "true or false"),
    (lambda e: e["parameters"].update(ttl=-1), EncodingError, "in 0.."),
    (lambda e: e["parameters"].update(ttl=True), EncodingError, "in 0.."),
    (lambda e: e["parameters"].update(updateKeys=["z6Mk"]), EncodingError, "did:key"),
    (lambda e: e["parameters"].update(
        updateKeys=[generate(KeyKind.P256).public.did().removeprefix("did:key:")]),
     EncodingError, "signed with Ed25519 keys, got one of p256"),
    (lambda e: e["state"].update(more=1), VerificationError, "does not lead to the SCID"),
    (lambda e: e.update(versionTime="2020-01-01T00:00:00Z"), VerificationError, "to the SCID"),
    (lambda e: e.update(versionId=e["versionId"] + "a"), VerificationError, "'versionId' is"),
    (lambda e: e.update(versionId=None), VerificationError, "'versionId' is None"),
    (lambda e: e.update(proof={}), EncodingError, "1..64 proofs"),
    (lambda e: e.update(proof=[]), EncodingError, "1..64 proofs"),
    (lambda e: e.update(proof=["x"]), EncodingError, "a proof is an object"),
    (lambda e: e["proof"][0].update(cryptosuite="eddsa-rdfc-2022"), EncodingError, "cryptosuite"),
    (lambda e: e["proof"][0].update(proofPurpose="authentication"), EncodingError, "Purpose"),
    (lambda e: e["proof"][0].update(proofValue="abc"), EncodingError, "begins with z"),
    (lambda e: e["proof"][0].update(proofValue=None), EncodingError, "begins with z"),
    (lambda e: e["proof"][0].update(proofValue="z" + "1" * 64), SignatureError, "not match"),
    (lambda e: e["proof"][0].update(created="2027-01-01T00:00:00Z"), SignatureError, "not match"),
    (lambda e: e["proof"][0].update(verificationMethod=None), EncodingError, "did:key:KEY#KEY"),
    (lambda e: e["proof"][0].update(verificationMethod="did:web:a.b#z6"), EncodingError, "#KEY"),
    (lambda e: e["proof"][0].update(
        verificationMethod=e["proof"][0]["verificationMethod"] + "a"), EncodingError, "#KEY"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error", "words"), CHANGES)
def test_a_first_entry_that_was_changed_is_named(
    change: Change, error: type[TallystickError], words: str
) -> None:
    controller = Controller().create()
    did = controller.did
    change(controller.entries[0])

    with pytest.raises(error, match=f"entry 1 of the history: .*{words}"):
        read(controller, did)


def test_a_missing_entry_is_found() -> None:
    controller = Controller().create().append().append()
    del controller.entries[1]

    with pytest.raises(VerificationError, match=r"entry 2 .*'versionId' is '3-"):
        read(controller)


def test_a_later_entry_has_no_scid() -> None:
    controller = Controller().create()

    with pytest.raises(VerificationError, match="only the first entry has the parameter scid"):
        read(controller.append(scid=controller.scid))


@pytest.mark.parametrize(
    ("time", "error", "words"),
    [
        (time_text(START - 100_000), VerificationError, "not later than"),
        (time_text(START + 301), VerificationError, "after the history was fetched"),
        ("2026-01-01T00:00:00", EncodingError, "is such as"),
        ("2026-01-01T00:00:00+01:00", EncodingError, "is such as"),
        ("2026-02-31T00:00:00Z", EncodingError, "is no time"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    time: str, error: type[TallystickError], words: str
) -> None:
    with pytest.raises(error, match=words):
        read(Controller().create().append(time=time))


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ([], EncodingError, "with an 'id'"),
        ({"id": 7}, EncodingError, "with an 'id'"),
        ({"id": "did:key:z6Mk"}, EncodingError, "expected did:web"),
        ({"id": "did:web:example.com"}, VerificationError, "another SCID"),
        ({"id": f"did:webvh:Qm{'a' * 44}:example.com"}, VerificationError, "another SCID"),
    ],
)
def test_a_document_of_another_is_refused(
    state: Any, error: type[TallystickError], words: str
) -> None:
    controller = Controller().create()
    controller.append(state)

    with pytest.raises(error, match=words):
        read(controller)


def test_a_history_that_is_none_is_refused() -> None:
    controller = Controller().create()

    for lines, words in ((b"", "no entries"), (b"\n\n", "not JSON"), (b"[]\n", "exactly")):
        with pytest.raises(EncodingError, match=words):
            read_history(controller.did, None, lines, None, START)


# --- witnesses


def test_enough_witnesses_approve() -> None:
    one, two, other = generate(), generate(), generate()
    controller = Controller().create(witness=witnesses(2, one, two)).append()

    assert read(controller, witness=controller.approved(one, two, other)).versions
    with pytest.raises(VerificationError, match=r"1 witnesses approved of entry 1 .* takes 2"):
        read(controller, witness=controller.approved(one, one, other))
    with pytest.raises(VerificationError, match="of entry 2 of the history"):
        read(controller, witness=controller.approved(one, two, entry=0))
    with pytest.raises(VerificationError, match="approvals is not here"):
        read(controller)


def test_the_witnesses_before_approve_of_those_after_them() -> None:
    old, new = generate(), generate()
    controller = Controller().create(witness=witnesses(1, old)).append(witness=witnesses(1, new))

    assert read(controller, witness=controller.approved(old)).versions
    with pytest.raises(VerificationError, match="of entry 1 "):
        read(controller, witness=controller.approved(new))
    controller.append(witness={})
    both = json.loads(controller.approved(old, entry=1)) + json.loads(controller.approved(new))
    controller.append()
    assert read(controller, witness=json.dumps(both).encode()).versions


def test_approvals_of_what_is_not_published_are_passed_over() -> None:
    one = generate()
    controller = Controller().create(witness=witnesses(1, one)).append()
    file = controller.approved(one)
    del controller.entries[1]

    with pytest.raises(VerificationError, match="0 witnesses"):
        read(controller, witness=file)


def test_an_approval_that_does_not_match_hinders_no_other() -> None:
    one = generate()
    controller = Controller().create(witness=witnesses(1, one))
    [said] = json.loads(controller.approved(one))
    wrong = {**said["proof"][0], "created": "2020-01-01T00:00:00Z"}
    said["proof"] = [wrong, {}, *said["proof"]]

    assert read(controller, witness=json.dumps([said]).encode()).versions


@pytest.mark.parametrize(
    "file",
    [b"{}", b"[1]", b"[{}]", json.dumps([{"versionId": "1-a"}] * 1025).encode(), b"\xff"],
)
def test_a_file_that_holds_no_approvals_is_refused(file: bytes) -> None:
    with pytest.raises(EncodingError):
        read(Controller().create(witness=witnesses(1, generate())), witness=file)


def test_an_approval_without_proofs_is_refused() -> None:
    controller = Controller().create(witness=witnesses(1, generate()))
    said = {"versionId": controller.entries[0]["versionId"]}

    proofs: list[object] = [{}, [{}] * 65]
    for proof in proofs:
        with pytest.raises(EncodingError, match="array of at most 64"):
            read(controller, witness=json.dumps([{**said, "proof": proof}]).encode())


ONE = witnesses(1, generate())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "'threshold' and 'witnesses'"),
        ({"threshold": 1}, "'threshold' and 'witnesses'"),
        ({**ONE, "more": 1}, "'threshold' and 'witnesses'"),
        ({**ONE, "witnesses": []}, "array of 1..64"),
        ({**ONE, "witnesses": {}}, "array of 1..64"),
        ({**ONE, "witnesses": ONE["witnesses"] * 2}, "listed twice"),
        ({**ONE, "witnesses": ["x"]}, "has the id did:key"),
        ({**ONE, "witnesses": [{"id": "did:web:a.b"}]}, "has the id did:key"),
        ({**ONE, "threshold": 0}, "must be in 1..1"),
        ({**ONE, "threshold": 2}, "must be in 1..1"),
        ({**ONE, "threshold": True}, "must be in 1..1"),
        ({**ONE, "threshold": 1.0}, "must be in 1..1"),
    ],
)
def test_witnesses_that_are_none_never_mean_that_nobody_need_approve(
    value: Any, words: str
) -> None:
    with pytest.raises(EncodingError, match=words):
        read(Controller().create(witness=value))


def test_every_proof_must_be_by_a_key_that_may() -> None:
    controller = Controller().create()
    entry = controller.entries[0]
    entry["proof"].append(proof_of(deepcopy(entry), generate()))

    with pytest.raises(VerificationError, match="may not update"):
        read(controller)
