"""Merkle logs after RFC 6962, section 2: the tree, its proofs and their verification, and the leaves that our two logs hold.

leaf hash  SHA-256(0x00 ‖ leaf)          node hash  SHA-256(0x01 ‖ left ‖ right)          empty tree  SHA-256("")
A tree of n leaves splits at the largest power of two smaller than n. Pure: no input, output or clock.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Literal

from store.note import Checkpoint, checkpoint_text, open_note, parse_checkpoint, sign_note
from workshop.batch import MAX_HEADER_BYTES, SIGNATURE_BYTES
from workshop.errors import Rejected

__all__ = [
    "EMPTY_ROOT", "Checkpoint", "HashTree", "LogName", "Tree", "checkpoint_text", "data_leaf", "leaf_hash", "node_hash", "open_note",
    "parse_checkpoint", "sign_note", "split_leaf", "verify_consistency", "verify_inclusion",
]

LogName = Literal["data", "control"]
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_ENTRY_BYTES = 64 * MAX_HEADER_BYTES  # a control entry may hold a whole register


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class HashTree:
    """Roots and proofs of an append-only tree, from the hashes of complete subtrees wherever those are kept: O(log n) of them each."""

    @property
    def size(self) -> int:
        """Number of leaves."""
        raise NotImplementedError

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree number `index` of 2^level leaves."""
        raise NotImplementedError

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves, of all by default.

        Raises:
            Rejected: more leaves than there are.
        """
        size = self.size if size is None else size
        self._check(0, size, self.size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Audit path of a leaf in the tree of the first `size` leaves (RFC 6962, 2.1.1).

        Raises:
            Rejected: no such leaf or size.
        """
        self._check(1, size, self.size)
        self._check(0, index, size - 1)
        proof = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of `new` leaves begins with that of `old` leaves (RFC 6962, 2.1.2); empty from size 0.

        Raises:
            Rejected: no such sizes.
        """
        self._check(0, new, self.size)
        self._check(0, old, new)
        if old in (0, new):
            return []
        proof = []
        start, end, left_edge = 0, new, True
        while end != old:
            middle = start + _split(end - start)
            if old <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start, left_edge = middle, False
        if not left_edge:
            proof.append(self._range(start, end))
        return proof[::-1]

    def _range(self, start: int, end: int) -> bytes:
        """Root over leaves [start, end), start a multiple of a power of two that is at least their number."""
        length = end - start
        if length & (length - 1) == 0:
            level = length.bit_length() - 1
            return self.node(level, start >> level)
        middle = start + _split(length)
        return node_hash(self._range(start, middle), self._range(middle, end))

    @staticmethod
    def _check(least: int, value: int, most: int) -> None:
        if not least <= value <= most:
            raise Rejected(f"log: {value} is outside {least} to {most}")

class Tree(HashTree):
    """An append-only tree in memory that keeps the hashes of all complete subtrees, 64 bytes a leaf.

    One thread may append while others read roots and proofs of sizes that they have seen.
    """

    def __init__(self, hashes: Iterable[bytes] = ()) -> None:
        self._levels = [bytearray()]
        """Level k: hashes of complete subtrees of 2^k leaves, one after the other."""
        self._size = 0
        self.extend(hashes)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree number `index` of 2^level leaves."""
        place = index * HASH_BYTES
        return bytes(self._levels[level][place : place + HASH_BYTES])

    def append(self, leaf: bytes) -> int:
        """Adds a leaf by its hash; returns its index."""
        if len(leaf) != HASH_BYTES:
            raise Rejected(f"log: a leaf hash has {HASH_BYTES} bytes")
        self._levels[0] += leaf
        count, level, node = self._size + 1, 0, leaf
        while not count & 1:
            node = node_hash(bytes(self._levels[level][-2 * HASH_BYTES : -HASH_BYTES]), node)
            level, count = level + 1, count >> 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node
        # Last, so that a reader never sees a size whose subtrees are not there yet.
        self._size += 1
        return self._size - 1

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Adds leaves by their hashes, in order.

        Raises:
            Rejected: a hash that is not 32 bytes long; nothing was added.
        """
        added = list(hashes)
        if any(len(leaf) != HASH_BYTES for leaf in added):
            raise Rejected(f"log: a leaf hash has {HASH_BYTES} bytes")
        self._levels[0] += b"".join(added)
        level = 0
        while (done := len(self._levels[level]) // (2 * HASH_BYTES)) > 0:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            below, above = self._levels[level], self._levels[level + 1]
            sha256, width = hashlib.sha256, 2 * HASH_BYTES
            first = len(above) // HASH_BYTES
            above += b"".join(sha256(b"\x01" + below[i : i + width]).digest() for i in range(first * width, done * width, width))
            level += 1
        self._size += len(added)


def _split(length: int) -> int:
    """Largest power of two smaller than the length (RFC 6962, 2.1)."""
    return 1 << ((length - 1).bit_length() - 1)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash stands at this index of the tree with this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    number, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_BYTES:
            return False
        if number & 1 or number == last:
            hashed = node_hash(sibling, hashed)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree with the new size and root begins with the old one (RFC 9162, 2.1.4.2); every tree begins with the empty one."""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return old_root == EMPTY_ROOT and not proof and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return old_root == new_root and not proof
    # The proof of a complete old tree leaves out its root.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path or any(len(node) != HASH_BYTES for node in path):
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, node)
        number, last = number >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def data_leaf(accepted_us: int, header: bytes, signature: bytes) -> bytes:
    """A leaf: u64be accepted time ‖ u32be length ‖ header (or control entry) ‖ 64-byte signature."""
    return struct.pack(">QI", accepted_us, len(header)) + header + signature


def split_leaf(leaf: bytes) -> tuple[int, bytes, bytes]:
    """Accepted time in µs, header (or control entry) and signature of a leaf.

    Raises:
        Rejected: cut short, or longer than it says.
    """
    if len(leaf) < 12:
        raise Rejected("leaf: cut short")
    accepted_us, length = struct.unpack_from(">QI", leaf)
    if length > MAX_ENTRY_BYTES or len(leaf) != 12 + length + SIGNATURE_BYTES:
        raise Rejected(f"leaf: {len(leaf)} bytes do not hold an entry of {length}")
    return int(accepted_us), leaf[12 : 12 + length], leaf[12 + length :]
