"""Series: the readings of one signal as columns in order of time, each fact once.

What happens to readings that say the same time twice is a function of the set of readings alone, not of the order in which they are given: the same
value again counts once; of conflicting values the one received first stays, and the others are counted as conflicts. Texts are read only where an
indicator names their role: as numbers of a sorted list of texts, so that they are facts like any other.
"""

from collections.abc import Collection, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.texts import EXACT, text_numbers
from workshop.block import Block
from workshop.reading import Quality, ValueKind


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
    all_good: bool = False
    """True only where every row is known to be good."""
    gap_us: int = 2**62
    """No two neighbouring rows are farther apart; where nobody has looked, greater than any time."""
    bound: int = 2**63
    """No integer among the values is greater, sign apart; where nobody has looked, greater than any."""

    def __len__(self) -> int:
        return len(self.time_us)

    def span(self, first: int, end: int) -> "Series":
        """The rows [first, end), without conflicts."""
        return self.part(first, end, NO_TIMES)

    def part(self, first: int, end: int, conflict_us: NDArray[np.int64]) -> "Series":
        """The rows [first, end) with these conflicts."""
        return Series(
            self.time_us[first:end], self.value[first:end], self.good[first:end], conflict_us, self.texts, self.all_good, self.gap_us, self.bound,
        )

    def integers(self, scale: int = 1) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The values times `scale` as integers, and which of them can be used: good, a number, and below 2^53 when scaled.

        A float is rounded to the nearest integer, halves to even; with scale 1 it must be an integer already. The number of a text is no number.
        """
        if self.texts:
            return np.zeros(len(self), np.int64), np.zeros(len(self), np.bool_)
        limit = EXACT // scale
        if self.value.dtype == np.int64:
            if self.all_good and self.bound < limit:
                return self.value * scale, self.good  # type: ignore[return-value]
            usable = self.good & (self.value > -limit) & (self.value < limit)
            return (self.value if bool(usable.all()) else np.where(usable, self.value, 0)) * scale, usable  # type: ignore[return-value]
        with np.errstate(invalid="ignore"):  # NaN compares as it should: False
            usable = self.good & (self.value > -limit) & (self.value < limit)
            if scale == 1:
                usable &= self.value == np.rint(self.value)
        return np.rint(np.where(usable, self.value, 0) * scale).astype(np.int64), usable


NO_TIMES = np.zeros(0, np.int64)
EMPTY = Series(NO_TIMES, np.zeros(0, np.int64), np.zeros(0, np.bool_), NO_TIMES)


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
    ends = [0, *np.searchsorted(block.signal, np.arange(len(block.signals)), side="right").tolist()]
    time, good = block.source_time_us, block.quality == Quality.GOOD
    # All signals are looked at at once: what kinds of values they have, whether every row is good, and how far rows are apart.
    kinds = (ValueKind.I64, ValueKind.F64, ValueKind.TEXT)
    whole, real, text = (np.bincount(block.signal[block.kind == kind], minlength=len(block.signals)).tolist() for kind in kinds)
    all_good, least_us, most_us, bound = _looked_at(time, good, block.value_i64, np.array(ends, np.int64))
    found = {}
    for number in wanted:
        name, rows = block.signals[number], slice(ends[number], ends[number + 1])
        words: tuple[str, ...] = ()
        value: NDArray[np.int64] | NDArray[np.float64]
        if name in texts:
            value, words = text_numbers(block, rows, dictionary)
        else:
            mixed = bool(whole[number] and real[number]) or text[number] > 0
            value = _mixed(block, rows) if mixed else block.value_f64[rows] if real[number] else block.value_i64[rows]
        if least_us[number] > 0:
            found[name] = Series(time[rows], value, good[rows], NO_TIMES, words, all_good[number], most_us[number], bound[number])
        else:
            found[name] = _arrange(time[rows], block.received_time_us[rows], value, block.quality[rows], words)
    return found


def _looked_at(
    time: NDArray[np.int64], good: NDArray[np.bool_], value: NDArray[np.int64], ends: NDArray[np.int64],
) -> tuple[list[bool], list[int], list[int], list[int]]:
    """By signal, its rows from one of the ends to the next: all good, least and greatest time between neighbours, or 1 µs, greatest integer."""
    count = len(ends) - 1
    all_good, (least, most, low, high) = np.ones(count, np.bool_), np.ones((4, count), np.int64)
    there = np.flatnonzero(ends[1:] > ends[:-1])
    if len(there):
        apart = np.empty_like(time)
        np.subtract(time[1:], time[:-1], out=apart[:-1])
        apart[ends[there + 1] - 1] = 1
        starts = ends[there]
        all_good[there] = np.logical_and.reduceat(good, starts)
        least[there], most[there] = np.minimum.reduceat(apart, starts), np.maximum.reduceat(apart, starts)
        low[there], high[there] = np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)
    return all_good.tolist(), least.tolist(), most.tolist(), [max(-least, most) for least, most in zip(low.tolist(), high.tolist(), strict=True)]


def _mixed(block: Block, rows: slice) -> NDArray[np.float64]:
    """Integers, floats and texts that nobody reads as floats."""
    kind = block.kind[rows]
    value = np.where(kind == ValueKind.I64, block.value_i64[rows].astype(np.float64), block.value_f64[rows])
    value[kind == ValueKind.TEXT] = np.nan
    return value


def _arrange(
    time: NDArray[np.int64], received: NDArray[np.int64], value: NDArray[np.int64] | NDArray[np.float64], quality: NDArray[np.uint8],
    texts: tuple[str, ...],
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
    return Series(time[first], value[first], quality[first] == Quality.GOOD, time[~first], texts)
