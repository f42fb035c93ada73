"""Whom a call is about: kept under that subject's key, and nowhere else to be seen."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.about import LETTERS_MAX
from tallystick.capture.spool import Spool
from tallystick.client import call_headers
from tallystick.errors import ErasedError, InputError
from tallystick.ledger import Ledger
from tallystick.log import PosixDisk
from tallystick.statement import ErasureReason
from tallystick.vault import About
from tests.ledgers import Issuer
from tests.unit.capture.gateways import Kept, calls
from tests.unit.capture.model_api import MODEL, ModelApi
from tests.unit.capture.served import ask

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "Is it benign?"}]}
PLAIN = json.dumps(ASKED).encode()
ABOUT = {"Tally-Subject": "case-4711"}


def about(ledger: Ledger, purpose: str | None = None) -> set[bytes]:
    return set(ledger.vault.about("case-4711", purpose))


@pytest.mark.parametrize("stream", [False, True])
def test_request_and_answer_are_kept_under_the_subject(
    kept: Kept, api: ModelApi, *, stream: bool
) -> None:
    create = kept.client().chat.completions.create
    for headers in ({}, call_headers("case-4711", "triage")):
        answer = create(**ASKED, stream=stream, extra_headers=headers)
        if stream:
            list(answer)

    [first, second] = calls(kept, 2)
    assert about(kept.ledger) == about(kept.ledger, "triage") == set(second)
    assert about(kept.ledger, "other") == set()
    assert not kept.ledger.vault.is_about_somebody(first[0])
    assert kept.intent(second[0]).request == api.seen[1].body
    for one in second:
        assert b"4711" not in kept.found(one).statement.entry
    assert not {"tally-subject", "tally-purpose"} & {
        name for one in api.seen for name, _ in one.headers
    }


def test_erasing_the_subject_reaches_its_calls_and_no_others(kept: Kept) -> None:
    for headers in (ABOUT, {"Tally-Subject": "case-4712"}):
        assert kept.ask(PLAIN, headers).status == 200
    [(intent, outcome), other] = calls(kept, 2)

    kept.ledger.erase(kept.ledger.vault.about("case-4711"), ErasureReason.OBJECTION)

    for one in (intent, outcome):
        with pytest.raises(ErasedError):
            kept.ledger.vault.get(one)
        assert kept.report(one).statements
    for one in other:
        assert kept.values(one)
    again = kept.ask(PLAIN, ABOUT)
    kept.found(again.outcome)
    assert about(kept.ledger) == {again.intent, again.outcome}


def test_what_lies_in_the_spool_is_still_about_its_subject_after_a_crash(
    kept: Kept, tmp_path: Path
) -> None:
    ledger, said = kept.ledger, About("case-4711", "triage")
    statement, content = Issuer().content({"request": b"Is it benign?"})
    sealed = ledger.vault.seal(statement.id, content, said)
    spool = Spool(PosixDisk(), tmp_path / "spool", os.urandom)
    items = [spool.take(statement, sealed), spool.take(statement, None)]
    for item in items:
        spool.write(item)
    spool.sync()
    spool.close()

    found = Spool(PosixDisk(), tmp_path / "spool", os.urandom).replay()

    assert [one.sealed for one in found] == [sealed, None]
    assert found[0].submission().sealed == sealed
    spooled = [path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    assert not any(b"4711" in data or b"triage" in data for data in spooled)
    ledger.vault.put([one.sealed for one in found if one.sealed])
    assert about(ledger, "triage") == {statement.id}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Tally-Subject": ""}, "printable text"),
        ({"Tally-Subject": "   "}, "printable text"),
        ({"Tally-Subject": "a\tb"}, "printable text"),
        ({"Tally-Subject": "x" * (LETTERS_MAX + 1)}, "at most 200 letters, got 201"),
        ({"Tally-Subject": b"\xff\xfe"}, "is not UTF-8"),
        ({"Tally-Purpose": "triage"}, "needs Tally-Subject"),
        ({"Tally-Subject": "x", "Tally-Purpose": ""}, "Tally-Purpose must be"),
        ({"Tally-Subject": "x", "tally-subject": "y"}, "sent twice"),
    ],
)
def test_what_cannot_be_a_subject_is_refused_and_nothing_is_kept_of_the_request(
    kept: Kept, api: ModelApi, headers: Mapping[str, Any], words: str
) -> None:
    answered = kept.ask(PLAIN, headers)

    assert answered.status == 400
    error = json.loads(answered.body)["error"]
    assert error["code"] == "invalid_subject"
    assert words in error["message"]
    assert not api.seen
    assert kept.intent(answered.intent).request == b""
    assert kept.outcome(answered.outcome).status == "refused"


def test_embeddings_and_every_attempt_are_about_the_subject(kept: Kept, api: ModelApi) -> None:
    headers: Any = {"Tally-Subject": "Frau Müller".encode()}
    asked = json.dumps({"model": MODEL, "input": "x"}).encode()
    answered = ask(f"{kept.url}/embeddings", asked, headers)
    assert answered.status == 200, api.seen
    calls(kept, 1)

    assert set(kept.ledger.vault.about("Frau Müller")) == {answered.intent, answered.outcome}


@pytest.mark.parametrize("wrong", ["", " ", "ü", "x" * 201])
def test_the_clients_headers_are_checked_before_a_call(wrong: str) -> None:
    with pytest.raises(InputError, match="Tally-Subject"):
        call_headers(wrong)
    if wrong:
        with pytest.raises(InputError, match="Tally-Purpose"):
            call_headers("case-4711", wrong)
