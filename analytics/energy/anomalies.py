"""Days of unusual load: every day of a meter against its own baseline, with a false-alarm rate that is stated beforehand.

Expected is the median of the same time of day over the baseline's days of the same kind: all days, working days and weekends, or each weekday,
whichever errs least when every day is expected from the other weeks alone. A day's score is the greater of two: how far an hour of it is off, in
units of what that time of day usually is off, and how far the whole day is; each over what nine of ten baseline days stay under. An alarm is a score
above the k-th greatest of the n baseline days, k = ⌊rate · (n + 1)⌋: a day that is like those raises one with a chance of k / (n + 1), the rank of
one more among equals (conformal prediction, Vovk, Gammerman and Shafer 2005). Baseline days are scored from other weeks alone, which know a little
less than all of them: on days drawn alike 72 to 83 % of the stated rate came out (tests/unit/analytics/test_energy_anomalies.py).

A derived figure for people to look at. It is no indicator, and no claim can rest on it.
"""

import math
from collections.abc import Callable
from datetime import date, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.errors import ConfigError

DAY_S = 86_400
LEAST_DAYS = 14
KNOWN = 0.9
"""Share of a day's steps that must be known, or the day is left out on both sides."""
_EACH = 3
"""Days of a kind that must be left in the other weeks, or that kind of days is not told apart."""
_USUAL = 0.9
_FLOOR = 0.25
"""Of the mean error over the day: no time of day counts as more regular than that."""
_EVEN = 2
"""Steps on both sides over which the usual error is evened out."""
_KINDS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
    "all": lambda weekday: weekday * 0, "weekend": lambda weekday: weekday // 5, "weekday": lambda weekday: weekday,
}


class Span(msgspec.Struct, frozen=True):
    """Steps [from, to) of a day that are unusual, as local times of the day, HH:MM; both loads are means over them."""

    start: str
    end: str
    measured: float
    expected: float


class Alarm(msgspec.Struct, frozen=True):
    """One unusual day; loads are means over the known part of it, in the unit of the value."""

    day: str
    what: str
    """hour: some hours are off; day: the day as a whole is; both."""
    measured: float
    expected: float
    score: float
    threshold: float
    spans: list[Span]
    """The hours that are off; empty where only the day as a whole is."""


class Judged(msgspec.Struct, frozen=True):
    """The days after the baseline of one meter."""

    meter: str
    rate: float
    """Chance of an alarm on a day that is like those of the baseline: at most what was asked for."""
    baseline_days: int
    days: int
    """Days judged."""
    left_out: int
    """Days, of baseline and after, of which less than nine tenths are known."""
    day_kinds: str
    """all, weekend or weekday: which days are told apart."""
    expected_false_alarms: float
    alarms: list[Alarm]


