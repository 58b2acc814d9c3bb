"""Columns of integers as bytes: zigzag, LEB128 variable length and runs, all with numpy and exact for every 64-bit integer."""

import numpy as np
from numpy.typing import NDArray

from workshop.errors import Rejected

_LONGEST = 10  # LEB128 bytes of a 64-bit integer


def pack_unsigned(values: NDArray[np.uint64]) -> bytes:
    """LEB128 of each value, one after the other: seven bits a byte, low bits first, high bit set on all but the last byte."""
    if len(values) == 0:
        return b""
    longest = max(1, -(-int(values.max()).bit_length() // 7))
    shifts = np.arange(longest, dtype=np.uint64) * np.uint64(7)
    digits = (values[:, None] >> shifts).astype(np.uint8) & np.uint8(0x7F)
    lengths = np.ones(len(values), np.int64)
    for place in range(1, longest):
        lengths += values >= np.uint64(1 << (7 * place))
    places = np.arange(longest)
    digits[places < (lengths - 1)[:, None]] |= np.uint8(0x80)
    packed: bytes = digits[places < lengths[:, None]].tobytes()
    return packed


def unpack_unsigned(data: bytes, count: int) -> NDArray[np.uint64]:
    """The inverse of `pack_unsigned`.

    Returns:
        u64[count]
    Raises:
        Rejected: another number of values than `count`, a value of more than 64 bits, or one that is longer than it needs to be.
    """
    return unpack_unsigned_pieces(data, _one(len(data)), _one(count))


def unpack_unsigned_pieces(data: bytes, lengths: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Many columns that stand one after the other, at once: piece i is lengths[i] bytes and holds counts[i] values.

    Returns:
        u64[sum of counts]
    Raises:
        Rejected: as `unpack_unsigned`, for any piece.
    """
    octets = np.frombuffer(data, np.uint8)
    ends, found = _ends(octets, lengths)
    if bool((found != counts).any()):
        wrong = int(np.flatnonzero(found != counts)[0])
        raise Rejected(f"varint: {found[wrong]} values, expected {counts[wrong]}")
    return _values(octets, ends)


def _one(value: int) -> NDArray[np.int64]:
    return np.array([value], np.int64)


def _ends(octets: NDArray[np.uint8], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index of the last byte of every value, and the number of values in each piece; no piece may end within a value."""
    last = octets < 0x80
    ends = np.flatnonzero(last)
    stops = np.cumsum(lengths)
    if not bool(last[stops[lengths > 0] - 1].all()):
        raise Rejected("varint: cut short within a value")
    return ends, np.diff(np.searchsorted(ends, stops), prepend=0)


def _values(octets: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    if len(ends) == len(octets):
        return octets.astype(np.uint64)
    lengths = np.diff(ends, prepend=-1)
    starts = ends - lengths + 1
    longest = int(lengths.max())
    if longest > _LONGEST or bool(((octets[ends] == 0) & (lengths > 1)).any()) or bool((octets[ends[lengths == _LONGEST]] > 1).any()):
        raise Rejected("varint: a value is spelt too long")
    values = (octets[starts] & np.uint8(0x7F)).astype(np.uint64)
    reach = np.arange(len(ends))
    for place in range(1, longest):
        reach = reach[lengths[reach] > place]
        values[reach] |= (octets[starts[reach] + place] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * place)
    return values


def zigzag(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 → 0, 1, 2, 3."""
    return ((values << np.int64(1)) ^ (values >> np.int64(63))).view(np.uint64)


def unzigzag(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The inverse of `zigzag`."""
    return (values >> np.uint64(1)).view(np.int64) ^ -(values & np.uint64(1)).view(np.int64)


def pack_deltas(values: NDArray[np.int64]) -> bytes:
    """Differences to the value before (the first to 0), zigzag, LEB128; differences wrap modulo 2^64, so that every column round-trips."""
    return pack_unsigned(zigzag(np.diff(values, prepend=np.int64(0))))


def unpack_deltas(data: bytes, count: int) -> NDArray[np.int64]:
    """The inverse of `pack_deltas`: i64[count]. Raises Rejected as `unpack_unsigned`."""
    return unpack_deltas_pieces(data, _one(len(data)), _one(count))


def unpack_deltas_pieces(data: bytes, lengths: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Many columns of deltas at once, as `unpack_unsigned_pieces`; each piece begins again at 0."""
    total = np.cumsum(unzigzag(unpack_unsigned_pieces(data, lengths, counts)), dtype=np.int64)
    if len(counts) > 1:
        starts = np.cumsum(counts) - counts
        # What ran up to the start of a piece is taken off again: exact, since sums wrap modulo 2^64.
        base = np.where(starts > 0, total[starts - 1], 0) if len(total) else starts
        total -= np.repeat(base, counts)
    return total


def pack_runs(values: NDArray[np.int64]) -> bytes:
    """Runs of equal values as LEB128 pairs (value, length); values are not negative."""
    if len(values) == 0:
        return b""
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    lengths = np.diff(starts, append=len(values))
    return pack_unsigned(np.column_stack((values[starts], lengths)).ravel().astype(np.uint64))


def unpack_runs(data: bytes, count: int) -> NDArray[np.int64]:
    """The inverse of `pack_runs`: i64[count].

    Raises:
        Rejected: the runs do not add up to `count`, a run is empty, or two neighbours should have been one.
    """
    values, lengths, _ = unpack_runs_pieces(data, _one(len(data)), _one(count))
    return np.repeat(values, lengths)


def unpack_runs_pieces(
    data: bytes, lengths: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Many columns of runs at once: piece i is lengths[i] bytes and stands for counts[i] values.

    Returns:
        The runs of all pieces: value, length, and the number of runs in each piece.
    Raises:
        Rejected: as `unpack_runs`, for any piece.
    """
    octets = np.frombuffer(data, np.uint8)
    ends, numbers = _ends(octets, lengths)
    if bool((numbers & 1).any()):
        raise Rejected("runs: an odd number of values")
    pairs = _values(octets, ends)
    values, run = pairs[0::2], pairs[1::2]
    if bool((run == 0).any()) or bool((run > np.uint64(max(0, int(counts.max(initial=0))))).any()) or bool((values > 2**31).any()):
        raise Rejected("runs: a length or a value out of range")
    stops = np.cumsum(numbers >> 1)
    reached = np.concatenate(([0], np.cumsum(run.astype(np.int64))))
    if bool((np.diff(reached[stops], prepend=0) != counts).any()):
        raise Rejected("runs: lengths do not add up")
    same = np.concatenate(([False], values[1:] == values[:-1], [False]))
    same[stops] = False  # the first run of the next piece
    if bool(same.any()):
        raise Rejected("runs: one run cut in two")
    return values.astype(np.int64), run.astype(np.int64), numbers >> 1
