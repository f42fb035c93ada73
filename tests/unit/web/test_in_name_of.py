"""`in_name_of` over HTTP: searches, streams and the client answer as the ledger itself does."""

from itertools import pairwise
from pathlib import Path

import tallystick
from tallystick.ledger import Query
from tallystick.statement import Relation
from tests.ledgers import Issuer, submissions
from tests.unit.web.served import served


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
