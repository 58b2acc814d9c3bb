"""Series: the readings of one signal as columns in order of time, each fact once; and the inputs of an indicator cut from them.

What happens to readings that say the same time twice is a function of the set of readings alone, not of the order in which they are given: the same
value again counts once; of conflicting values the one received first stays, and the others are counted as conflicts. Texts are read only where an
indicator names their role: as numbers of a sorted list of texts, so that they are facts like any other.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.missing import NOTHING, Missing, Spans, clipped
from analytics.texts import EXACT, is_text, text_numbers
from workshop.block import Block
from workshop.calendar import scheduled_windows, service_window
from workshop.reading import Quality, ValueKind
from workshop.register import Equipment, Workshop
from workshop.signal import Origin, Signal, SignalKind, signal_id
from workshop.window import HOUR_US, SECOND_US, Window

T = TypeVar("T")

LOOKBACK_US = HOUR_US
"""How far before a window readings can matter to it. No value is held longer, and a counter silent for longer begins anew."""

ENERGY_SCALES = {"W.h": 1_000, "kW.h": 1_000_000}
"""Energy counters are read in mWh; by UCUM unit."""

MACHINE = "*"
"""Among an indicator's roles: every signal that the machine itself makes. It does not ask for texts: whoever reads them names their role."""


class Series(msgspec.Struct, frozen=True, eq=False):
    """n readings of one signal; times strictly increase. Values of rows that are not good mean nothing.

    Only quality *good* is good: *uncertain* is unknown too, since what nobody vouches for must not support a claim.
    """

    time_us: NDArray[np.int64]
    """Source times, µs UTC."""
    value: NDArray[np.int64] | NDArray[np.float64]
    """i64[n] when every value is an integer, else f64[n]; NaN where it is text. With `texts`: i64[n], numbers of texts."""
    good: NDArray[np.bool_]
    conflict_us: NDArray[np.int64]
    """Source times of readings that contradict one that is kept."""
    texts: tuple[str, ...] = ()
    """Sorted, without repetition, where the series is read as text; it may hold texts that no row says."""

    def __len__(self) -> int:
        return len(self.time_us)

    def span(self, first: int, end: int) -> "Series":
        """The rows [first, end), without conflicts."""
        return Series(self.time_us[first:end], self.value[first:end], self.good[first:end], NO_TIMES, self.texts)

    def integers(self, scale: int = 1) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The values times `scale` as integers, and which of them can be used: good, a number, and below 2^53 when scaled.

        A float is rounded to the nearest integer, halves to even; with scale 1 it must be an integer already. The number of a text is no number.
        """
        if self.texts:
            return np.zeros(len(self), np.int64), np.zeros(len(self), np.bool_)
        limit = EXACT // scale
        with np.errstate(invalid="ignore"):  # NaN compares as it should: False
            usable = self.good & (self.value > -limit) & (self.value < limit)
            if self.value.dtype != np.int64 and scale == 1:
                usable &= self.value == np.rint(self.value)
        whole = np.where(usable, self.value, 0) * scale
        return np.rint(whole).astype(np.int64) if whole.dtype == np.float64 else whole.astype(np.int64), usable


NO_TIMES = np.zeros(0, np.int64)
EMPTY = Series(NO_TIMES, np.zeros(0, np.int64), np.zeros(0, np.bool_), NO_TIMES)


class Inputs(msgspec.Struct, frozen=True, eq=False):
    """What an indicator measures from: one piece of equipment, its series by role in one window, and what is carried into it."""

    equipment: Equipment
    columns: dict[str, Series]
    """By role: rows with source time in the window; a role without a signal is missing."""
    carry_in: dict[str, Series]
    """By role: the last row before the window and, if that one is not good, the last good one too; none older than `LOOKBACK_US`."""
    calendar: tuple[Window, ...]
    """Planned busy time of this equipment in the window."""
    observed: tuple[Window, ...]
    """Time in which it is watched: the planned busy time; all of its service time in the window where the register has no shifts."""
    register: Workshop
    unknown: dict[str, Spans] = {}
    """By role: where its readings are known to be missing, from `LOOKBACK_US` before the window to its end."""
    absent: Spans = ()
    """The same of absent parts alone: nothing of this equipment is known there."""
    memo: dict[tuple[object, ...], object] = {}
    """What was derived from these inputs before, for whoever asks again."""

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives, made once for these inputs; it must be a function of them and of the key."""
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = make()
        return found  # type: ignore[return-value]

    def series(self, role: str) -> Series:
        """Carried rows and the window's rows of a role as one series; empty when there is no such signal."""
        return self.once(("series", role), lambda: self._series(role))

    def _series(self, role: str) -> Series:
        column, carried = self.columns.get(role, EMPTY), self.carry_in.get(role, EMPTY)
        if not len(carried):
            return column
        value = np.concatenate((carried.value, column.value))  # both are spans of one series, so of one type
        return Series(
            np.concatenate((carried.time_us, column.time_us)), value, np.concatenate((carried.good, column.good)),  # type: ignore[arg-type]
            column.conflict_us, carried.texts,
        )

    def said(self, role: str) -> tuple[list[str], NDArray[np.int64], NDArray[np.bool_]]:
        """The texts of a role, for every row of `series` the number of its text, and which rows are good; none is if the role is not read as text."""
        series = self.series(role)
        if series.texts:
            return list(series.texts), series.value.astype(np.int64), series.good
        return [], np.zeros(len(series), np.int64), np.zeros(len(series), np.bool_)

    def signal(self, role: str) -> Signal | None:
        """The definition behind a role; None where this equipment has none that may support a claim."""
        return self.once(("signals",), lambda: {signal.role: signal for signal in reversed(usable_signals(self.equipment))}).get(role)

    def hold_us(self, role: str) -> int:
        """How long a reading of this role may be held, µs."""
        signal = self.signal(role)
        return min(signal.max_age_s * SECOND_US, LOOKBACK_US) if signal else 0

    def scale(self, role: str) -> int:
        """What a reading of this role is multiplied with to be an integer: mWh for energy, 1 for everything else."""
        signal = self.signal(role)
        return scale_of(signal) if signal else 1

    def integers(self, role: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """`Series.integers` of a role in its scale."""
        return self.once(("integers", role), lambda: self.series(role).integers(self.scale(role)))

    def conflicts(self, roles: Sequence[str]) -> int:
        """Number of contradicting readings of these roles in the window."""
        return sum(len(self.columns[role].conflict_us) for role in roles if role in self.columns)


def usable_signals(equipment: Equipment) -> list[Signal]:
    """The signals that may support a claim: all but the derived ones, which are what a model says and not what happened."""
    return [signal for signal in equipment.signals if signal.origin is not Origin.DERIVED]


def scale_of(signal: Signal) -> int:
    """What readings of this signal are multiplied with to be integers: mWh for energy, 1 for everything else."""
    return ENERGY_SCALES.get(signal.unit, 1)


def wanted_signals(equipment: Equipment, roles: Sequence[str]) -> list[Signal]:
    """The equipment's signals with one of these roles; `MACHINE` among them stands for every signal that the machine itself makes."""
    every = MACHINE in roles
    return [signal for signal in usable_signals(equipment) if signal.role in roles or (every and signal.origin is Origin.MACHINE)]


def series_of(
    block: Block, signals: Collection[str] | None = None, texts: Collection[str] = (), dictionary: Sequence[str] | None = None,
) -> dict[str, Series]:
    """The series of every signal in a block, by signal id; only of these signals when they are named. Rows may come in any order.

    Args:
        texts: ids of the signals that are read as texts; a number among their values is read as its decimal digits.
        dictionary: where rows of kind text carry, in `value_i64`, the number of a text in this list instead of the text.
    """
    wanted = [number for number, name in enumerate(block.signals) if signals is None or name in signals]
    column = block.signal
    if bool((column[1:] < column[:-1]).any()):
        block = block.take(np.argsort(column, kind="stable"))
    ends = np.searchsorted(block.signal, np.arange(len(block.signals)), side="right").tolist()
    found = {}
    for number in wanted:
        name, rows = block.signals[number], slice(ends[number - 1] if number else 0, ends[number])
        if name in texts:
            value, words = text_numbers(block, rows, dictionary)
            found[name] = msgspec.structs.replace(_in_time(block, rows, value), texts=words)
        else:
            found[name] = _series(block, rows)
    return found


def inputs_of(register: Workshop, equipment: Equipment, block: Block, window: Window, missing: Missing = NOTHING) -> Inputs:
    """The inputs of one piece of equipment from a block that reaches back `LOOKBACK_US` before the window, or holds the last row before it."""
    names = {signal_id(equipment.id, signal.name) for signal in equipment.signals}
    texts = {signal_id(equipment.id, signal.name) for signal in equipment.signals if is_text(signal)}
    watched = observed_windows(register, equipment, window)
    return cut_inputs(register, equipment, series_of(block, names, texts), window, usable_signals(equipment), watched, missing)


def observed_windows(register: Workshop, equipment: Equipment, window: Window) -> list[Window]:
    """The time in which the equipment is watched: its planned busy time, or all of its service time where the register has no shifts."""
    if register.shifts:
        return scheduled_windows(register, window, equipment)
    in_service = window.clip(service_window(register, equipment))
    return [in_service] if in_service.length_us else []


def cut_inputs(
    register: Workshop, equipment: Equipment, series: Mapping[str, Series], window: Window, signals: Sequence[Signal], observed: Sequence[Window],
    missing: Missing = NOTHING,
) -> Inputs:
    """The inputs for one window, from whole series by signal id.

    Args:
        signals: the equipment's signals that are wanted.
        observed: `observed_windows` of this equipment in this window.
        missing: what is known to be missing.
    """
    columns, carry_in, unknown = {}, {}, {}
    back_us = window.start_us - LOOKBACK_US
    for signal in signals:
        if spans := missing.spans(equipment.id, signal_id(equipment.id, signal.name), back_us, window.end_us):
            unknown[signal.role] = spans
        whole = series.get(signal_id(equipment.id, signal.name))
        if whole is None:
            continue
        oldest, first, end = np.searchsorted(whole.time_us, (back_us, window.start_us, window.end_us)).tolist()
        conflicts = whole.conflict_us[slice(*np.searchsorted(whole.conflict_us, (window.start_us, window.end_us)).tolist())]
        columns[signal.role] = Series(whole.time_us[first:end], whole.value[first:end], whole.good[first:end], conflicts, whole.texts)
        carry_in[signal.role] = _carried(whole, oldest, first, signal)
    planned = tuple(observed) if register.shifts else ()
    absent = clipped(missing.absent.get(equipment.id, ()), back_us, window.end_us)
    return Inputs(equipment, columns, carry_in, planned, tuple(observed), register, unknown, absent)


def _carried(whole: Series, oldest: int, first: int, signal: Signal) -> Series:
    if first == oldest:
        return EMPTY
    last = whole.span(first - 1, first)
    if signal.kind is not SignalKind.COUNTER or bool(last.integers(scale_of(signal))[1][0]):
        return last
    # A counter goes on from its last usable value, while what is held ends at the bad reading.
    earlier = np.flatnonzero(whole.span(oldest, first).integers(scale_of(signal))[1])
    if not len(earlier):
        return last
    rows = np.array([oldest + int(earlier[-1]), first - 1])
    return Series(whole.time_us[rows], whole.value[rows], whole.good[rows], NO_TIMES, whole.texts)


def _series(block: Block, rows: slice) -> Series:
    kind = block.kind[rows]
    value: NDArray[np.int64] | NDArray[np.float64] = block.value_i64[rows]
    if bool(((kind == ValueKind.F64) | (kind == ValueKind.TEXT)).any()):
        value = np.where(kind == ValueKind.I64, value.astype(np.float64), block.value_f64[rows])
        value[kind == ValueKind.TEXT] = np.nan
    return _in_time(block, rows, value)


def _in_time(block: Block, rows: slice, value: NDArray[np.int64] | NDArray[np.float64]) -> Series:
    time, quality = block.source_time_us[rows], block.quality[rows]
    if bool((time[1:] > time[:-1]).all()):
        return Series(time, value, quality == Quality.GOOD, NO_TIMES)
    return _arrange(time, block.received_time_us[rows], value, quality)


def _arrange(
    time: NDArray[np.int64], received: NDArray[np.int64], value: NDArray[np.int64] | NDArray[np.float64], quality: NDArray[np.uint8],
) -> Series:
    """Sorted by time, each fact once. Texts that no indicator reads stand as NaN, and count as the same."""
    bad = quality == Quality.BAD
    order = np.lexsort((quality, received, value, bad, time))
    time, received, value, quality, bad = time[order], received[order], value[order], quality[order], bad[order]
    with np.errstate(invalid="ignore"):
        number = ~np.isnan(value)  # NaN stands for a text
        equal = bad[1:] | (value[1:] == value[:-1]) | ~(number[1:] | number[:-1])
    same = (time[1:] == time[:-1]) & (bad[1:] == bad[:-1]) & equal
    facts = np.flatnonzero(np.concatenate(([True], ~same)))
    # Of equal arrival the smaller value stays: any rule will do that does not depend on the order of the rows.
    facts = facts[np.lexsort((value[facts], quality[facts], received[facts], time[facts]))]
    time, value, quality = time[facts], value[facts], quality[facts]
    first = np.concatenate(([True], time[1:] != time[:-1]))
    return Series(time[first], value[first], quality[first] == Quality.GOOD, time[~first])
