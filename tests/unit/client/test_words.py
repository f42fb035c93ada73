"""The words of the ledger, spoken to a real service, blocking and awaited."""

import asyncio
import inspect
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import tallystick
from tallystick.capture.roles import Grant, Role
from tallystick.client import AsyncClient, Client
from tallystick.errors import (
    EncodingError,
    IndeterminateError,
    InputError,
    NotFoundError,
    RefusedError,
    SignatureError,
    UnavailableError,
    VerificationError,
)
from tallystick.ledger import Rows, Submission
from tallystick.statement import parse_checkpoint, parse_note, parse_receipt
from tallystick.verify import Verdict, log_policy
from tests.ledgers import START, Issuer, ledger_in, many, submissions
from tests.unit.client.speaking import ONCE, Speaker
from tests.unit.web.served import Place, served, serving


def test_both_clients_have_the_same_words_with_the_same_arguments() -> None:
    def words(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in vars(kind).items()
            if callable(member) and not name.startswith("_")
        }

    assert words(Client) == words(AsyncClient)


def test_statements_are_registered_in_order_and_a_retry_gets_its_index(
    place: Place, speaker: Speaker
) -> None:
    statements = many(place.clinic, 5)
    size = place.client.ledger.snapshot.checkpoint.size

    first = speaker.say(place.client.url, "register", statements)
    again = speaker.say(place.client.url, "register", [s.entry for s in statements])

    assert [one.index for one in first] == list(range(size, size + 5))
    assert [one.id for one in first] == [s.id for s in statements]
    assert [one.index for one in again] == [one.index for one in first]
    assert {one.existed for one in first} == {False}
    assert {one.existed for one in again} == {True}
    assert parse_checkpoint(parse_note(first[0].checkpoint).text).size >= size + 5


