"""The log as static files: the same bytes as on disk, for ever, and nothing else."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.log import fsck
from tallystick.merkle import leaf_hash
from tallystick.statement import parse_checkpoint, parse_note, parse_vkey
from tests.ledgers import Issuer, many, submissions
from tests.unit.web.served import Client, served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    clinic = Issuer()
    with served(tmp_path_factory.mktemp("tiles"), clinic) as client:
        for _ in range(3):
            client.ledger.register(submissions(*many(clinic, 199)))
            client.ledger.publish()
        yield client


def files(client: Client) -> dict[str, bytes]:
    public = client.ledger.home.places().public
    return {
        str(path.relative_to(public)): path.read_bytes()
        for path in sorted(public.rglob("*"))
        if path.is_file()
    }


def test_every_public_file_is_served_byte_for_byte(client: Client) -> None:
    published = files(client)

    served_files = {path: client.get(f"/{path}").body for path in published}

    assert served_files == published
    assert "tile/0/000" in published
    assert "tile/entries/001" in published
    assert any(".p/" in path for path in published)


def test_a_mirror_made_over_http_passes_fsck(client: Client, tmp_path: Path) -> None:
    for path in files(client):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(client.get(f"/{path}").body)

    report = fsck(tmp_path, parse_vkey(client.ledger.card.checkpoint_key))

    assert not report.damage
    assert report.checkpoint is not None
    assert report.checkpoint.size == client.ledger.published


def test_tiles_may_be_cached_for_ever_and_the_checkpoint_may_not(client: Client) -> None:
    tile, checkpoint = client.get("/tile/0/000"), client.get("/checkpoint")

    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert tile.headers["content-type"] == "application/octet-stream"
    assert checkpoint.headers["cache-control"] == "public, max-age=1"
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    for reply, path in ((tile, "/tile/0/000"), (checkpoint, "/checkpoint")):
        known = client.get(path, if_none_match=f'"x", W/{reply.headers["etag"]}')
        assert (known.status, known.body) == (304, b"")
        assert known.headers["etag"] == reply.headers["etag"]


def test_the_checkpoint_is_the_published_one_with_a_signed_size(client: Client) -> None:
    note = parse_note(client.get("/checkpoint").body)

    assert parse_checkpoint(note.text).size == client.ledger.published


def test_a_partial_tile_is_served_in_every_width_the_log_ever_had(client: Client) -> None:
    whole = client.get("/tile/0/000").body

    for width in (1, 2, 100, 255):
        part = client.get(f"/tile/0/000.p/{width}")
        assert (part.status, part.body) == (200, whole[: 32 * width])


def test_a_bundle_holds_what_was_registered(client: Client) -> None:
    data = client.get("/tile/entries/000.p/5").body
    entries = []
    while data:
        length = int.from_bytes(data[:2])
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]

    assert entries == [client.ledger.at(n).statement.entry for n in range(5)]
    hashes = client.get("/tile/0/000.p/5").body
    assert b"".join(map(leaf_hash, entries)) == hashes


def test_bundles_are_compressed_for_who_wants_that(client: Client) -> None:
    plain = client.get("/tile/entries/000")
    packed = client.get("/tile/entries/000", accept_encoding="br, gzip;q=0.5")
    refused = client.get("/tile/entries/000", accept_encoding="gzip;q=0")

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert "content-encoding" not in client.get("/tile/0/000", accept_encoding="gzip").headers


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/002.p/200",
        "/tile/0/999",
        "/tile/2/000.p/1",
        "/tile/63/000.p/1",
        "/tile/64/000",
        "/tile/00/000",
        "/tile/0/0",
        "/tile/0/x000/000",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/entries/999",
        "/tile/data/000",
        "/tile/0/%30%30%30%0a",
        "/tile/0/..%2f..%2f..%2fledger.json",
        "/tile/../ledger.json",
        "/tile/entries/../../../service.keys",
        "/../ledger.json",
        "//etc/passwd",
        "/tile/0/000/",
        "/checkpoint/",
        "/ledger.json",
        "/tile",
    ],
)
def test_nothing_else_is_there(client: Client, path: str) -> None:
    reply = client.get(path)

    assert (reply.status, reply.code) == (404, "input.not-found")


def test_before_anything_is_published_there_is_no_checkpoint(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        (client.ledger.home.places().public / "checkpoint").unlink()

        reply = client.get("/checkpoint")

    assert (reply.status, reply.code) == (404, "input.not-found")
