"""The root of a log from a stretch of its leaves, against the tree itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.ranges import Frontier, left_siblings
from store.log import Tree, leaf_hash, verify_consistency
from workshop.errors import Rejected


@settings(max_examples=150, deadline=None)
@given(size=st.integers(1, 200), data=st.data())
def test_every_range_gives_every_root_up_to_its_end(size: int, data: st.DataObject) -> None:
    tree = Tree(leaf_hash(bytes([n])) for n in range(size))
    first = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(first + 1, size))
    frontier = Frontier(first, left_siblings(first, size, tree.inclusion_proof(first, size)))
    assert frontier.root() == tree.root(first)
    for n in range(first, end):
        frontier.append(leaf_hash(bytes([n])))
        assert frontier.root() == tree.root(n + 1)
    assert frontier.size == end and verify_consistency(end, size, frontier.root(), tree.root(), tree.consistency_proof(end, size))


@pytest.mark.parametrize(("size", "hashes"), [(0, 1), (1, 0), (5, 1), (6, 3), (-1, 0)])
def test_another_number_of_hashes_is_refused(size: int, hashes: int) -> None:
    with pytest.raises(Rejected):
        Frontier(size, [bytes(32)] * hashes)


def test_a_proof_of_another_tree_is_refused() -> None:
    with pytest.raises(Rejected):
        left_siblings(3, 8, [bytes(32)] * 2)
    with pytest.raises(Rejected):
        left_siblings(8, 8, [])
    with pytest.raises(Rejected):
        Frontier(1, [b"short"])
