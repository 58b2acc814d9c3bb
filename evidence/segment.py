"""Segments: stretches of a log as files of length-prefixed leaves, read one leaf at a time.

"CJS1" ‖ u64be first index ‖ repeat { u32be length ‖ leaf ‖ u16be parts ‖ { u32be length (0 = not in the bundle) ‖ part } }
"""

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from store.log import MAX_ENTRY_BYTES
from workshop.batch import MAX_BYTES, SIGNATURE_BYTES
from workshop.errors import Rejected

MAGIC = b"CJS1"
HEAD_BYTES = 12
MAX_LEAF_BYTES = 8 + 4 + MAX_ENTRY_BYTES + SIGNATURE_BYTES


class Writable(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> int: ...


def write_head(file: Writable, first: int) -> None:
    """Begins a segment whose first leaf has this index in its log."""
    file.write(MAGIC + struct.pack(">Q", first))


def write_leaf(file: Writable, leaf: bytes, parts: Sequence[bytes | None] = ()) -> int:
    """Appends one leaf with its parts (None: not in the bundle). Returns the number of bytes."""
    written = file.write(struct.pack(">I", len(leaf)) + leaf + struct.pack(">H", len(parts)))
    for part in parts:
        written += file.write(struct.pack(">I", len(part or b"")))
        written += file.write(part) if part else 0
    return written


def read_segment(file: BinaryIO, first: int, *, parts: bool = True) -> Iterator[tuple[bytes, list[bytes | None], list[int]]]:
    """Every leaf of a segment with its parts and their offsets in the file, in order; with `parts=False` the parts are skipped, the lists empty.

    Args:
        first: index that the segment must begin with.
    Raises:
        Rejected: not a segment, another first index, cut short, a length beyond the limits, or no leaf at all.
    """
    head = file.read(HEAD_BYTES)
    if len(head) != HEAD_BYTES or head[:4] != MAGIC:
        raise Rejected("segment: does not start with CJS1 and an index")
    stated = struct.unpack(">Q", head[4:])[0]
    if stated != first:
        raise Rejected(f"segment: starts at index {stated}, expected {first}")
    count, at = 0, HEAD_BYTES
    while prefix := file.read(4):
        length = _length(prefix, MAX_LEAF_BYTES, "leaf")
        leaf = _exactly(file, length)
        number = struct.unpack(">H", _exactly(file, 2))[0]
        at += 6 + length
        found: list[bytes | None] = []
        offsets: list[int] = []
        for _ in range(number):
            size = _length(_exactly(file, 4), MAX_BYTES, "part")
            at += 4
            if parts:
                found.append(_exactly(file, size) if size else None)
                offsets.append(at)
            elif size:
                # The byte before the end is read, so that a skip beyond the end of the file is noticed.
                file.seek(size - 1, 1)
                _exactly(file, 1)
            at += size
        count += 1
        yield leaf, found, offsets
    if count == 0:
        raise Rejected("segment: holds no leaf")


def _length(prefix: bytes, limit: int, what: str) -> int:
    if len(prefix) != 4:
        raise Rejected(f"segment: cut short in the length of a {what}")
    length: int = struct.unpack(">I", prefix)[0]
    if length > limit:
        raise Rejected(f"segment: a {what} of {length} bytes, at most {limit}")
    return length


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise Rejected(f"segment: cut short, {len(data)} of {length} bytes")
    return data
