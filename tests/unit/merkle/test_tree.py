"""The tree: one definition by recursion, checked against every faster way we compute it."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InputError, ProofError
from tallystick.merkle import (
    EMPTY_ROOT,
    Edge,
    Frontier,
    Tile,
    TileNodes,
    consistency_ranges,
    edge_tiles,
    halfway_hashes,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    perfect_ranges,
    split_point,
    subtree_sizes,
    tile_of_subtree,
    tile_width,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(str(n).encode()) for n in range(1100)]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162 section 2.1.1 writes it."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split_point(len(leaves))
    return node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


def root_of(ranges: list[tuple[int, int]]) -> list[bytes]:
    return [by_definition(LEAVES[first:last]) for first, last in ranges]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT == sha256(b"").digest() == tree_root(b"") == Frontier().root()


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 511, 512, 513, 1023, 1024, 1025])
def test_every_way_to_the_root_agrees_with_the_definition(size: int) -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:size])

    assert frontier.root() == tree_root(LEAVES[:size]) == by_definition(LEAVES[:size])
    assert len(frontier.roots) == size.bit_count() == len(subtree_sizes(size))
    assert sum(subtree_sizes(size)) == frontier.size == size


@given(st.lists(st.integers(1, 600), min_size=1, max_size=6))
def test_an_edge_gives_the_same_tiles_and_root_however_leaves_arrive(steps: list[int]) -> None:
    edge, done, size = Edge(), [], 0
    for step in steps:
        size = min(size + step, len(LEAVES))
        done += edge.extend(b"".join(LEAVES[edge.size : size]))
        assert edge.root() == by_definition(LEAVES[:size])
        again = Edge.load(size, edge.partial())
        assert (again.root(), again.partial()) == (edge.root(), edge.partial())
        edge = again

    assert {t.number: h for t, h in done if t.level == 0} == {
        n: b"".join(LEAVES[n * 256 : (n + 1) * 256]) for n in range(size // 256)
    }
    assert [t.width for t in edge_tiles(size)] == [len(h) // 32 for h in edge.partial().values()]


def test_an_edge_fills_tiles_of_upper_levels() -> None:
    edge, leaf = Edge(), LEAVES[0]
    done = edge.extend(leaf * 65_536)
    top = by_definition([leaf] * 256)

    assert [(t, h) for t, h in done if t.level == 1] == [(Tile(1, 0), top * 256)]
    assert edge.partial() == {2: by_definition([top] * 256)}
    assert Edge.load(65_536, edge.partial()).extend(leaf) == []


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_inclusion_proofs_lead_to_the_root_and_to_no_other_leaf(place: tuple[int, int]) -> None:
    index, size = place
    root, proof = by_definition(LEAVES[:size]), root_of(inclusion_ranges(index, size))

    verify_inclusion(LEAVES[index], index, size, proof, root)
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index + 1], index, size, proof, root)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_consistency_proofs_hold_for_prefixes_only(sizes: tuple[int, int]) -> None:
    size1, size2 = sizes
    root1, root2 = by_definition(LEAVES[:size1]), by_definition(LEAVES[:size2])
    proof = root_of(consistency_ranges(size1, size2))

    verify_consistency(size1, root1, size2, root2, proof)
    with pytest.raises(ProofError):
        verify_consistency(size1, by_definition(LEAVES[1 : size1 + 1]), size2, root2, proof)


@given(st.data())
def test_any_changed_hash_breaks_a_proof(draw: st.DataObject) -> None:
    size = draw.draw(st.integers(2, 200))
    index = draw.draw(st.integers(0, size - 1))
    proof = root_of(inclusion_ranges(index, size))
    which = draw.draw(st.integers(0, len(proof) - 1))
    bit = draw.draw(st.integers(0, 255))
    flipped = int.from_bytes(proof[which]) ^ (1 << bit)
    proof[which] = flipped.to_bytes(32)

    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index], index, size, proof, by_definition(LEAVES[:size]))


def test_ranges_of_a_proof_split_into_perfect_subtrees() -> None:
    for size in range(1, 130):
        for index in range(size):
            for first, last in inclusion_ranges(index, size):
                parts = perfect_ranges(first, last)
                assert parts[0][0] == first
                assert parts[-1][1] == last
                assert all(a % (b - a) == 0 for a, b in parts)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(InputError, match="leaf index"):
        inclusion_ranges(index, size)


@pytest.mark.parametrize(("size1", "size2"), [(0, 0), (0, 1), (2, 1)])
def test_sizes_that_do_not_grow_have_no_consistency_proof(size1: int, size2: int) -> None:
    with pytest.raises(InputError, match="size1"):
        consistency_ranges(size1, size2)


def test_tiles_are_those_of_the_specification() -> None:
    """The two examples of C2SP tlog-tiles, "Partial Tiles"."""
    assert [(t.level, t.number, t.width) for t in edge_tiles(70_000)] == [
        (0, 273, 112),
        (1, 1, 17),
        (2, 0, 1),
    ]
    assert [(t.level, t.number, t.width) for t in edge_tiles(256)] == [(1, 0, 1)]
    assert (tile_width(0, 272, 70_000), tile_width(0, 273, 70_000)) == (256, 112)
    assert tile_width(0, 274, 70_000) == 0


@pytest.mark.parametrize("width", [1, 15, 16, 17, 200, 255, 256])
@pytest.mark.parametrize("given_halfway", [False, True])
def test_a_tile_holds_the_roots_of_all_its_subtrees(width: int, given_halfway: bool) -> None:
    tile = b"".join(LEAVES[256 : 256 + width])
    nodes = TileNodes(tile, halfway_hashes(tile) if given_halfway else None)
    for height in range(8):
        for number in range(256 >> height, 512 >> height):
            level, tile_number, inner, at = tile_of_subtree(height, number)
            first = number << height
            complete = first + (1 << height) <= 256 + width
            expected = by_definition(LEAVES[first : first + (1 << height)]) if complete else b""
            assert (level, tile_number) == (0, 1)
            assert nodes.node(inner, at) == expected
    assert tile_of_subtree(8, 5) == (1, 0, 0, 5)
    assert tile_of_subtree(11, 40) == (1, 1, 3, 8)
