"""What a load forecast may know: the calendar of the target, and the consumption before the moment of issue. Nothing else enters."""

import numpy as np
from numpy.typing import NDArray

from analytics.energy.scores import Issues

_DAY_S = 86_400
LAST = 8
"""So many of the newest known steps enter as they are."""
DAYS_BACK = (1, 2, 3, 7, 14, 21, 28)
_SPANS_H = (1, 2, 4, 6, 12, 24)


def features(value: NDArray[np.float64], asked: Issues, start_s: int, step_s: int) -> NDArray[np.float64]:
    """f64[n, k]: one row per forecast step; NaN where something was not measured, or not known yet.

    Time of day, day of the week (Monday 0), steps ahead; the newest known steps; mean and greatest value of the newest hours; the same time of
    earlier days and its neighbours; the means of the same time over the last week and over the same weekday of four weeks.
    """
    day = _DAY_S // step_s
    local = start_s + asked.target * step_s
    newest = [_known(value, asked, asked.known - 1 - back) for back in range(LAST)]
    totals, counts = _running(value)
    spans = [max(1, hours * 3_600 // step_s) for hours in _SPANS_H]
    recent = [_mean(totals, counts, asked.known - span, asked.known) for span in spans]
    peak = [_greatest(value, day)[asked.known]]
    earlier = [_known(value, asked, asked.target - days * day) for days in DAYS_BACK]
    beside = [_known(value, asked, asked.target - days * day + shift) for days in (1, 7) for shift in (-1, 1)]
    week = _finite_mean([_known(value, asked, asked.target - days * day) for days in range(1, 8)])
    weekday = _finite_mean([earlier[DAYS_BACK.index(days)] for days in (7, 14, 21, 28)])
    clock = [local % _DAY_S / _DAY_S, (local // _DAY_S + 3) % 7, asked.target - asked.known]  # 1970-01-01 was a Thursday, 3
    return np.column_stack([*clock, *newest, *recent, *peak, *earlier, *beside, week, weekday]).astype(np.float64)


def _known(value: NDArray[np.float64], asked: Issues, place: NDArray[np.int64]) -> NDArray[np.float64]:
    seen = (place >= 0) & (place < asked.known)
    return np.where(seen, value[np.where(seen, place, 0)], np.nan)


def _running(value: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    there = ~np.isnan(value)
    totals = np.concatenate(([0.0], np.cumsum(np.where(there, value, 0.0))))
    return totals, np.concatenate((np.zeros(1, np.int64), np.cumsum(there)))


def _mean(totals: NDArray[np.float64], counts: NDArray[np.int64], first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float64]:
    first = np.maximum(first, 0)
    count = counts[end] - counts[first]
    return np.where(count > 0, (totals[end] - totals[first]) / np.maximum(count, 1), np.nan)


def _greatest(value: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """f64[n + 1]: the greatest of the last `span` values before each step; NaN where there is none."""
    filled = np.concatenate((np.full(span, -np.inf), np.where(np.isnan(value), -np.inf, value)))
    found: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(filled, span).max(axis=1)
    return np.where(np.isinf(found), np.nan, found)


def _finite_mean(columns: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    stacked = np.stack(columns)
    there = ~np.isnan(stacked)
    count = there.sum(axis=0)
    return np.where(count > 0, np.where(there, stacked, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
