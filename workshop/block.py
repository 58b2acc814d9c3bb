"""Blocks: many readings as columns. What sources yield and engines take; the hot path makes no object per value."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.errors import Rejected
from workshop.reading import Quality, Reading, Value, ValueKind

I64_MIN, I64_MAX = -(2**63), 2**63 - 1


class Block(msgspec.Struct, frozen=True):
    """n readings as columns; `signal` and `status` index the two dictionaries.

    Shapes: every column has n elements. A row's value stands in the column that `kind` names; the other value columns hold 0, 0.0 and "".
    Bad quality if and only if kind is NONE. Times are µs UTC.
    """

    signals: list[str]
    statuses: list[str]
    signal: NDArray[np.int32]
    source_time_us: NDArray[np.int64]
    received_time_us: NDArray[np.int64]
    kind: NDArray[np.uint8]
    value_f64: NDArray[np.float64]
    value_i64: NDArray[np.int64]
    value_text: list[str]
    """n texts, or an empty list when no row is text."""
    quality: NDArray[np.uint8]
    status: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.signal)

    def value(self, row: int) -> Value:
        """The value of one row as a Python object; for borders and tests."""
        match ValueKind(int(self.kind[row])):
            case ValueKind.F64:
                return float(self.value_f64[row])
            case ValueKind.I64:
                return int(self.value_i64[row])
            case ValueKind.TEXT:
                return self.value_text[row]
            case _:
                return None

    def reading(self, row: int) -> Reading:
        """One row as a `Reading`."""
        return Reading(
            self.signals[int(self.signal[row])], int(self.source_time_us[row]), int(self.received_time_us[row]), self.value(row),
            Quality(int(self.quality[row])), self.statuses[int(self.status[row])],
        )

    def readings(self) -> list[Reading]:
        """All rows as readings, in order; for borders and tests."""
        return [self.reading(row) for row in range(len(self))]

    def take(self, rows: NDArray[Any]) -> "Block":
        """The rows named by an index array or a boolean mask, with the same dictionaries."""
        indices = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        text = [self.value_text[i] for i in indices.tolist()] if self.value_text else []
        return Block(
            self.signals, self.statuses, self.signal[indices], self.source_time_us[indices], self.received_time_us[indices], self.kind[indices],
            self.value_f64[indices], self.value_i64[indices], text, self.quality[indices], self.status[indices],
        )


def empty_block() -> Block:
    """A block of no readings."""
    return block_of([])


def block_of(readings: Iterable[Reading]) -> Block:
    """A block from single readings, in their order.

    NaN and infinity become bad quality with status "NotFinite" (or the device's own); booleans become integers.
    Raises:
        Rejected: an integer outside 64 bits, a value of another type, text that is not valid Unicode, or a bad reading with a value.
    """
    rows = list(readings)
    signals: dict[str, int] = {}
    statuses: dict[str, int] = {"": 0}
    n = len(rows)
    kind, quality = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    f64, i64, text, any_text = np.zeros(n, np.float64), np.zeros(n, np.int64), [""] * n, False
    signal, status = np.zeros(n, np.int32), np.zeros(n, np.int32)
    for row, reading in enumerate(rows):
        value, trust, said = reading.value, reading.quality, reading.status
        if (value is None) != (trust is Quality.BAD):
            raise Rejected(f"{reading.signal}: bad quality and a missing value belong together; got {value!r} with {trust.name}")
        if isinstance(value, float) and not math.isfinite(value):
            value, trust, said = None, Quality.BAD, said or "NotFinite"
        if isinstance(value, bool | int):
            if not I64_MIN <= value <= I64_MAX:
                raise Rejected(f"{reading.signal}: integer {value} does not fit in 64 bits")
            kind[row], i64[row] = ValueKind.I64, int(value)
        elif isinstance(value, float):
            kind[row], f64[row] = ValueKind.F64, value
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise Rejected(f"{reading.signal}: text is not valid Unicode") from error
            kind[row], text[row], any_text = ValueKind.TEXT, value, True
        elif value is not None:
            raise Rejected(f"{reading.signal}: a value of type {type(value).__name__} is neither number nor text")
        quality[row] = trust
        signal[row] = signals.setdefault(reading.signal, len(signals))
        status[row] = statuses.setdefault(said, len(statuses))
    return Block(
        list(signals), list(statuses), signal, np.array([r.source_time_us for r in rows], np.int64),
        np.array([r.received_time_us for r in rows], np.int64), kind, f64, i64, text if any_text else [], quality, status,
    )


def concat(blocks: Sequence[Block]) -> Block:
    """One block of all rows in order; dictionaries are merged."""
    if len(blocks) == 1:
        return blocks[0]
    if not blocks:
        return empty_block()
    signals, signal = _merge([(block.signals, block.signal) for block in blocks], {})
    statuses, status = _merge([(block.statuses, block.status) for block in blocks], {"": 0})
    any_text = any(block.value_text for block in blocks)
    text = [value for block in blocks for value in (block.value_text or [""] * len(block))] if any_text else []
    return Block(
        signals, statuses, np.concatenate(signal), np.concatenate([b.source_time_us for b in blocks]),
        np.concatenate([b.received_time_us for b in blocks]), np.concatenate([b.kind for b in blocks]), np.concatenate([b.value_f64 for b in blocks]),
        np.concatenate([b.value_i64 for b in blocks]), text, np.concatenate([b.quality for b in blocks]), np.concatenate(status),
    )


def _merge(columns: list[tuple[list[str], NDArray[np.int32]]], merged: dict[str, int]) -> tuple[list[str], list[NDArray[np.int32]]]:
    """One dictionary for columns that index dictionaries of their own. A dictionary that is the same list as another is looked at once."""
    first = columns[0][0]
    if all(own is first for own, _ in columns):
        return first, [column for _, column in columns]
    places: dict[int, NDArray[np.int32]] = {}
    for own, _ in columns:
        if id(own) not in places:
            places[id(own)] = _remap(own, merged)
    return list(merged), [places[id(own)][column] for own, column in columns]


def _remap(own: list[str], merged: dict[str, int]) -> NDArray[np.int32]:
    # One spare element, so that an empty dictionary can still be indexed by an empty column.
    return np.array([merged.setdefault(name, len(merged)) for name in own] + [0], np.int32)


def check_block(block: Block) -> None:
    """Refuses columns that do not fit together; for blocks that come from outside.

    Raises:
        Rejected: unequal lengths, an index outside its dictionary, an unknown kind or quality, quality and kind at odds, a float that is not finite.
    """
    n = len(block)
    columns = (block.source_time_us, block.received_time_us, block.kind, block.value_f64, block.value_i64, block.quality, block.status)
    if any(len(column) != n for column in columns) or len(block.value_text) not in (0, n):
        raise Rejected("block: columns of unequal length")
    if n == 0:
        return
    if block.signal.min() < 0 or block.signal.max() >= len(block.signals):
        raise Rejected("block: signal index outside its dictionary")
    if block.status.min() < 0 or block.status.max() >= len(block.statuses):
        raise Rejected("block: status index outside its dictionary")
    if block.kind.max() > ValueKind.TEXT or block.quality.max() > Quality.BAD:
        raise Rejected("block: unknown value kind or quality")
    if bool(((block.kind == ValueKind.NONE) != (block.quality == Quality.BAD)).any()):
        raise Rejected("block: bad quality and a missing value belong together")
    if not bool(np.isfinite(block.value_f64).all()):
        raise Rejected("block: a float is NaN or infinite")
    if not block.value_text and bool((block.kind == ValueKind.TEXT).any()):
        raise Rejected("block: a text row without text")
