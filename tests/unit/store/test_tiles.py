"""Tiles: the same roots and proofs as the tree in memory, whatever the size, after reopening too; paths as C2SP writes them."""

import hashlib
import random

import pytest

from store.log import Tree, verify_consistency, verify_inclusion
from store.tiles import TILE_BYTES, TileTree, fold, parse_tile_path, tile_path
from workshop.errors import Rejected

LEAVES = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]


class Stored:
    """A tree and its tiles, as an archive would store them."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.tree = TileTree(0, [], self.read)

    def read(self, level: int, number: int) -> bytes:
        tile = self.tiles[level, number]
        assert len(tile) == TILE_BYTES, "only full tiles are read again"
        return tile

    def add(self, leaves: list[bytes]) -> None:
        growth = self.tree.plan(leaves)
        size = self.tree.size
        for level, number, hashes in growth.tiles:
            before = self.tiles.get((level, number), b"")
            assert hashes.startswith(before) and (level or len(hashes) == TILE_BYTES), "a tile only grows"
            self.tiles[level, number] = hashes
        assert self.tree.size == size
        self.tree.grow(growth)


@pytest.mark.parametrize("step", [1, 255, 256, 257, 10_000])
def test_roots_and_proofs_are_those_of_the_tree_in_memory(step: int) -> None:
    lots, stored, plain = random.Random(step), Stored(), Tree()
    count = 1_500 if step == 1 else len(LEAVES)
    for first in range(0, count, step):
        stored.add(LEAVES[first:min(count, first + step)])
        plain.extend(LEAVES[first:min(count, first + step)])
        if first % (step * 16) == 0:
            assert stored.tree.root() == plain.root()
    assert stored.tree.size == count and stored.tree.root() == plain.root()
    for size in [1, 2, 255, 256, 257, 511, 512, count - 1, count, *(lots.randrange(1, count) for _ in range(50))]:
        assert stored.tree.root(size) == plain.root(size)
        index, old = lots.randrange(size), lots.randrange(size)
        proof = stored.tree.inclusion_proof(index, size)
        assert proof == plain.inclusion_proof(index, size) and verify_inclusion(index, size, LEAVES[index], proof, plain.root(size))
        assert stored.tree.consistency_proof(old, size) == plain.consistency_proof(old, size)
        assert verify_consistency(old, size, plain.root(old), plain.root(size), stored.tree.consistency_proof(old, size))


def test_a_tile_holds_the_roots_of_the_tiles_below() -> None:
    stored = Stored()
    stored.add(LEAVES)
    tile = stored.tree.tile(1, 1, 17)
    assert [tile[i : i + 32] for i in range(0, len(tile), 32)] == [fold(stored.tiles[0, number]) for number in range(256, 273)]
    assert stored.tree.tile(0, 3) == b"".join(LEAVES[768:1024]) and stored.tree.tile(2, 0, 1) == fold(stored.tiles[1, 0])
    for level, number, width in ((0, 273, 256), (0, 273, 0), (0, 274, 1), (1, 1, 18), (3, 0, 1), (-1, 0, 1), (0, -1, 1), (64, 0, 1)):
        with pytest.raises(Rejected, match="tile"):
            stored.tree.tile(level, number, width)


def test_a_wrong_hash_adds_nothing() -> None:
    stored = Stored()
    with pytest.raises(Rejected, match="32 bytes"):
        stored.tree.plan([b"x"])
    assert stored.tree.size == 0


@pytest.mark.parametrize(("number", "path"), [(0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")])
def test_paths_are_those_of_c2sp(number: int, path: str) -> None:
    assert tile_path(number) == path and parse_tile_path(path) == (number, 256) and parse_tile_path(f"{path}.p/17") == (number, 17)


@pytest.mark.parametrize("path", [
    "", "0", "67", "1000", "x000/001", "001/002", "x001", "../067", "067.p/", "067.p/0", "067.p/01", "067.p/256", "067.p/x",
])
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(Rejected, match="tile"):
        parse_tile_path(path)