def judge_days(value: NDArray[np.float64], start_s: int, step_s: int, until: date, rate: float, meter: str) -> Judged:
    """Judges every whole day after `until` against those up to and with it.

    Args:
        value: f64[n], load per step; NaN where it is not known. start_s: local time of the first step, seconds since 1970 as if it were UTC.
        step_s: divides a day. rate: false alarms per day that are allowed, above 0 and at most 0.5.
    Raises:
        ConfigError: a rate that is none or that so few days cannot state, or no day after the baseline.
    """
    if not 0 < rate <= 0.5:
        raise ConfigError(f"--rate {rate:g}: a chance of a false alarm per day, above 0 and at most 0.5")
    table, first = _by_day(value, start_s, step_s)
    numbers = first + np.arange(len(table))
    whole = np.isfinite(table).mean(axis=1) >= KNOWN
    last = (until - date(1970, 1, 1)).days
    base, later = whole & (numbers <= last), whole & (numbers > last)
    count, least = int(base.sum()), max(LEAST_DAYS, math.ceil(1 / rate - 1e-9) - 1)
    if count < least:
        can = f", or --rate {math.ceil(1e3 / (count + 1)) / 1e3:g}" if count >= LEAST_DAYS else ""
        raise ConfigError(f"{meter}: {count} whole days up to {until} state no rate of {rate:g} false alarms a day; {least} are needed{can}")
    if not later.any():
        raise ConfigError(f"{meter}: no whole day after {until} to judge")
    kinds, expected = _expected(table[base], numbers[base])
    away, weeks = table[base] - expected, (numbers[base] + 3) // 7
    # What is usual comes from other weeks too: a loud day would make itself usual.
    hour, level = _off(away, np.stack([_spread(away[weeks != week]) for week in weeks.tolist()]), max(1, 3600 // step_s))
    peak = _greatest(hour)
    others = [np.array([_unit(column[weeks != week]) for week in weeks.tolist()]) for column in (peak, level)]
    scores = np.maximum(peak / others[0], level / others[1])
    units = _unit(peak), _unit(level)
    rank = max(1, math.floor(rate * (count + 1) + 1e-9))
    threshold = float(np.sort(scores)[-rank])
    of_kind = _KINDS[kinds](_weekday(numbers))
    profile = np.stack([_median(table[base & (of_kind == kind)]) for kind in of_kind[later].tolist()])
    hour, level = _off(table[later] - profile, _spread(away), max(1, 3600 // step_s))
    alarms = []
    for place, number in enumerate(numbers[later].tolist()):
        parts = float(np.nanmax(np.abs(hour[place]))) / units[0], float(level[place]) / units[1]
        if max(parts) > threshold:
            unusual = np.abs(np.nan_to_num(hour[place])) / units[0] > threshold
            alarms.append(_alarm(number, table[later][place], profile[place], parts, threshold, unusual, step_s))
    stated = rank / (count + 1)
    days = int(later.sum())
    return Judged(meter, stated, count, days, int((~whole).sum()), kinds, stated * days, alarms)


def _by_day(value: NDArray[np.float64], start_s: int, step_s: int) -> tuple[NDArray[np.float64], int]:
    """f64[days, steps of a day], and the number of the first day since 1970."""
    per_day, before = DAY_S // step_s, start_s % DAY_S // step_s
    table = np.full(-(-(before + len(value)) // per_day) * per_day, np.nan)
    table[before : before + len(value)] = value
    return table.reshape(-1, per_day), start_s // DAY_S


def _weekday(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return (numbers + 3) % 7  # 1970-01-01 was a Thursday, 3


def _expected(rows: NDArray[np.float64], numbers: NDArray[np.int64]) -> tuple[str, NDArray[np.float64]]:
    """Which days are told apart, and what each day is expected to be from the days of its kind in other weeks."""
    weeks, found = (numbers + 3) // 7, []
    for name, kind_of in _KINDS.items():
        kinds = kind_of(_weekday(numbers))
        expected = np.full_like(rows, np.nan)
        enough = True
        for week, kind in sorted(set(zip(weeks.tolist(), kinds.tolist(), strict=True))):
            others = (weeks != week) & (kinds == kind)
            enough &= int(others.sum()) >= _EACH
            if enough:
                expected[(weeks == week) & (kinds == kind)] = _median(rows[others])
        if enough:
            found.append((float(np.nanmean(np.abs(rows - expected))), name, expected))
    _, name, expected = min(found, key=lambda item: item[0])  # all days alike always is among them: 14 days are in three weeks
    return name, expected


def _median(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """f64[k]: of each column, of what is known; NaN where nothing is."""
    ordered, count = np.sort(rows, axis=0), np.isfinite(rows).sum(axis=0)
    column = np.arange(rows.shape[1])
    middle: NDArray[np.float64] = ordered[np.maximum(count - 1, 0) // 2, column] + ordered[np.minimum(count // 2, len(rows) - 1), column]
    return middle / 2


def _spread(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """f64[k]: what each time of day usually is off, evened out over its neighbours."""
    known = np.isfinite(away)
    usual = np.where(known, np.abs(away), 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    even = np.mean([np.roll(usual, shift) for shift in range(-_EVEN, _EVEN + 1)], axis=0)
    held = np.maximum(even, _FLOOR * float(usual.mean()))
    return np.where(held > 0, held, 1.0)


def _off(away: NDArray[np.float64], spread: NDArray[np.float64], span: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """f64[n, k - span + 1]: mean deviation over each stretch of `span` steps in units of the usual one; f64[n]: that of the day, in the value's."""
    known = np.isfinite(away)
    relative = np.lib.stride_tricks.sliding_window_view(np.where(known, away / spread, 0.0), span, axis=1).sum(axis=2)
    count = np.lib.stride_tricks.sliding_window_view(known, span, axis=1).sum(axis=2)
    hour = np.where(2 * count >= span, relative / np.maximum(count, 1), np.nan)
    return hour, np.abs(np.where(known, away, 0.0).sum(axis=1)) / np.maximum(known.sum(axis=1), 1)


def _greatest(hour: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.nanmax(np.abs(hour), axis=1)
    return found


def _unit(column: NDArray[np.float64]) -> float:
    """What nine of ten days stay under; 1 where that is nothing, so that any deviation from what never deviates counts."""
    return float(np.quantile(column, _USUAL)) or 1.0


def _alarm(
    number: int, row: NDArray[np.float64], profile: NDArray[np.float64], parts: tuple[float, float], threshold: float, unusual: NDArray[np.bool_],
    step_s: int,
) -> Alarm:
    span = max(1, 3600 // step_s)
    inside = np.zeros(len(row), np.bool_)
    for place in np.flatnonzero(unusual).tolist():
        inside[place : place + span] = True
    edges = np.flatnonzero(np.diff(np.concatenate(([False], inside, [False])).astype(np.int8)))
    spans = [
        Span(_clock(first * step_s), _clock(end * step_s), *_means(row[first:end], profile[first:end]))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
    what = "both" if min(parts) > threshold else "hour" if parts[0] > threshold else "day"
    day = (date(1970, 1, 1) + timedelta(days=number)).isoformat()
    return Alarm(day, what, *_means(row, profile), max(parts), threshold, spans)


def _means(row: NDArray[np.float64], profile: NDArray[np.float64]) -> tuple[float, float]:
    known = np.isfinite(row) & np.isfinite(profile)
    return float(row[known].mean()), float(profile[known].mean())


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"
