"""Columns of a message as rows of a block, without an object per value; what needs a look of its own is gathered one by one. Pure."""

from typing import NamedTuple

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from edge.gathering import EARLIEST_US, LATEST_US, Gathering
from edge.opcua.items import FLOATS, FROM_SOURCE, OTHER, UNSTAMPED, WHOLE, Items, Unfit
from edge.opcua.values import CODE_MASK, INFO_MASK, OVERFLOWED, SEVERITY_SHIFT, WAITING, gather_one, said_of
from workshop.block import Block
from workshop.reading import Quality, ValueKind

_NOT_FINITE = "NotFinite"


class Plain(NamedTuple):
    """What a message says, row by row, as far as columns can say it."""

    quality: NDArray[np.uint8]
    time_us: NDArray[np.int64]
    bulk: NDArray[np.bool_]
    """Rows for the block."""
    single: NDArray[np.int64]
    """Rows to be gathered one by one: of signals that have a row here that is more than a reading."""


def gather_items(gathering: Gathering, items: Items, signals: list[str], received_us: int) -> None:
    """Adds the values of one message; a client handle is a place in `signals`, and others are not ours."""
    plain = _sort(items, len(signals), received_us)
    if plain.bulk.any():
        gathering.extend(_block(items, plain, signals, received_us))
    for row in plain.single.tolist():
        stamped, code, signal = int(items.stamped[row]), int(items.code[row]), signals[int(items.handle[row])]
        value = variant_of(items, row)
        if isinstance(value, Unfit):
            gathering.refuse(value.payload.encode(errors="backslashreplace"), f"{signal}: {value.reason}", (signal,))
        else:
            gather_one(gathering, signal, value, code, int(items.time_us[row]), stamped, received_us)


def variant_of(items: Items, row: int) -> ua.Variant | Unfit | None:
    """The value of one row as asyncua would have decoded it; None where there is none."""
    kind = int(items.kind[row])
    if kind == OTHER:
        return items.others[row]
    if kind == 0:
        return None
    value = float(items.value_f64[row]) if kind in FLOATS else int(items.value_i64[row])
    return ua.Variant(bool(value) if kind == ua.VariantType.Boolean.value else value, ua.VariantType(kind))


def _sort(items: Items, signals: int, received_us: int) -> Plain:
    quality = np.minimum(items.code >> np.uint32(SEVERITY_SHIFT), np.uint32(Quality.BAD)).astype(np.uint8)
    time_us = np.where(items.stamped == UNSTAMPED, received_us, items.time_us)
    has_overflowed = items.code & np.uint32(INFO_MASK) == OVERFLOWED
    is_waiting = (items.code & np.uint32(CODE_MASK) == WAITING) & ~has_overflowed & (items.stamped != FROM_SOURCE)
    ours = (items.handle >= 0) & (items.handle < signals) & ~is_waiting
    has_value = (items.kind >= min(WHOLE)) & (items.kind <= max(FLOATS))
    bulk = ours & ~has_overflowed & (has_value | (quality == Quality.BAD)) & (time_us >= EARLIEST_US) & (time_us < LATEST_US)
    single = ours & ~bulk
    if single.any():
        # In the order of the message, also against the other rows of the same signal.
        marked = np.zeros(signals, np.bool_)
        marked[items.handle[single]] = True
        single = ours & marked[np.where(ours, items.handle, 0)]
        bulk &= ~single
    return Plain(quality, time_us, bulk, np.flatnonzero(single))


def _block(items: Items, plain: Plain, signals: list[str], received_us: int) -> Block:
    rows: slice | NDArray[np.bool_] = slice(None) if plain.bulk.all() else plain.bulk
    quality, type_, value_f64, value_i64 = plain.quality[rows], items.kind[rows], items.value_f64[rows], items.value_i64[rows]
    code, stamped = items.code[rows], items.stamped[rows]
    is_bad = quality == Quality.BAD
    is_odd = ~np.isfinite(value_f64) & ~is_bad
    is_float = type_ >= min(FLOATS)
    is_none = is_bad | is_odd
    count = len(quality)
    if is_none.any():
        quality = np.where(is_odd, np.uint8(Quality.BAD), quality)
        value_f64, value_i64 = np.where(is_none, 0.0, value_f64), np.where(is_none, 0, value_i64)
    kind = np.where(is_none, np.uint8(ValueKind.NONE), np.where(is_float, np.uint8(ValueKind.F64), np.uint8(ValueKind.I64)))
    if not code.any() and not stamped.any() and not is_odd.any():
        statuses, status = [""], np.zeros(count, np.int32)
    else:
        key = code.astype(np.int64) << 3 | stamped.astype(np.int64) << 1 | is_odd
        found, inverse = np.unique(key, return_inverse=True)
        said = [said_of(each >> 3, each >> 1 & 3) or (_NOT_FINITE if each & 1 else "") for each in found.tolist()]
        statuses = list(dict.fromkeys(["", *said]))
        status = np.array([statuses.index(each) for each in said], np.int32)[inverse.reshape(-1)]
    return Block(
        signals, statuses, items.handle[rows].astype(np.int32), plain.time_us[rows], np.full(count, received_us, np.int64), kind, value_f64,
        value_i64, [], quality, status,
    )
