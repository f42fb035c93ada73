"""RFC 9162 Merkle trees, pure: hashes, the growing edge, proofs and tiles. No I/O, no keys."""

from tallystick.merkle.frontier import Frontier, fold_right, subtree_sizes
from tallystick.merkle.hashing import (
    EMPTY_ROOT,
    HASH_BYTES,
    leaf_hash,
    node_hash,
    parent_level,
    perfect_root,
    tree_root,
)
from tallystick.merkle.path import (
    consistency_ranges,
    inclusion_ranges,
    perfect_ranges,
    split_point,
)
from tallystick.merkle.proof import root_from_inclusion, verify_consistency, verify_inclusion
from tallystick.merkle.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    edge_tiles,
    expand_tile,
    hash_in_tile,
    tile_of_subtree,
    tile_width,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Frontier",
    "Tile",
    "consistency_ranges",
    "edge_tiles",
    "expand_tile",
    "fold_right",
    "hash_in_tile",
    "inclusion_ranges",
    "leaf_hash",
    "node_hash",
    "parent_level",
    "perfect_ranges",
    "perfect_root",
    "root_from_inclusion",
    "split_point",
    "subtree_sizes",
    "tile_of_subtree",
    "tile_width",
    "tree_root",
    "verify_consistency",
    "verify_inclusion",
]
