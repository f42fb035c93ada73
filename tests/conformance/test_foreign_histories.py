"""Histories of did:webvh: a foreign implementation and ours come to the same."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tallystick.errors import TallystickError
from tallystick.identity import generate
from tallystick.statement.diddocument import signing_keys
from tallystick.statement.webvh import read_history
from tallystick.statement.webvhwriting import UpdateKey, first_entry, further_entry
from tests.histories import Controller, commitment, document_of, multikey, time_text, witnesses
from tests.ledgers import START
from tests.oracles import kit

pytestmark = pytest.mark.oracle


def accepted(did: str, lines: bytes, witness: bytes | None = None) -> bool:
    try:
        read_history(did, None, lines, witness, START)
    except TallystickError:
        return False
    return True


def test_a_history_that_was_written_elsewhere_is_read_here() -> None:
    one, two = generate(), generate()
    did, lines = kit.write_didwebvh(
        {
            "host": "lab.example%3A8443:issuers:desk",
            "document": document_of("{DID}", one, much={"b": 1.5e21, "\u20ac": [None, -0.0]}),
            "updates": [document_of("{DID}", two)] * 2,
        }
    )

    history = read_history(did, None, lines, None, START)

    assert len(history.versions) == 3
    assert signing_keys(history.document, did) == (two.public,)


def test_a_history_that_was_written_here_is_read_elsewhere() -> None:
    second, witness = generate(), generate()
    controller = Controller().create(
        document_of("did:webvh:{SCID}:example.com", generate(), much=[0.001, 1e22, "\u2028\x07"]),
        nextKeyHashes=[commitment(second)],
        witness=witnesses(1, witness),
        portable=True,
    )
    controller.append(by=second, updateKeys=[multikey(second)], nextKeyHashes=[])
    old, controller.host = controller.did, "example.org"
    controller.append(document_of(controller.did, generate(), alsoKnownAs=[old]), by=second)
    file = controller.approved(witness)

    verdict = kit.ask_didwebvh(controller.did, controller.lines, file)

    assert verdict.accepted, verdict.detail
    assert json.loads(verdict.detail)["didDocument"] == controller.entries[-1]["state"]
    assert accepted(controller.did, controller.lines, file)


@pytest.mark.parametrize("entries", [1, 2, 3])
@pytest.mark.parametrize("committing", [True, False])
@pytest.mark.parametrize("ends", [False, True])
def test_what_our_command_writes_is_read_elsewhere(
    entries: int, *, committing: bool, ends: bool
) -> None:
    keys = [generate() for _ in range(entries + 2)] if committing else [generate()] * 6
    following = [one.public if committing else None for one in keys[1:]]
    writers = [UpdateKey(one.public, one.sign) for one in keys]
    document = document_of("did:webvh:{SCID}:example.com", generate())
    did, lines = first_entry("example.com", document, writers[0], following[0], START - 100)
    for at in range(1, entries):
        history = read_history(did, None, lines, None, START)
        state = {**history.document, "alsoKnownAs": [f"https://example.com/{at}"]}
        lines += further_entry(history, state, writers[at], following[at], START - 100 + at)
    if ends:
        history = read_history(did, None, lines, None, START)
        lines += further_entry(
            history, history.document, writers[entries], None, START, deactivated=True
        )

    verdict = kit.ask_didwebvh(did, lines)

    assert accepted(did, lines)
    assert verdict.accepted, verdict.detail
    said = json.loads(verdict.detail)
    assert ends or said["didDocument"] == json.loads(lines.splitlines()[-1])["state"]
    assert bool(said["didDocumentMetadata"].get("deactivated")) is ends


CHANGES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "entry missing": lambda e: e.pop(1),
    "entries swapped": lambda e: e.reverse(),
    "document changed": lambda e: e[1]["state"].update(a=1),
    "time changed": lambda e: e[0].update(versionTime=time_text(START - 200_000)),
    "name changed": lambda e: e[2].update(versionId=e[1]["versionId"]),
    "proof of another entry": lambda e: e[2].update(proof=e[1]["proof"]),
    "no proof": lambda e: e[2].update(proof=[]),
    "another suite": lambda e: e[2]["proof"][0].update(cryptosuite="ecdsa-jcs-2019"),
    "another SCID": lambda e: e[0]["parameters"].update(scid="Qm" + "a" * 44),
    "unknown parameter": lambda e: e[0]["parameters"].update(magic=True),
    "unknown member": lambda e: e[2].update(magic=True),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_refused_here_and_elsewhere(name: str) -> None:
    controller = Controller().create().append().append()
    controller.entries = deepcopy(controller.entries)
    CHANGES[name](controller.entries)

    verdict = kit.ask_didwebvh(controller.did, controller.lines)

    assert verdict.accepted == accepted(controller.did, controller.lines) == (name == "nothing")
