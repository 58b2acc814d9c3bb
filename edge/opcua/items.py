"""Notified values from bytes to columns: runs of items of one type and layout with numpy, every other value with asyncua's decoder. Pure.

A MonitoredItemNotification is a handle and a DataValue (OPC 10000-4, 7.25.2; OPC 10000-6, 5.2.2.17: mask, value, status, source time, its
picoseconds, server time, its picoseconds). asyncua 2.1 expects both picoseconds after both times, and so takes a server time that follows source
picoseconds for another time: it is given the values alone.
"""

import struct
from functools import cache
from typing import NamedTuple

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from edge.opcua.extent import SCALARS, need, stamps_bytes, variant_end
from workshop.errors import Rejected

OTHER = 255
"""As the kind of a row: its value stands in `others`."""
FROM_SOURCE, FROM_SERVER, UNSTAMPED = 0, 1, 2
FLOATS = (10, 11)
WHOLE = tuple(range(1, 10))
_FORMATS = {1: "u1", 2: "i1", 3: "u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8"}
_VALUE, _STATUS, _SOURCE, _SERVER, _NO_MASK = 0x01, 0x02, 0x04, 0x08, 0xC0
_EPOCH_100NS = 116_444_736_000_000_000
_LATEST_100NS = 2_650_467_743_990_000_000
"""31 Dec 9999: where DateTime ends (OPC 10000-6, 5.2.2.5)."""
_FIRST_100NS = 10
"""Whoever has no time sends none, or the smallest (5.2.2.5): within the first microsecond of 1601."""
_I64_END = 2**63
_FIRST_WINDOW = 32


class Unfit(NamedTuple):
    """Something that came and can be no reading."""

    reason: str
    payload: str


class Items(NamedTuple):
    """n values in the order of the message."""

    handle: NDArray[np.int64]
    """Client handles; -1 in an array of plain DataValues."""
    kind: NDArray[np.uint8]
    """Built-in type 1 to 11; 0 where there is no value; OTHER."""
    value_f64: NDArray[np.float64]
    value_i64: NDArray[np.int64]
    code: NDArray[np.uint32]
    """StatusCode."""
    time_us: NDArray[np.int64]
    """µs UTC; 0 where there is none."""
    stamped: NDArray[np.uint8]
    """Whose time it is."""
    others: dict[int, ua.Variant | Unfit]
    """Row → value, or why it is none."""


class _Run(NamedTuple):
    row: int
    at: int
    length: int


def decode_items(data: bytes, at: int, count: int, head: int = 4) -> tuple[Items, int]:
    """`count` items, and the place after them.

    Args:
        head: bytes of the handle before each value; 0 for plain DataValues, as in HistoryData.
    Raises:
        Rejected: cut short, damaged, or a value that asyncua refuses.
    """
    need(data, at, count * (head + 1))
    runs: dict[int, list[_Run]] = {}
    odd: list[tuple[int, int, int, ua.Variant]] = []
    row = 0
    while row < count:
        need(data, at, head + 1)
        mask = data[at + head]
        if mask & _NO_MASK:
            raise Rejected(f"OPC UA message: no mask of a value: 0x{mask:02X} at byte {at + head}")
        kind = 0
        if mask & _VALUE:
            need(data, at, head + 2)
            kind = data[at + head + 1]
        if kind <= 11:
            size = head + 1 + (mask & _VALUE) + SCALARS.get(kind, 0) + stamps_bytes(mask)
            need(data, at, size)
            length = _length(data, at, size, head, 1 + (mask & _VALUE), count - row)
            runs.setdefault(mask << 8 | kind, []).append(_Run(row, at, length))
            row, at = row + length, at + length * size
        else:
            end = variant_end(data, at + head + 1)
            odd.append((row, at, end, _variant(data[at + head + 1 : end])))
            row, at = row + 1, need(data, end, stamps_bytes(mask))
    return _gather(data, runs, odd, count, head), at


