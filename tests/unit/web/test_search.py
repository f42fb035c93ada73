"""Reading over HTTP: statements, searches page by page, governance."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tallystick.ledger import RegistrationPolicy, Rows, Rule, Submission
from tallystick.statement import ErasureReason, SignedStatement, b64, parse_statement
from tallystick.statement.governance import IssuerKind
from tests.ledgers import START, Issuer, ledger_in, many, submissions
from tests.unit.web.served import COSE, Client, Place, Reply, served, serving


def ids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply
    return [statement["id"] for statement in reply.json["statements"]]


def follow(client: Client, reply: Reply) -> Reply:
    assert reply.headers["link"] == f'<{reply.json["next"]}>; rel="next"'
    return client.get(reply.json["next"].removeprefix(client.url))


def test_a_statement_is_shown_with_its_proof(place: Place) -> None:
    statement = place.clinic.numbered(model=b"m" * 32)
    place.client.ledger.register(submissions(statement))

    reply = place.client.get(f"/statements/{statement.id.hex()}")
    originator = reply.json["originator"]
    assert (originator["assurance"], originator["exceeded"]) == ("key", False)

    shown = reply.json
    assert b64.decode_url(shown["entry"], "entry") == statement.entry
    assert shown["header"]["issuer"] == place.clinic.did
    assert shown["header"]["emitter"] == place.clinic.emitter.hex()
    assert (shown["header"]["epoch"], shown["header"]["seq"]) == (0, 0)
    assert shown["header"]["model"] == "6d" * 32
    assert reply.headers["vary"] == "accept"


def test_a_model_says_how_many_of_its_rows_are_erased_until_it_is_trained_anew(
    tmp_path: Path,
) -> None:
    lab, types = Issuer(), frozenset({"dataset", "model"})
    rules = RegistrationPolicy((Rule(types, kinds=frozenset({IssuerKind.ORGANISATION})),))
    with ledger_in(tmp_path, lab, policy=rules) as ledger, serving(ledger) as client:
        batch, salts, leaves = lab.batch([b"row of jane"])
        rows = Rows(salts, [b"row of jane"], ["jane"])
        ledger.register_one(Submission(batch.entry, leaves=leaves, rows=rows))
        first = lab.sign(type="model", links={"used": (batch.id,)})
        second = lab.sign(type="model", links={"supersedes": (first.id,)})

        def due(statement: SignedStatement) -> int | None:
            count: int | None = client.get(f"/statements/{statement.id.hex()}").json["retrain_due"]
            return count

        ledger.register(submissions(first))
        before = due(first)
        ledger.erase(ledger.vault.about("jane"), ErasureReason.OBJECTION)
        after = due(first)
        ledger.register(submissions(second))

        assert (before, after, due(first), due(second), due(batch)) == (0, 1, 0, 0, None)


def test_a_statement_alone_is_the_entry_and_can_be_cached(place: Place) -> None:
    statement = place.clinic.sign()
    place.client.ledger.register(submissions(statement))
    path = f"/statements/{statement.id.hex()}"

    reply = place.client.get(path, accept=COSE)
    known = place.client.get(path, accept=COSE, if_none_match=reply.headers["etag"])

    assert (reply.status, reply.headers["content-type"]) == (200, COSE)
    assert parse_statement(reply.body) == statement
    assert "immutable" in reply.headers["cache-control"]
    assert (known.status, known.body) == (304, b"")
    assert "content-length" not in known.headers


@pytest.mark.parametrize("name", ["0" * 63, "0" * 65, "g" * 64, "AB" * 32])
def test_a_wrong_id_is_refused_and_said(place: Place, name: str) -> None:
    reply = place.client.get(f"/statements/{name}")

    assert (reply.status, reply.code) == (400, "input")
    assert "64 lower-case hex digits" in reply.json["detail"]


def test_a_statement_nobody_registered_is_not_found(place: Place) -> None:
    reply = place.client.get(f"/statements/{'0' * 64}")

    assert (reply.status, reply.code) == (404, "input.not-found")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Five statements by two issuers, one of them about the others."""
    north, south = Issuer(), Issuer(name="Clinic South")
    first = north.sign(subject="urn:case:1", issued_at=START)
    second = north.sign(subject="urn:case:2", issued_at=START + 100, model=b"m" * 32)
    third = south.sign(subject="urn:case:1", issued_at=START + 200)
    fourth = south.numbered(subject="urn:case:3", issued_at=START + 250)
    linked = north.sign(
        subject="urn:case:4",
        issued_at=START + 299,
        type="decision",
        links={"decided_on": (first.id, third.id)},
    )
    with served(tmp_path_factory.mktemp("story"), north, south) as client:
        client.ledger.register(submissions(first, second, third, fourth, linked))
        yield client, north, south, [s.id.hex() for s in (first, second, third, fourth, linked)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("subject=urn:case:1", [2, 0]),
        ("type=decision", [4]),
        ("model=" + "6d" * 32, [1]),
        (f"since={START + 200}&type=inference", [3, 2]),
        (f"until={START + 100}&type=inference", [1, 0]),
        (f"since={START + 100}&until={START + 200}", [2, 1]),
        ("since=2026-09-21T14:15:00Z&until=2026-09-21T16:16:39%2B02:00&type=inference", [1]),
        ("subject=urn:case:1&type=decision", []),
        ("subject=nobody", []),
    ],
)
def test_a_search_finds_what_has_all_properties(
    story: Any, query: str, expected: list[int]
) -> None:
    client, _, _, all_ids = story

    assert ids(client.get(f"/statements?{query}")) == [all_ids[n] for n in expected]


