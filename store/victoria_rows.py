"""Rows as VictoriaMetrics' series and back: one line a reading, whose value and delay become samples of two series. Pure.

    chejian,signal=cnc-01/power f64=3120.5,delay=1500 1790000000000
    chejian,signal=cnc-01/power,quality=2,status=BadNoCommunication bad=0,delay=900 1790000001000

become chejian_f64{signal="cnc-01/power"}, chejian_delay{signal="cnc-01/power"}, chejian_bad{…} and so on. Delay is received time less source time,
µs. Names and statuses are percent-encoded, so that nothing in them can be mistaken for syntax.
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.engine import RefusedRows
from workshop.block import Block
from workshop.reading import ValueKind

EXACT_INTEGER = 2**53
VALUES = {"f64": ValueKind.F64, "i64": ValueKind.I64, "bad": ValueKind.NONE}


class Series(msgspec.Struct):
    """One line of an export: labels with `__name__`, values and times in ms."""

    metric: dict[str, str]
    values: list[float | str | None]
    timestamps: list[int]


def encoded(name: str) -> str:
    """A signal or status as it stands in a label."""
    return quote(name, safe="/")


def decoded(label: str) -> str:
    """The signal or status that stands in a label."""
    return unquote(label)


def sift(block: Block, *, cut_times: bool, oldest_ms: int, newest_ms: int) -> tuple[NDArray[np.int64], list[RefusedRows]]:
    """Indices of the rows that VictoriaMetrics can hold, and the others with the reason.

    Args:
        cut_times: finer times are cut to the millisecond instead of refused.
        oldest_ms, newest_ms: what the server's retention lets in.
    """
    fits = np.ones(len(block), np.bool_)
    refused: list[RefusedRows] = []
    delay = np.abs(block.received_time_us - block.source_time_us)
    time_ms = block.source_time_us // 1000
    beyond = (block.kind == ValueKind.I64) & ((block.value_i64 > EXACT_INTEGER) | (block.value_i64 < -EXACT_INTEGER))
    for wrong, reason in (
        (block.kind == ValueKind.TEXT, "VictoriaMetrics holds numbers only, this is text"),
        (beyond, "VictoriaMetrics holds integers up to 2^53 only"),
        (np.zeros(len(block), np.bool_) if cut_times else block.source_time_us % 1000 != 0,
         "VictoriaMetrics holds times to the millisecond, this one is finer; finer_times = \"cut\" cuts them"),
        ((time_ms < oldest_ms) | (time_ms > newest_ms), "outside the server's -retentionPeriod, or more than two days ahead of its clock"),
        (delay > EXACT_INTEGER, "received and source time lie more than 2^53 µs apart"),
    ):
        if bool((wrong & fits).any()):
            refused.append(RefusedRows(np.flatnonzero(wrong & fits), reason))
            fits &= ~wrong
    return np.flatnonzero(fits), refused


def lines(block: Block, measurement: str) -> list[bytes]:
    """The rows as line protocol with times in ms; rows that were sifted."""
    heads: dict[tuple[int, int, int], bytes] = {}
    name = encoded(measurement)
    made: list[bytes] = []
    delays = (block.received_time_us - block.source_time_us // 1000 * 1000).tolist()
    times = (block.source_time_us // 1000).tolist()
    columns = zip(
        block.signal.tolist(), block.quality.tolist(), block.status.tolist(), block.kind.tolist(), block.value_f64.tolist(),
        block.value_i64.tolist(), delays, times, strict=True,
    )
    for signal, quality, status, kind, f64, i64, delay, time_ms in columns:
        head = heads.get((signal, quality, status))
        if head is None:
            tags = f"{name},signal={encoded(block.signals[signal])}"
            tags += f",quality={quality}" if quality else ""
            tags += f",status={encoded(block.statuses[status])}" if block.statuses[status] else ""
            head = heads[signal, quality, status] = tags.encode()
        value = b"f64=%r" % f64 if kind == ValueKind.F64 else b"i64=%d" % i64 if kind == ValueKind.I64 else b"bad=0"
        made.append(b"%b %b,delay=%d %d" % (head, value, delay, time_ms))
    return made


def block_from(found: Iterable[Series], signals: Sequence[str], measurement: str) -> Block:
    """The rows of an export, sorted by (signal in the order given, time); of two at one time the one received later."""
    prefix = encoded(measurement) + "_"
    delays: dict[tuple[str, str, str], dict[int, int]] = {}
    values: list[tuple[str, str, str, ValueKind, Series]] = []
    for series in found:
        labels = series.metric
        key = (decoded(labels.get("signal", "")), labels.get("quality", "0"), decoded(labels.get("status", "")))
        what = labels.get("__name__", "").removeprefix(prefix)
        if what == "delay":
            held = delays.setdefault(key, {})
            held.update((time_ms, round(float(value or 0))) for time_ms, value in zip(series.timestamps, series.values, strict=True))
        elif what in VALUES:
            values.append((*key, VALUES[what], series))
    place = {name: i for i, name in reversed(list(enumerate(signals)))}
    return _assemble([item for item in values if item[0] in place], delays, place)


def _assemble(
    values: Sequence[tuple[str, str, str, ValueKind, Series]], delays: Mapping[tuple[str, str, str], Mapping[int, int]], place: Mapping[str, int],
) -> Block:
    statuses: dict[str, int] = {"": 0}
    used = sorted({item[0] for item in values}, key=lambda name: place[name])
    own = {name: i for i, name in enumerate(used)}
    pieces: list[list[NDArray[np.float64] | NDArray[np.int64]]] = []
    for signal, quality, status, kind, series in values:
        n = len(series.timestamps)
        times = np.array(series.timestamps, np.int64)
        held = delays.get((signal, quality, status), {})
        late = np.array([held.get(time_ms, 0) for time_ms in series.timestamps], np.int64)
        numbers = np.array([float(value or 0) for value in series.values], np.float64)
        column = (own[signal], kind, int(quality), statuses.setdefault(status, len(statuses)))
        pieces.append([*(np.full(n, item, np.int64) for item in column), times * 1000, times * 1000 + late, numbers])
    columns = [np.concatenate([piece[i] for piece in pieces]) if pieces else np.zeros(0) for i in range(7)]
    order = np.lexsort((columns[5], columns[4], columns[0]))
    signal_, time = columns[0][order], columns[4][order]
    # Series differ by quality and status: one more row at the same time is the same reading seen twice.
    last = np.append((signal_[1:] != signal_[:-1]) | (time[1:] != time[:-1]), [True] * bool(len(order)))
    order = order[last.astype(np.bool_)]
    kind_, number = columns[1][order].astype(np.uint8), columns[6][order].astype(np.float64)
    return Block(
        used, list(statuses), columns[0][order].astype(np.int32), columns[4][order].astype(np.int64), columns[5][order].astype(np.int64), kind_,
        np.where(kind_ == ValueKind.F64, number, 0.0), np.where(kind_ == ValueKind.I64, number, 0.0).astype(np.int64), [],
        columns[2][order].astype(np.uint8), columns[3][order].astype(np.int32),
    )
