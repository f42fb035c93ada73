"""`in_name_of` over HTTP: searches, streams and the client answer as the ledger itself does."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import tallystick
from tallystick.ledger import Query
from tallystick.statement import Relation
from tests.ledgers import Issuer, submissions
from tests.unit.web.served import Client, served


def test_searches_streams_and_the_client_find_what_is_in_ones_name(tmp_path: Path) -> None:
    clinic, ada = Issuer(), Issuer(name="Lab")
    with served(tmp_path / "ledger", clinic, ada) as place:
        [key] = place.ledger.find(Query(type="key", subject=ada.did)).found
        acted = {Relation.ACTED_FOR: (key.statement.id,)}
        made = [ada.sign(), clinic.sign(), clinic.sign(links=acted), clinic.sign(subject=ada.did)]
        at = [one.index for one in place.ledger.register(submissions(*made))]  # type: ignore[union-attr]
        wanted = [key.index, at[0], at[2], at[3]]

        page = place.get(f"/statements?in_name_of={ada.did}").json["statements"]
        assert [one["index"] for one in page] == wanted[::-1]
        stream = place.get(f"/statements/stream?since=0&limit=4&in_name_of={ada.did}").body
        assert [int(line[4:]) for line in _ids(stream)] == wanted
        with tallystick.connect(place.url) as client:
            assert [one.index for one in client.find(in_name_of=ada.did)] == wanted[::-1]
            watched = client.watch(since=0, limit=4, in_name_of=ada.did)
            assert [one.index for one in watched] == wanted


def _ids(stream: bytes) -> list[bytes]:
    """Return the id lines of statements, which stand before their event line."""
    lines = stream.splitlines()
    return [a for a, b in pairwise(lines) if b == b"event: statement"]


def test_every_list_shows_what_is_computed_and_not_what_is_claimed(tmp_path: Path) -> None:
    clinic, ada = Issuer(), Issuer(name="Lab")
    with served(tmp_path / "ledger", clinic, ada) as place:
        [key] = place.ledger.find(Query(type="key", subject=ada.did)).found
        acted = {Relation.ACTED_FOR: (key.statement.id,)}
        intent = clinic.sign(links=acted, assurance="api-key")
        outcome = clinic.sign(links={Relation.GENERATED_BY: (intent.id,)})
        nobody = clinic.sign(assurance="asserted")
        place.ledger.register(submissions(ada.sign(), intent, outcome, nobody))
        first = place.ledger.get(intent.id).index - 1
        wanted = [("key", ada.did), ("api-key", ada.did), ("api-key", ada.did), ("asserted", None)]

        page = place.get("/statements?limit=4").json["statements"]
        assert [_shown(one["originator"]) for one in page] == wanted[::-1]
        assert page[2]["originator"]["agent"] == clinic.did
        assert [_shown(one["originator"]) for one in _events(place, first)] == wanted
        with tallystick.connect(place.url) as client:
            for found in (list(client.find(limit=4))[::-1], list(client.watch(first, limit=4))):
                told = [one.originator for one in found if one.originator]
                assert [(one.assurance, one.principal) for one in told] == wanted
            seen = client.statement(outcome.id)
            assert seen.originator
            assert (seen.originator.assurance, seen.originator.principal) == wanted[2]
            assert seen == place.ledger.get(outcome.id)
            assert {seen} == {client.statement(outcome.id)}
            assert seen != outcome


def _shown(originator: dict[str, str]) -> tuple[str, str]:
    return originator["assurance"], originator["principal"]


def _events(place: Client, since: int) -> list[Any]:
    body = place.get(f"/statements/stream?since={since}&limit=4").body
    lines = [line[6:] for line in body.splitlines() if line.startswith(b'data: {"index"')]
    return [json.loads(line) for line in lines]
