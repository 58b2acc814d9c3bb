"""Ranges: the root of the whole from some stretches of leaves and the hashes of what lies between."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.ranges import Frontier, hole_hashes, subtrees
from store.log import Tree, leaf_hash
from workshop.errors import Rejected


def tree_of(size: int) -> Tree:
    return Tree(leaf_hash(str(i).encode()) for i in range(size))


def hole(tree: Tree, first: int, end: int) -> list[bytes]:
    return hole_hashes(first, end, tree.root, tree.inclusion_proof)


@given(st.integers(0, 400), st.integers(0, 400))
def test_subtrees_cover_a_hole_each_at_a_multiple_of_its_size(first: int, length: int) -> None:
    at = first
    for start, level in subtrees(first, first + length):
        assert start == at and start % (1 << level) == 0
        at += 1 << level
    assert at == first + length


@settings(deadline=None)
@given(st.integers(1, 130), st.lists(st.integers(0, 130), min_size=2, max_size=6))
def test_the_root_comes_from_any_stretches(size: int, cuts: list[int]) -> None:
    tree = tree_of(size)
    edges = sorted({min(cut, size) for cut in cuts})
    frontier = Frontier()
    for first, end in zip(edges[::2], edges[1::2], strict=False):
        frontier.skip(first, hole(tree, frontier.size, first))
        assert frontier.root() == tree.root(first)
        for index in range(first, end):
            frontier.append(leaf_hash(str(index).encode()))
            assert frontier.root() == tree.root(index + 1)
    frontier.skip(size, hole(tree, frontier.size, size))
    assert frontier.size == size and frontier.root() == tree.root()


def test_wrong_numbers_of_hashes_are_refused() -> None:
    hashes = hole(tree_of(13), 0, 13)
    assert len(hashes) == 3
    for wrong in (hashes[:2], [*hashes, hashes[0]], [*hashes[:2], b"short"]):
        with pytest.raises(Rejected):
            Frontier().skip(13, wrong)
