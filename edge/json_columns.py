"""JSON payloads as columns: many good messages of one shape at once, without an object per value. Pure.

Whatever is not plainly good (a path that is no chain of names, a missing field, another type, a time out of range) is left to `PayloadReader`, which
is the reference: a test compares the two on generated payloads.
"""

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.gathering import EARLIEST_US, LATEST_US, MAX_TEXT
from edge.json_payload import PayloadReader
from edge.json_values import EXACT_INTEGER, UNIT_US, to_us
from workshop.block import Block
from workshop.errors import Rejected
from workshop.reading import ValueKind
from workshop.signal import SignalKind

Getter = Callable[[Any], Any]
_NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_ODD = (KeyError, TypeError, ValueError, OverflowError, Rejected)
_NUMBERS = {float, int}


class Good(msgspec.Struct, gc=False):
    """A message that has been taken and waits for its column."""

    reader: PayloadReader
    content: Any
    payload: bytes
    received_us: int


class Shape:
    """What topics have in common whose payloads look alike: paths, kinds, block."""

    def __init__(self, reader: PayloadReader) -> None:
        block = reader.block
        self.waiting: list[Good] = []
        self._kinds = [signal.kind for signal, _ in reader.fields]
        self._getters = [getter_of(path) for _, path in reader.fields]
        self._time, self._form = getter_of(block.time or ""), block.time_format
        self.sequence, self.boot = getter_of(block.sequence or ""), getter_of(block.boot or "")
        known = [self._time or block.time is None, self.sequence or block.sequence is None, self.boot or block.boot is None]
        self.is_plain = all(known) and all(self._getters) and block.samples is None
        """Whether messages of this shape can be columns at all."""

    def block(self) -> Block | None:
        """All waiting messages as rows, the oldest of each signal first; None if one of them is odd and each has to be looked at alone."""
        try:
            return self._columns(self.waiting)
        except _ODD:
            return None

    def _columns(self, rows: list[Good]) -> Block:
        contents = [row.content for row in rows]
        count, width = len(rows), len(self._getters)
        received = np.fromiter((row.received_us for row in rows), np.int64, count)
        times = self._times(contents, rows)
        if int(times.min()) < EARLIEST_US or int(times.max()) >= LATEST_US:
            raise ValueError
        bases: dict[PayloadReader, int] = {}
        base = np.fromiter((bases.setdefault(row.reader, len(bases) * width) for row in rows), np.int32, count)
        size = count * width
        kind, f64, i64 = np.empty(size, np.uint8), np.zeros(size, np.float64), np.zeros(size, np.int64)
        text: list[str] = []
        for number, (getter, wanted) in enumerate(zip(self._getters, self._kinds, strict=True)):
            assert getter is not None  # noqa: S101 – is_plain
            place = slice(number * count, (number + 1) * count)
            values = [getter(content) for content in contents]
            kind[place] = found = _column(values, wanted, f64[place], i64[place])
            if found == ValueKind.TEXT:
                text += [""] * (number * count - len(text)) + values
        if text:
            text += [""] * (size - len(text))
        signal = np.concatenate([base + number for number in range(width)])
        return Block(
            [name for reader in bases for name in reader.signals], [""], signal.astype(np.int32, copy=False), np.tile(times, width),
            np.tile(received, width), kind, f64, i64, text, np.zeros(size, np.uint8), np.zeros(size, np.int32),
        )

    def _times(self, contents: list[Any], rows: list[Good]) -> NDArray[np.int64]:
        if self._time is None or self._form is None:
            return np.fromiter((row.reader.after(row.received_us) for row in rows), np.int64, len(rows))
        values = [self._time(content) for content in contents]
        if self._form == "iso" or set(map(type, values)) != {int}:
            zone = rows[0].reader.zone
            return np.fromiter((to_us(value, self._form, zone) for value in values), np.int64, len(values))
        stamps = np.array(values, np.int64)
        if self._form == "ns":
            return stamps // 1000
        if int(np.abs(stamps).max()) > EXACT_INTEGER // UNIT_US[self._form]:
            raise ValueError
        return stamps * UNIT_US[self._form]


def _column(values: list[Any], kind: SignalKind, f64: NDArray[np.float64], i64: NDArray[np.int64]) -> ValueKind:
    """Fills the column in which these values belong.

    Raises:
        ValueError, OverflowError: not all of them are good and of one type.
    """
    types = set(map(type, values))
    if kind is SignalKind.GAUGE and types <= _NUMBERS:
        f64[:] = values
        if not np.isfinite(f64).all() or (int in types and float(np.abs(f64).max()) >= EXACT_INTEGER):
            raise ValueError
        return ValueKind.F64
    if (types == {int} and kind is not SignalKind.TEXT) or (types <= {int, bool} and kind is SignalKind.STATE):
        i64[:] = values
        return ValueKind.I64
    if types == {str} and kind in (SignalKind.TEXT, SignalKind.EVENT):
        whole = "".join(values)
        whole.encode()
        if len(whole) > MAX_TEXT and max(map(len, values)) > MAX_TEXT:
            raise ValueError
        return ValueKind.TEXT
    raise ValueError


def getter_of(path: str) -> Getter | None:
    """A function for a path that is a chain of names, None for any other. It raises KeyError or TypeError where JMESPath finds nothing."""
    if not _NAMES.fullmatch(path):
        return None
    names = path.split(".")
    if len(names) == 1:
        return itemgetter(names[0])
    if len(names) == 2:
        first, second = names
        return lambda content: content[first][second]

    def get(content: Any) -> Any:
        for name in names:
            content = content[name]
        return content

    return get
