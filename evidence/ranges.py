"""Ranges of a log: the root of the whole from the leaves of some stretches and few hashes between them (RFC 6962, section 2.1).

A hole [first, end) between stretches is covered by complete subtrees: at each place the largest that begins there at a multiple of its size and does
not reach beyond the hole. With their hashes and the leaves of the stretches, the root at every size within a stretch and at the end can be computed.
"""

from collections.abc import Callable, Iterator, Sequence

from store.log import EMPTY_ROOT, node_hash
from workshop.errors import Rejected


def subtrees(first: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, level) of the complete subtrees of 2^level leaves that cover [first, end), in order."""
    while first < end:
        level = (end - first).bit_length() - 1
        if first:
            level = min(level, (first & -first).bit_length() - 1)
        yield first, level
        first += 1 << level


def hole_hashes(first: int, end: int, root: Callable[[int], bytes], proof: Callable[[int, int], list[bytes]]) -> list[bytes]:
    """The hashes of those subtrees, from a log that gives roots and inclusion proofs.

    Args:
        root: root at a size.
        proof: inclusion proof (RFC 6962, 2.1.1: leaf to root) of a leaf in the tree of a size.
    """
    found = []
    for start, level in subtrees(first, end):
        size = start + (1 << level)
        # In the tree that ends with the subtree, the leaf before it has one sibling on its right: the subtree.
        found.append(_right_sibling(start - 1, size, proof(start - 1, size)) if start else root(size))
    return found


def _right_sibling(index: int, size: int, proof: list[bytes]) -> bytes:
    low, high, turns = 0, size, []
    while high - low > 1:
        split = low + (1 << ((high - low - 1).bit_length() - 1))
        turns.append(index < split)
        low, high = (low, split) if index < split else (split, high)
    if len(turns) != len(proof) or turns.count(True) != 1:
        raise Rejected(f"proof: {len(proof)} hashes for leaf {index} of {size}, expected {len(turns)}")
    return proof[::-1][turns.index(True)]


class Frontier:
    """The complete subtrees that cover the leaves so far: grows by one leaf hash at a time and tells the root at its present size."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[tuple[int, bytes]] = []

    def skip(self, end: int, hashes: Sequence[bytes]) -> None:
        """Goes on to size `end` over a hole, by the hashes of the subtrees that cover it.

        Raises:
            Rejected: another number of hashes than there are subtrees, or one that is not 32 bytes.
        """
        expected = list(subtrees(self.size, end))
        if len(hashes) != len(expected) or any(len(item) != 32 for item in hashes):
            raise Rejected(f"proof: {len(hashes)} hashes for [{self.size}, {end}), expected {len(expected)} of 32 bytes")
        for (_, level), hashed in zip(expected, hashes, strict=True):
            self.append(hashed, level)

    def append(self, leaf: bytes, level: int = 0) -> None:
        """Adds one leaf hash, or the hash of a complete subtree of 2^level leaves; the size is a multiple of its size."""
        self.size += 1 << level
        while self._subtrees and self._subtrees[-1][0] == level:
            leaf = node_hash(self._subtrees.pop()[1], leaf)
            level += 1
        self._subtrees.append((level, leaf))

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1][1]
        for _, left in reversed(self._subtrees[:-1]):
            root = node_hash(left, root)
        return root
