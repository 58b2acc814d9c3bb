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
    octets = np.frombuffer(data, np.uint8)
    last = octets < 0x80
    ends = np.flatnonzero(last)
    if len(ends) != count or (len(octets) and not last[-1]):
        raise Rejected(f"varint: {len(ends)} values, expected {count}")
    if count == 0:
        return np.zeros(0, np.uint64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if int(lengths.max()) > _LONGEST or bool(((octets[ends] == 0) & (lengths > 1)).any()) or bool((octets[ends[lengths == _LONGEST]] > 1).any()):
        raise Rejected("varint: a value is spelt too long")
    values = np.zeros(count, np.uint64)
    for place in range(int(lengths.max())):
        reach = lengths > place
        values[reach] |= (octets[starts[reach] + place].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * place)
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
    return np.cumsum(unzigzag(unpack_unsigned(data, count)), dtype=np.int64)


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
    numbers = sum(octet < 0x80 for octet in data) if len(data) < 64 else int((np.frombuffer(data, np.uint8) < 0x80).sum())
    pairs = unpack_unsigned(data, numbers)
    if numbers % 2:
        raise Rejected("runs: an odd number of values")
    values, lengths = pairs[0::2], pairs[1::2]
    if bool((lengths == 0).any()) or bool((lengths > count).any()) or int(lengths.sum()) != count:
        raise Rejected(f"runs: lengths do not add up to {count}")
    if bool((values > 2**31).any()) or bool((values[1:] == values[:-1]).any()):
        raise Rejected("runs: a value out of range, or one run cut in two")
    return np.repeat(values.astype(np.int64), lengths.astype(np.int64))
