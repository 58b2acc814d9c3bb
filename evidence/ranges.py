"""Ranges of a log: the root of the whole from the leaves of a stretch and few hashes beside it (RFC 6962, section 2.1).

The hashes of the complete subtrees left of the range, largest first, are the left siblings in the inclusion proof of its first leaf: one for
each bit set in its index. With them and the leaves, the root at every size up to the end of the range can be computed.
"""

from store.log import EMPTY_ROOT, node_hash
from workshop.errors import Rejected


def left_siblings(index: int, size: int, proof: list[bytes]) -> list[bytes]:
    """The hashes of an inclusion proof (RFC 6962, 2.1.1: leaf to root) that stand left of the path, largest subtree first.

    Raises:
        Rejected: a proof of another length than the tree's.
    """
    if not 0 <= index < size:
        raise Rejected(f"proof: index {index} is not in a tree of {size}")
    low, high = 0, size
    turns: list[bool] = []
    while high - low > 1:
        split = low + (1 << ((high - low - 1).bit_length() - 1))
        right = index >= split
        turns.append(right)
        low, high = (split, high) if right else (low, split)
    if len(turns) != len(proof):
        raise Rejected(f"proof: {len(proof)} hashes, expected {len(turns)}")
    return [sibling for sibling, right in zip(reversed(proof), turns, strict=True) if right]


class Frontier:
    """The complete subtrees that cover the leaves so far: grows by one leaf hash at a time and tells the root at its present size."""

    def __init__(self, size: int = 0, left: list[bytes] | None = None) -> None:
        """Begins at `size` leaves whose complete subtrees have these hashes, largest first.

        Raises:
            Rejected: another number of hashes than the size has bits set, or a hash that is not 32 bytes.
        """
        hashes = left or []
        bits = [bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]
        if size < 0 or len(hashes) != len(bits) or any(len(item) != 32 for item in hashes):
            raise Rejected(f"proof: {len(hashes)} hashes left of index {size}, expected {len(bits)} of 32 bytes")
        self.size = size
        self._subtrees = list(zip(bits, hashes, strict=True))

    def append(self, leaf: bytes) -> None:
        """Adds one leaf hash."""
        self.size += 1
        level = 0
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
