"""Histories that are written here are read here; what cannot follow is refused before it is."""

import json
from typing import Any

import pytest

from tallystick.errors import EncodingError, VerificationError
from tallystick.identity import Signer, generate
from tallystick.statement.keys import KeyKind
from tallystick.statement.webvh import History, check_entry, read_history
from tallystick.statement.webvhwriting import (
    UpdateKey,
    commitment,
    first_entry,
    further_entry,
    name_of,
)
from tests.histories import Controller, document_of
from tests.ledgers import START

HOST = "example.com:issuers"


def key(signer: Signer) -> UpdateKey:
    return UpdateKey(signer.public, signer.sign)


def begun(update: Signer, following: Signer | None = None) -> tuple[str, bytes, History]:
    document = document_of(f"did:webvh:{{SCID}}:{HOST}", generate())
    public = following.public if following else None
    did, line = first_entry(HOST, document, key(update), public, START)
    return did, line, read_history(did, None, line, None, START)


def test_a_history_goes_on_with_keys_that_were_committed_to() -> None:
    one, two, three = generate(), generate(), generate()
    did, line, history = begun(one, two)
    changed = {**history.document, "alsoKnownAs": ["https://example.com"]}

    second = further_entry(history, changed, key(two), three.public, START + 60)
    grown = read_history(did, None, line + second, None, START + 60)
    last = further_entry(grown, changed, key(three), None, START, deactivated=True)
    ended = read_history(did, None, line + second + last, None, START + 100)

    assert grown.document == changed
    assert grown.parameters["nextKeyHashes"] == [commitment(three.public)]
    assert (len(ended.versions), ended.deactivated) == (3, True)
    assert ended.time == START + 61  # later than the one before, whatever the clock says
    with pytest.raises(VerificationError, match="deactivated, nothing follows"):
        further_entry(ended, changed, key(three), None, START + 200)


def test_without_a_commitment_the_same_key_goes_on_and_may_begin_to_commit() -> None:
    one, two = generate(), generate()
    did, line, history = begun(one)
    assert not history.parameters["nextKeyHashes"]

    second = further_entry(history, history.document, key(one), None, START + 1)
    grown = check_entry(history, second, START + 1)
    third = further_entry(grown, history.document, key(one), two.public, START + 2)
    committed = read_history(did, None, line + second + third, None, START + 2)

    assert json.loads(second)["parameters"] == {}
    assert committed.parameters["nextKeyHashes"] == [commitment(two.public)]


def test_a_key_that_nobody_committed_to_does_not_go_on() -> None:
    one, two, thief = generate(), generate(), generate()
    _, _, history = begun(one, two)

    for wrong in (one, thief):
        with pytest.raises(VerificationError, match="nobody committed to the key"):
            further_entry(history, history.document, key(wrong), thief.public, START + 1)


def test_a_document_of_something_else_is_refused() -> None:
    one, two = generate(), generate()
    _, _, history = begun(one, two)
    did: str = history.did

    for wrong, error in (
        ({"id": "did:web:example.com"}, VerificationError),
        ({"id": did + ":elsewhere"}, VerificationError),
        ({}, EncodingError),
    ):
        with pytest.raises(error):
            further_entry(history, wrong, key(two), two.public, START + 1)


def test_what_is_portable_is_not_moved_here() -> None:
    following = generate()
    controller = Controller().create(
        portable=True, nextKeyHashes=[commitment(following.public)], watchers=[]
    )
    history = read_history(controller.did, None, controller.lines, None, START)
    moved = document_of(
        controller.did.replace("example.com", "example.org"), alsoKnownAs=[controller.did]
    )

    with pytest.raises(VerificationError, match="which is not written here"):
        further_entry(history, moved, key(following), following.public, START)


@pytest.mark.parametrize(
    ("host", "named"),
    [("", HOST), ("127.0.0.1", HOST), ("example.com/a", HOST), (HOST, "example.org")],
)
def test_a_first_entry_is_of_the_host_that_is_named(host: str, named: str) -> None:
    one = generate()
    with pytest.raises((EncodingError, VerificationError)):
        first_entry(host, document_of(f"did:webvh:{{SCID}}:{named}"), key(one), None, START)


def test_only_ed25519_keys_write_histories() -> None:
    with pytest.raises(EncodingError, match="signed with Ed25519"):
        name_of(generate(KeyKind.P256).public)


def test_members_of_any_kind_survive() -> None:
    one = generate()
    much: dict[str, Any] = {"much": [0.001, 1e22, "\u20ac", None, -0.0]}
    document = document_of(f"did:webvh:{{SCID}}:{HOST}", generate(), **much)
    did, line = first_entry(HOST, document, key(one), None, START)

    assert read_history(did, None, line, None, START).document["much"] == much["much"]