def test_one_call_may_take_several_requests(
    place: Place, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.client.submissions.ENTRIES_MAX", 7)
    statements = many(place.clinic, 23)

    found = speaker.say(place.client.url, "register", statements)

    assert [one.id for one in found] == [s.id for s in statements]
    assert speaker.say(place.client.url, "register", []) == []


def test_a_refusal_stays_that_of_one_statement_and_keeps_its_reason(
    place: Place, speaker: Speaker
) -> None:
    good, stranger = place.clinic.sign(), Issuer().sign()
    broken = place.clinic.sign()
    forged = broken.entry[:-1] + bytes([broken.entry[-1] ^ 1])

    found = speaker.say(place.client.url, "register", [stranger, good, forged, b"no statement"])

    assert [type(one) for one in found[:1] + found[2:]] == [
        RefusedError,
        SignatureError,
        EncodingError,
    ]
    assert found[0].reason == "issuer.unknown"
    assert found[1].id == good.id
    with pytest.raises(RefusedError, match="key"):
        speaker.say(place.client.url, "register_one", stranger)


def test_content_leaves_and_rows_go_to_the_vault(place: Place, speaker: Speaker) -> None:
    said, content = place.clinic.content({"answer": "yes", "n": 7})
    batch, salts, leaves = place.clinic.batch([b"one", b"two"])
    records = [
        Submission(said.entry, content=content),
        Submission(batch.entry, leaves=leaves, rows=Rows(salts, [b"one", b"two"], ["a", 2])),
        place.clinic.sign(),
    ]

    found = speaker.say(place.client.url, "register", records, receipts=True)

    ledger = place.client.ledger
    assert [one.id for one in found[:2]] == [said.id, batch.id]
    assert ledger.vault.get(said.id).values() == {"answer": "yes", "n": 7}
    assert ledger.leaves(batch) == leaves
    assert [parse_receipt(one.receipt).index for one in found] == [one.index for one in found]


def test_what_a_vault_has_sealed_is_not_sent(place: Place, speaker: Speaker) -> None:
    sealed: Any = Submission(place.clinic.sign().entry, sealed=object())  # type: ignore[arg-type]

    with pytest.raises(InputError, match="sealed"):
        speaker.say(place.client.url, "register", [sealed])


def test_a_statement_and_its_proof_are_the_ones_of_the_ledger(
    place: Place, speaker: Speaker
) -> None:
    statement = place.clinic.numbered(model=b"m" * 32)
    place.client.ledger.register(submissions(statement))
    trust = place.client.ledger.card.checkpoint_key

    found = speaker.say(place.client.url, "statement", statement.id)
    proof = speaker.say(place.client.url, "prove", statement.id.hex(), trust=trust)
    bundle = speaker.say(place.client.url, "bundle", statement.id)

    here = place.client.ledger.prove(statement.id)
    assert found == here.found
    assert (proof.found, proof.path, proof.checkpoint) == (here.found, here.path, here.checkpoint)
    assert b"tallystick-bundle" in bundle


@pytest.mark.parametrize("word", ["statement", "prove", "bundle", "verify"])
def test_what_nobody_registered_is_not_found(place: Place, speaker: Speaker, word: str) -> None:
    trust = place.client.ledger.card.checkpoint_key
    with pytest.raises(NotFoundError, match="no statement 0000"):
        speaker.say(place.client.url, word, "00" * 32, trust=trust)


@pytest.mark.parametrize("wrong", ["00", b"id", "zz" * 32, 7, None])
def test_what_is_no_id_is_refused_before_anything_is_asked(speaker: Speaker, wrong: Any) -> None:
    with pytest.raises(InputError, match="32 bytes"):
        speaker.say("http://127.0.0.1:1", "statement", wrong)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Many statements, and five with something of their own."""
    north, south = Issuer(), Issuer(name="Clinic South")
    first = north.sign(subject="urn:case:1", issued_at=START)
    second = north.sign(subject="urn:case:2", issued_at=START + 100, model=b"m" * 32)
    third = south.sign(subject="urn:case:1", issued_at=START + 200)
    fourth = south.numbered(subject="urn:case:3", issued_at=START + 250)
    linked = north.sign(type="decision", links={"decided_on": (first.id, third.id)})
    told = [first, second, third, fourth, linked]
    with served(tmp_path_factory.mktemp("story"), north, south) as client:
        client.ledger.register(submissions(*told))
        yield client, north, south, told


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"subject": "urn:case:1"}, [2, 0]),
        ({"type": "decision"}, [4]),
        ({"model": b"m" * 32}, [1]),
        ({"model": "6d" * 32}, [1]),
        ({"since": START + 200, "type": "inference"}, [3, 2]),
        ({"until": datetime.fromtimestamp(START + 100, UTC), "type": "inference"}, [1, 0]),
        ({"type": "inference", "limit": 2}, [3, 2]),
        ({"type": "inference", "limit": 0}, []),
        ({"subject": "nobody"}, []),
    ],
)
def test_a_search_finds_what_has_all_properties(
    story: Any, speaker: Speaker, asked: dict[str, Any], expected: list[int]
) -> None:
    client, _, _, told = story

    found = speaker.say(client.url, "find", **asked)

    assert [one.statement for one in found] == [told[n] for n in expected]


def test_a_search_by_issuer_emitter_and_link(story: Any, speaker: Speaker) -> None:
    client, north, south, (first, second, third, fourth, linked) = story

    def ids(**asked: Any) -> list[bytes]:
        return [one.statement.id for one in speaker.say(client.url, "find", **asked)]

    assert ids(issuer=north.did) == [linked.id, second.id, first.id]
    assert ids(emitter=south.emitter) == [fourth.id]
    assert ids(link=third.id.hex()) == [linked.id]


def test_a_search_goes_on_over_pages_while_entries_arrive(
    tmp_path: Path, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.client.conversation.PAGE", 4)
    clinic = Issuer()
    old = many(clinic, 25)
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*old))
        found = speaker.say(client.url, "find", type="inference")
        limited = speaker.say(client.url, "find", type="inference", limit=9)

    assert [one.statement for one in found] == old[::-1]
    assert limited == found[:9]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "abc"}, "32 bytes"),
        ({"emitter": b"e"}, "16 bytes"),
        ({"issuer": 7}, "must be text"),
        ({"colour": "red"}, "no filter 'colour'"),
        ({"since": datetime(2026, 1, 1)}, "offset"),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_a_search_that_cannot_be_is_refused(
    place: Place, speaker: Speaker, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        speaker.say(place.client.url, "find", **asked)


def test_bundles_and_ids_are_verified_here_under_the_pinned_key(
    place: Place, speaker: Speaker, tmp_path: Path
) -> None:
    statement = place.clinic.sign()
    place.client.ledger.register(submissions(statement))
    key = place.client.ledger.card.checkpoint_key
    bundle = speaker.say(place.client.url, "bundle", statement.id)
    (tmp_path / "one.tally.json").write_bytes(bundle)
    (tmp_path / "trust.policy").write_text(f"log {key}\nquorum none\n")

    reports = [
        speaker.say(place.client.url, "verify", statement.id, trust=tmp_path / "trust.policy"),
        speaker.say(place.client.url, "verify", bundle, trust=key),
        speaker.say("http://127.0.0.1:1", "verify", tmp_path / "one.tally.json", trust=key),
    ]

    assert [report.verdict for report in reports] == [Verdict.VERIFIED] * 3
    assert {report.subject for report in reports} == {statement.id}
    with pytest.raises(IndeterminateError, match="no log is pinned"):
        speaker.say(place.client.url, "verify", statement.id)
    with pytest.raises(InputError, match="cannot read the bundle"):
        speaker.say(place.client.url, "verify", tmp_path / "none", trust=key)
    with pytest.raises((VerificationError, IndeterminateError)):
        speaker.say(place.client.url, "verify", statement.id, trust=_other_key(tmp_path))


def _other_key(folder: Path) -> Any:
    """Return the policy of another log of the same name."""
    from tallystick.statement import parse_vkey

    with ledger_in(folder / "other") as other:
        return log_policy(parse_vkey(other.card.checkpoint_key))


def test_a_checkpoint_is_verified_where_a_log_is_pinned(
    place: Place, speaker: Speaker, tmp_path: Path
) -> None:
    size = place.client.ledger.publish()
    key = place.client.ledger.card.checkpoint_key

    pinned = speaker.say(place.client.url, "checkpoint", trust=key)
    parsed = speaker.say(place.client.url, "checkpoint")

    assert pinned == parsed
    assert pinned.size >= size
    other = _other_key(tmp_path)
    for word, argument in (
        ("checkpoint", ()),
        ("register", ([place.clinic.sign()],)),
        ("watch", (0,)),
    ):
        with pytest.raises(SignatureError):
            speaker.say(place.client.url, word, *argument, trust=other)


def test_many_words_go_over_one_connection(place: Place, speaker: Speaker) -> None:
    def talk(say: Any) -> None:
        for statement in many(place.clinic, 3):
            say("register_one", statement)
            assert say("statement", statement.id).statement == statement

    before = len(place.client.server.server_state.connections)
    speaker.talk(place.client.url, talk)

    assert len(place.client.server.server_state.connections) <= before + 1


def test_a_key_is_sent_and_asked_for(tmp_path: Path, speaker: Speaker) -> None:
    clinic = Issuer()

    def authorize(key: str) -> Grant:
        if key != "tly_good":
            raise RefusedError("this key is not known", reason="api-key.unknown")
        return Grant(Role.ORIGINATOR)

    with (
        ledger_in(tmp_path, clinic) as ledger,
        serving(ledger, authorize=authorize, require_key=True) as client,
    ):
        speaker.say(client.url, "register_one", clinic.sign(), api_key="tly_good")
        with pytest.raises(RefusedError) as none:
            speaker.say(client.url, "register_one", clinic.sign())
        with pytest.raises(RefusedError) as wrong:
            speaker.say(client.url, "register_one", clinic.sign(), api_key="tly_bad")

    assert none.value.reason == "api-key.missing"
    assert wrong.value.reason == "api-key.unknown"


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("ftp://x", {}, "has a URL such as"),
        ("http://", {}, "has a URL such as"),
        ("127.0.0.1:8471", {}, "has a URL such as"),
        ("http://x:99999", {}, "is no URL"),
        ("http://[::1", {}, "is no URL"),
        ("http://a b", {}, "has a URL such as"),
        ("http://x/\r\nhost: y", {}, "has a URL such as"),
        ("http://user@x", {}, "no user, query or fragment"),
        ("http://x/?a=b", {}, "no user, query or fragment"),
        ("http://log.example", {"api_key": "tly_x"}, "in clear"),
        ("http://127.0.0.1:1", {"api_key": "tly_x\r\nx: y"}, "printable ASCII"),
        ("http://127.0.0.1:1", {"api_key": ""}, "printable ASCII"),
        ("http://127.0.0.1:1", {"trust": 7}, "trust is a policy"),
        ("http://127.0.0.1:1", {"trust": "no key"}, "key"),
        ("http://127.0.0.1:1", {"trust": Path("nowhere")}, "cannot read the trust policy"),
        ("http://127.0.0.1:1", {"trust": b"nonsense"}, "policy"),
    ],
)
def test_arguments_that_cannot_be_are_refused_at_once(
    url: str, options: dict[str, Any], words: str
) -> None:
    for connect in (tallystick.connect, tallystick.connect_async):
        with pytest.raises(InputError, match=words):
            connect(url, **options)


def test_a_path_before_ours_is_kept_and_a_closed_client_says_so(speaker: Speaker) -> None:
    from tests.unit.client.answering import answering, http

    with answering(http("404 Not Found")) as server, pytest.raises(NotFoundError):
        speaker.say(f"{server.url}/ledger/", "statement", "00" * 32)
    assert server.asked[0].startswith(b"GET /ledger/statements/0000")

    client = tallystick.connect(server.url)
    client.close()
    client.close()
    with pytest.raises(InputError, match="closed"):
        client.checkpoint()


def test_an_absent_service_is_unavailable(speaker: Speaker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnavailableError, match="cannot be reached"):
        speaker.say(f"http://127.0.0.1:{port}", "checkpoint", patience=ONCE)


def test_many_tasks_share_an_async_client(place: Place) -> None:
    statements = many(place.clinic, 30)

    async def main() -> list[Any]:
        async with tallystick.connect_async(place.client.url) as client:
            return await asyncio.gather(*(client.register_one(s) for s in statements))

    found = asyncio.run(main())

    assert [one.id for one in found] == [s.id for s in statements]
    assert len({one.index for one in found}) == 30


def test_a_cancelled_task_leaves_nothing_open(place: Place) -> None:
    async def main() -> None:
        async with tallystick.connect_async(place.client.url) as client:
            task = asyncio.create_task(_drain(client))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    from tests.unit.web.test_limits import wait_until

    wait_until(lambda: place.client.server.service.feed.subscribers == 0, 5)


async def _drain(client: AsyncClient) -> None:
    async for _ in client.watch():
        pass