def _length(data: bytes, at: int, size: int, head: int, alike: int, limit: int) -> int:
    """How many items from here on have this one's mask and type. Each begins where the one before ends, so that none is taken for what it is not."""
    limit = min(limit, (len(data) - at) // size)
    place = at + head
    same = data[place : place + alike]
    if limit == 1 or data[place + size : place + size + alike] != same:
        return 1
    found, window = 2, _FIRST_WINDOW
    while found < limit:
        number = min(window, limit - found)
        octets = np.frombuffer(data, np.uint8, number * size, at + found * size).reshape(number, size)
        differs = octets[:, head] != same[0]
        if alike == 2:
            differs |= octets[:, head + 1] != same[1]
        first = int(differs.argmax())
        if differs[first]:
            return found + first
        found, window = found + number, 4 * window
    return found


def _variant(data: bytes) -> ua.Variant:
    try:
        return variant_from_binary(Buffer(data))
    except (UaError, struct.error, ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
        raise Rejected(f"OPC UA message: a value that cannot be read: {str(error) or type(error).__name__}") from error


def _gather(data: bytes, runs: dict[int, list[_Run]], odd: list[tuple[int, int, int, ua.Variant]], count: int, head: int) -> Items:
    items = Items(
        np.full(count, -1, np.int64), np.zeros(count, np.uint8), np.zeros(count, np.float64), np.zeros(count, np.int64),
        np.zeros(count, np.uint32), np.zeros(count, np.int64), np.full(count, UNSTAMPED, np.uint8), {},
    )
    for layout, members in runs.items():
        mask, kind = layout >> 8, layout & 0xFF
        dtype = _dtype(mask, kind, head)
        rows, records = _records(data, members, dtype)
        items.kind[rows] = kind
        if head:
            items.handle[rows] = records["handle"]
        if kind in FLOATS:
            items.value_f64[rows] = records["value"]
        elif kind == ua.VariantType.Boolean.value:
            items.value_i64[rows] = records["value"] != 0
        elif kind:
            items.value_i64[rows] = records["value"].astype(np.int64)
        if kind == ua.VariantType.UInt64.value:
            for place in np.flatnonzero(records["value"] >= _I64_END).tolist():
                row = place + rows.start if isinstance(rows, slice) else int(rows[place])
                items.kind[row], items.value_i64[row] = OTHER, 0
                items.others[row] = ua.Variant(int(records["value"][place]), ua.VariantType.UInt64)
        _stamp(items, rows, mask, records)
    for row, at, end, variant in odd:
        mask = data[at + head]
        if head:
            items.handle[row] = int.from_bytes(data[at : at + head], "little")
        items.kind[row] = OTHER
        items.others[row] = variant
        if stamps_bytes(mask):
            _stamp(items, slice(row, row + 1), mask, np.frombuffer(data, _dtype(mask & ~_VALUE, 0, -1), 1, end))
    return items


_Rows = slice | NDArray[np.int64]


def _records(data: bytes, members: list[_Run], dtype: "np.dtype[np.void]") -> tuple[_Rows, NDArray[np.void]]:
    """The items of one layout, as records, and their rows."""
    if len(members) == 1:
        run = members[0]
        return slice(run.row, run.row + run.length), np.frombuffer(data, dtype, run.length, run.at)
    table = np.array(members, np.int64)
    within = np.arange(table[:, 2].sum()) - np.repeat(np.cumsum(table[:, 2]) - table[:, 2], table[:, 2])
    places = np.repeat(table[:, 1], table[:, 2]) + within * dtype.itemsize
    octets = np.frombuffer(data, np.uint8)[places[:, None] + np.arange(dtype.itemsize)]
    return np.repeat(table[:, 0], table[:, 2]) + within, octets.view(dtype).reshape(-1)


def _stamp(items: Items, rows: _Rows, mask: int, records: NDArray[np.void]) -> None:
    if mask & _STATUS:
        items.code[rows] = records["status"]
    if mask & _SERVER:
        ticks = records["server"]
        items.stamped[rows] = np.where(ticks >= _FIRST_100NS, FROM_SERVER, UNSTAMPED)
        items.time_us[rows] = _time_us(ticks)
    if mask & _SOURCE:
        ticks = records["source"]
        there = ticks >= _FIRST_100NS
        items.stamped[rows] = np.where(there, FROM_SOURCE, items.stamped[rows])
        items.time_us[rows] = np.where(there, _time_us(ticks), items.time_us[rows])


def _time_us(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(ticks >= _FIRST_100NS, np.minimum(ticks, _LATEST_100NS) // 10 - _EPOCH_100NS // 10, 0)


@cache
def _dtype(mask: int, kind: int, head: int) -> "np.dtype[np.void]":
    """One item as a record; `head` -1 for what follows a value."""
    at = max(head, 0)
    names, formats, offsets = (["handle"], ["<u4"], [0]) if head == 4 else ([], [], [])  # type: tuple[list[str], list[str], list[int]]

    def add(name: str, form: str, size: int) -> None:
        nonlocal at
        names.append(name)
        formats.append(form)
        offsets.append(at)
        at += size

    at += 0 if head < 0 else 1 + (mask & _VALUE)
    if kind:
        add("value", _FORMATS[kind], SCALARS[kind])
    if mask & _STATUS:
        add("status", "<u4", 4)
    if mask & _SOURCE:
        add("source", "<i8", 8)
    at += 2 * (mask >> 4 & 1)
    if mask & _SERVER:
        add("server", "<i8", 8)
    at += 2 * (mask >> 5 & 1)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": max(at, 1)})
