"""RFC 9162 Merkle trees, pure: hashes, the growing edge, proofs and tiles. No I/O, no keys."""

from tallystick.merkle.edge import Edge
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
    TileNodes,
    edge_tiles,
    halfway_hashes,
    tile_of_subtree,
    tile_width,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Edge",
    "Frontier",
    "Tile",
    "TileNodes",
    "consistency_ranges",
    "edge_tiles",
    "fold_right",
    "halfway_hashes",
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