def test_a_search_by_issuer_emitter_and_link(story: Any) -> None:
    client, north, south, (first, second, third, fourth, linked) = story

    by_issuer = ids(client.get(f"/statements?issuer={quote(north.did)}"))
    by_emitter = ids(client.get(f"/statements?emitter={south.emitter.hex()}"))
    by_link = [ids(client.get(f"/statements?link={target}")) for target in (first, third, second)]

    assert by_issuer == [linked, second, first]
    assert by_emitter == [fourth]
    assert by_link == [[linked], [linked], []]


def test_pages_have_no_gap_and_no_duplicate_while_entries_arrive(tmp_path: Path) -> None:
    clinic = Issuer()
    old = many(clinic, 25)
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*old))
        reply = client.get("/statements?type=inference&limit=4")
        pages = [ids(reply)]
        while reply.json["next"]:
            client.ledger.register(submissions(*many(clinic, 3)))
            reply = follow(client, reply)
            pages.append(ids(reply))

    assert [len(page) for page in pages] == [4] * 6 + [1]
    assert [one for page in pages for one in page] == [s.id.hex() for s in reversed(old)]
    assert "link" not in reply.headers


@pytest.mark.parametrize("by", ["", "&type=inference", f"&since={START}"])
def test_pages_by_any_property_cover_everything_once(tmp_path: Path, by: str) -> None:
    clinic = Issuer()
    statements = many(clinic, 23)
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(*statements))
        reply = client.get(f"/statements?limit=5{by}")
        seen = ids(reply)
        while reply.json["next"]:
            reply = follow(client, reply)
            seen += ids(reply)

    assert len(set(seen)) == len(seen)
    assert {s.id.hex() for s in statements} <= set(seen)


def test_a_cursor_belongs_to_its_query(place: Place) -> None:
    place.client.ledger.register(submissions(*many(place.clinic, 3)))
    following = place.client.get("/statements?type=inference&limit=1").json["next"]
    path = following.removeprefix(place.client.url)

    larger = place.client.get(path.replace("limit=1", "limit=2"))
    other = place.client.get(path.replace("inference", "decision"))
    garbled = place.client.get("/statements?cursor=xx")

    assert len(ids(larger)) == 2
    assert (other.status, other.code) == (400, "input")
    assert "another query" in other.json["detail"]
    assert (garbled.status, garbled.code) == (400, "input")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "1..1000"),
        ("limit=1001", "1..1000"),
        ("limit=-1", "plain decimal"),
        ("limit=01", "plain decimal"),
        ("limit=%D9%A3", "plain decimal"),
        ("model=abc", "64 lower-case hex digits"),
        ("emitter=abc", "32 lower-case hex digits"),
        ("since=yesterday", "seconds since 1970"),
        ("since=2026-11-22", "seconds since 1970"),
        ("since=2026-11-22T12:00:00", "seconds since 1970"),
        ("type=a&type=b", "twice"),
        ("x=1", "no field 'x'"),
        ("&".join(f"a{n}=1" for n in range(40)), "at most 32 fields"),
        ("type=%ff", "UTF-8"),
    ],
)
def test_a_malformed_query_is_refused_and_said(place: Place, query: str, words: str) -> None:
    reply = place.client.get(f"/statements?{query}")

    assert (reply.status, reply.code) == (400, "input")
    assert words in reply.json["detail"]


def test_the_policy_in_force_is_shown_with_its_statement(place: Place) -> None:
    reply = place.client.get("/policy")

    found = place.client.get(f"/statements/{reply.json['statement']}").json
    assert found["index"] == reply.json["index"] == 0
    assert reply.json["rules"][0]["kinds"] == ["organisation"]


def test_all_keys_are_shown_page_by_page(tmp_path: Path) -> None:
    issuers = [Issuer(name=f"Clinic {n}") for n in range(5)]
    with served(tmp_path, *issuers) as client:
        reply = client.get("/keys?limit=2")
        shown = list(reply.json["keys"])
        while reply.json["next"]:
            reply = client.get(reply.json["next"].removeprefix(client.url))
            shown += reply.json["keys"]
        refused = client.get("/keys?limit=1001")

    operator, *others = shown
    assert operator["issuer"] == reply.json["operator"]
    assert [key["issuer"] for key in others] == [issuer.did for issuer in issuers]
    assert others[0]["key"] == b64.encode_url(issuers[0].signer.public.encode())
    assert (refused.status, refused.code) == (400, "input")


def test_addresses_begin_with_what_the_operator_says(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, public_url="https://log.example/") as client:
        client.ledger.register([Submission(s.entry) for s in many(clinic, 2)])
        following = client.get("/statements?limit=1").json["next"]

    assert following.startswith("https://log.example/statements?")
