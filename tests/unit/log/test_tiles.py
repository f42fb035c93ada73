"""Reading tiles: half-way hashes are used and never believed; a path has one spelling."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import DamagedError, EncodingError, LimitError, NotFoundError
from tallystick.log import EmbeddedLog, HalfwayStore, Places, PosixDisk, PublicLog
from tallystick.log.bundle import encode_bundle, parse_bundle
from tallystick.log.layout import ENTRIES, parse_tile_path, tile_path
from tallystick.merkle import Tile, halfway_hashes, leaf_hash, verify_inclusion
from tests.fault.ledger_on_disk import KEY

ENTRIES_IN_LOG = [b"entry %d" % n for n in range(1000)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("log")
    halfway = HalfwayStore(base / "halfway", writable=True)
    places = Places(base / "log", base / "journal", base / "head")
    log = EmbeddedLog(places, KEY, PosixDisk(), os.urandom, halfway)
    log.append(ENTRIES_IN_LOG)
    log.close()
    halfway.close()
    return base


def read_all(folder: Path, halfway: HalfwayStore | None) -> list[tuple[bytes, ...]]:
    snapshot = PublicLog(folder / "log", KEY.verifier, halfway=halfway).snapshot()
    paths = [snapshot.reader.inclusion_path(n) for n in range(1000)]
    for index, path in enumerate(paths):
        leaf = leaf_hash(ENTRIES_IN_LOG[index])
        verify_inclusion(leaf, index, 1000, path, snapshot.checkpoint.root)
    return paths


def test_halfway_hashes_are_written_used_and_change_no_proof(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (folder / "halfway").read_bytes()
    assert len(rows) == 3 * 512
    without = read_all(folder, None)

    def never(_hashes: bytes) -> bytes:
        raise AssertionError("computed although it was there")

    monkeypatch.setattr("tallystick.merkle.tile.halfway_hashes", lambda h: halfway_hashes(h)
                        if len(h) < 8192 else never(h))  # fmt: skip
    assert read_all(folder, HalfwayStore(folder / "halfway")) == without


@pytest.mark.parametrize("content", [b"", b"\x00" * 1536, b"wrong" * 400])
def test_missing_or_wrong_halfway_hashes_are_noticed_and_written_anew(
    folder: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "halfway"
    path.write_bytes(content)
    store = HalfwayStore(path, writable=True)

    assert read_all(folder, store) == read_all(folder, None)
    assert path.read_bytes()[:1536] == (folder / "halfway").read_bytes()


def test_the_writer_reads_with_halfway_hashes_too(folder: Path) -> None:
    halfway = HalfwayStore(folder / "halfway", writable=True)
    places = Places(folder / "log", folder / "journal", folder / "head")
    log = EmbeddedLog(places, KEY, PosixDisk(), os.urandom, halfway)
    log.snapshot.reader.inclusion_path(5)
    nodes = log._cache.leaves.get((0, 0, 256))
    assert nodes is not None
    assert nodes.halfway == (folder / "halfway").read_bytes()[:512]
    log.close()


def test_beyond_the_tree_there_is_nothing(folder: Path) -> None:
    reader = PublicLog(folder / "log", KEY.verifier).snapshot().reader
    for call in (reader.entry, reader.leaf, reader.inclusion_path):
        for index in (-1, 1000):
            with pytest.raises(NotFoundError, match="the log has 1000"):
                call(index)
    for tile in (Tile(0, 3, 233), Tile(0, 4), Tile(ENTRIES, 3, 233), Tile(3, 0, 1)):
        with pytest.raises(NotFoundError, match="beyond size 1000"):
            reader.raw(tile)
    assert reader.raw(Tile(0, 3, 7)) == b"".join(map(leaf_hash, ENTRIES_IN_LOG[768:775]))
    assert parse_bundle(reader.raw(Tile(ENTRIES, 3, 7))) == ENTRIES_IN_LOG[768:775]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 1234067), "tile/1/x001/x234/067"),
        (Tile(ENTRIES, 273, 112), "tile/entries/273.p/112"),
        (Tile(63, 1000, 1), "tile/63/x001/000.p/1"),
    ],
)
def test_paths_of_tiles_are_those_of_the_specification(tile: Tile, path: str) -> None:
    assert tile_path(tile) == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    ["", "tile/0/0", "tile/00/000", "tile/64/000", "tile/0/x000/001", "tile/0/000.p/0",
     "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/entries/../000", "tile/0/1000",
     "tile/-1/000", "tile/0/x001", "/tile/0/000", "tile/0/000/", "tile/\u0660/000"],
)  # fmt: skip
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(EncodingError):
        parse_tile_path(path)


@given(st.text(max_size=40))
def test_hostile_paths_raise_our_error_and_no_other(path: str) -> None:
    with pytest.raises(EncodingError):
        parse_tile_path("tile/" + path + "!")


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_are_read_as_they_were_written(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries), len(entries)) == entries


@given(st.binary(max_size=100))
def test_hostile_bundles_raise_our_error_and_no_other(data: bytes) -> None:
    try:
        parse_bundle(data)
    except EncodingError:
        return


def test_bundles_are_bounded_and_counted() -> None:
    assert parse_bundle(encode_bundle([b"x" * 65_535])) == [b"x" * 65_535]
    with pytest.raises(LimitError, match="65536 bytes, at most 65535"):
        encode_bundle([b"x" * 65_536])
    for cut in (b"\x00", b"\x00\x05abc"):
        with pytest.raises(EncodingError, match="cut off in entry 0"):
            parse_bundle(cut)
    with pytest.raises(EncodingError, match="must have 2 entries, got 1"):
        parse_bundle(encode_bundle([b"a"]), 2)


def test_a_cut_tile_is_named(folder: Path, tmp_path: Path) -> None:
    reader = PublicLog(folder / "log", KEY.verifier).snapshot().reader
    tile = folder / "log/tile/0/001"
    whole = tile.read_bytes()
    tile.write_bytes(whole[:100])
    try:
        with pytest.raises(DamagedError, match="tile/0/001 has 100 bytes, at least 8192"):
            reader.inclusion_path(300)
    finally:
        tile.write_bytes(whole)
