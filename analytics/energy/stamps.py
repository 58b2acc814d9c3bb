"""Time stamps of a load curve, rebuilt where they are broken, or refused: on a grid with one constant step, every fact in its own interval.

What is known to happen to exported load curves, each detected from the stamps themselves and said in a warning:
  closing midnight  stamps mark the end of an interval, and the row stamped 00:00 that closes a day carries that day's date, 24 h too early
  24:00             the same row written as hour 24
  holes             rows are missing: their intervals stay empty
  repetition        the same row twice
  disorder          rows are not in order of time
  summer time       stamps jump by an hour and come back: the file's order is right, its stamps are not
  jitter            a logger's stamps lie beside the clock, each in an interval of its own
Everything else is refused with the first row that contradicts.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.energy.stamp_text import read_stamps
from workshop.errors import ConfigError

_DAY_S = 86_400
_TRUSTED = 0.9
"""Share of neighbouring rows that must be one step apart before the file's order is trusted more than its stamps."""
_MOST_HOLES = 0.5


class Grid(msgspec.Struct, frozen=True, eq=False):
    """A load curve with every interval in its place."""

    start_s: int
    """Start of the first interval, local time, seconds since 1970 as if it were UTC."""
    step_s: int
    row: NDArray[np.int64]
    """i64[n]: the row of the file that each interval comes from; -1 where there is none."""
    warnings: list[str]

    def take(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """A column of the file on the grid; NaN where there is no row."""
        return np.where(self.row >= 0, column[self.row], np.nan)


def rebuild(texts: Sequence[str], step: timedelta, value: NDArray[np.float64], file: str) -> Grid:
    """The grid of a column of stamps.

    Args:
        value: the measured column, which decides whether a row that comes twice says the same.
    Raises:
        ConfigError: stamps in no known form, a step other than that of the file, or stamps that contradict each other; with the row.
    """
    step_s = int(step.total_seconds())
    refusals: list[str] = []
    for read in read_stamps(texts, file):
        try:
            grid = _arrange(read.seconds, read.closing, step_s, value, file)
        except ConfigError as error:
            refusals.append(f"{error} (read as {read.form})")
            continue
        return msgspec.structs.replace(grid, warnings=[*grid.warnings, *read.said])
    raise ConfigError(refusals[0])


def _arrange(stamps: NDArray[np.int64], closing: bool, step_s: int, value: NDArray[np.float64], file: str) -> Grid:
    said: list[str] = []
    if closing:
        said.append("rows stamped 24:00 close their day: read as 00:00 of the next day, and stamps as the end of their interval")
    kept = np.arange(len(stamps))
    stamps = _settle(stamps, step_s, said)
    repaired = _close_midnights(stamps)
    if repaired is not None and _steady(repaired, step_s) > _steady(stamps, step_s):
        said.append(
            f"{int((repaired != stamps).sum())} rows stamped 00:00 carry the date of the day that they close, 24 h too early: moved to the next day; "
            "stamps mark the end of their interval"
        )
        stamps, closing = repaired, True
    steps = np.diff(stamps)
    if len(steps) == 0:
        raise ConfigError(f"{file}: a single row is no load curve")
    values, counts = np.unique(np.diff(np.unique(stamps)), return_counts=True)
    usual = int(values[np.argmax(counts)]) if len(values) else 0
    if usual != step_s:
        raise ConfigError(f"{file}: rows are mostly {usual} s apart, --step says {step_s} s; give the step of the file")
    if (steps <= 0).any() or (steps % step_s).any():
        stamps, kept = _order(stamps, kept, step_s, value, file, said)
    place = (stamps - stamps[0]) // step_s
    length = int(place[-1]) + 1
    if len(kept) < (1 - _MOST_HOLES) * length:
        raise ConfigError(f"{file}: {length - len(kept)} of {length} intervals between the first and the last stamp have no row; too few to go on")
    if length > len(kept):
        said.append(f"{length - len(kept)} of {length} intervals have no row: left empty, neither filled nor guessed")
    row = np.full(length, -1, np.int64)
    row[place] = kept
    start_s = int(stamps[0])
    if closing or (start_s % _DAY_S == step_s and int(stamps[-1]) % _DAY_S == 0):
        if not closing:
            said.append("the first stamp is one step after midnight and the last is midnight: stamps are read as the end of their interval")
        start_s -= step_s
    return Grid(start_s, step_s, row, said)


def _settle(stamps: NDArray[np.int64], step_s: int, said: list[str]) -> NDArray[np.int64]:
    """Stamps that lie beside a grid, rounded to it, if each comes to lie in an interval of its own; else as they are.

    The grid is the clock's, unless they lie further from it than a quarter of a step: then that around their middle.
    """
    distinct = np.unique(stamps)
    steps = np.diff(distinct)
    if len(steps) == 0 or not (steps % step_s).any() or not 0.9 * step_s <= float(np.median(steps)) <= 1.1 * step_s:
        return stamps
    angle = distinct % step_s * (2 * np.pi / step_s)
    middle = round(float(np.angle(np.exp(1j * angle).mean())) * step_s / (2 * np.pi))
    for phase in (0, middle):
        rounded = phase + (distinct - phase + step_s // 2) // step_s * step_s
        furthest = int(np.abs(rounded - distinct).max())
        if (furthest <= step_s // 4 or phase) and len(np.unique(rounded)) == len(distinct):
            said.append(f"stamps lie up to {furthest} s beside steps of {step_s} s, each within half a step: rounded to the nearest")
            return phase + (stamps - phase + step_s // 2) // step_s * step_s
    return stamps


def _close_midnights(stamps: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The stamps with every midnight a day later, if a midnight comes after later stamps of its own date; else None."""
    midnight = stamps % _DAY_S == 0
    behind = np.concatenate(([False], (stamps[1:] // _DAY_S == stamps[:-1] // _DAY_S) & (stamps[1:] < stamps[:-1])))
    forward = np.count_nonzero(np.diff(stamps) > 0) > len(stamps) // 2  # else the rows are in no order that a midnight could contradict
    return stamps + midnight * _DAY_S if forward and bool((midnight & behind).any()) else None


def _steady(stamps: NDArray[np.int64], step_s: int) -> int:
    return int((np.diff(stamps) == step_s).sum())


def _order(
    stamps: NDArray[np.int64], kept: NDArray[np.int64], step_s: int, value: NDArray[np.float64], file: str, said: list[str],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stamps that do not simply increase: repetition and disorder are mended; else the file's order is taken, if it can be trusted."""
    order = np.argsort(stamps, kind="stable")
    sorted_stamps, sorted_rows = stamps[order], kept[order]
    again = np.concatenate(([False], sorted_stamps[1:] == sorted_stamps[:-1]))
    before = np.concatenate(([np.nan], value[sorted_rows][:-1]))
    differ = again & ~((value[sorted_rows] == before) | (np.isnan(value[sorted_rows]) & np.isnan(before)))
    off_grid = (sorted_stamps - sorted_stamps[0]) % step_s != 0
    if not differ.any() and not off_grid.any():
        if again.any():
            said.append(f"{int(again.sum())} rows come twice with the same stamp and value: counted once")
        if (np.diff(stamps) < 0).any():
            said.append("rows were not in order of time: sorted by their stamps")
        return sorted_stamps[~again], sorted_rows[~again]
    wrong = int(np.flatnonzero((np.diff(stamps) <= 0) | (np.diff(stamps) % step_s != 0))[0]) + 1
    where = f"row {wrong + 2} does not follow the row before it by a multiple of {step_s} s"
    expected = stamps[0] + step_s * np.arange(len(stamps))
    steady = _steady(stamps, step_s) / (len(stamps) - 1)
    if steady < _TRUSTED or not np.isin(expected - stamps, (-3_600, 0, 3_600)).all():
        if differ.any():
            where += f"; row {int(sorted_rows[differ].min()) + 2} gives another value for a time that another row has"
        raise ConfigError(
            f"{file}: the stamps contradict each other: {where}; {steady:.1%} of the rows follow at one step, and their order does not explain the "
            "rest. Export the file again with complete dates, in order, in a time without clock changes"
        )
    said.append(
        f"stamps contradict each other, first in row {wrong + 2}, and {steady:.0%} of the rows follow at one step: rebuilt from the first stamp by "
        f"the order of the rows; {int((expected != stamps).sum())} stamps changed"
    )
    return expected, kept
