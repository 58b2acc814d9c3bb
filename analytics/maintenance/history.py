"""What the history of a unit says at each of its rows: smoothed values, trends and the way since its beginning. Nothing later is looked at."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analytics.maintenance.table import Numbers

SPANS = (8, 20, 50)
"""Of exponential smoothing, rows; the weight of a row falls by 2 / (span + 1) with each that follows."""
SLOPES = (30, 60)
"""Windows of the trends, rows; shorter where the unit is younger."""
WINDOW = 30
BEGINNING = 15
"""Rows that say how a unit was when it began."""


def history_features(values: Numbers, group: NDArray[np.intp], time: Numbers) -> Numbers:
    """f64[rows, 8 x inputs + 2]: three smoothings, deviation from the beginning, mean, two trends, beginning; time since start and row number.

    Args:
        values: f64[rows, inputs], normalised: 0 is normal; NaN counts as the value before.
        group: rows of one unit stand together, in order of time.
    """
    found = np.empty((len(values), 8 * values.shape[1] + 2))
    edges = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1, [len(group)]])
    for start, end in pairwise(edges.tolist()):
        if end > start:
            found[start:end] = _unit(_filled(values[start:end]), time[start:end])
    return found


def feature_names(inputs: list[str]) -> list[str]:
    """Names of the columns of `history_features`."""
    smooth, trends = [f"smoothed over {span}" for span in SPANS], [f"trend over {window}" for window in SLOPES]
    kinds = [*smooth, "since beginning", f"mean of {WINDOW}", *trends, "beginning"]
    return [f"{name}: {kind}" for kind in kinds for name in inputs] + ["time since start", "rows since start"]


def smoothed(values: Numbers, span: float) -> Numbers:
    """Exponentially weighted mean of each row and those before it; the weights of what there is sum to one."""
    keep = 1 - 2 / (span + 1)
    found = np.empty_like(values)
    total, weight = np.zeros(values.shape[1]), 0.0
    for i, row in enumerate(values):
        total = total * keep + row
        weight = weight * keep + 1
        found[i] = total / weight
    return found


def _unit(values: Numbers, time: Numbers) -> Numbers:
    count = np.arange(1, len(values) + 1)
    sums = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    moments = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values * count[:, None], axis=0)])
    first = sums[np.minimum(count, BEGINNING)] / np.minimum(count, BEGINNING)[:, None]
    low = np.maximum(count - WINDOW, 0)
    mean = (sums[count] - sums[low]) / (count - low)[:, None]
    smooth = [smoothed(values, span) for span in SPANS]
    slopes = [_slope(sums, moments, count, window) * window for window in SLOPES]
    return np.column_stack([*smooth, smooth[1] - first, mean, *slopes, first, time - time[0], count])


def _slope(sums: Numbers, moments: Numbers, count: NDArray[np.int64], window: int) -> Numbers:
    low = np.maximum(count - window, 0)
    size = (count - low).astype(np.float64)
    middle = count - (size - 1) / 2
    covariance = moments[count] - moments[low] - middle[:, None] * (sums[count] - sums[low])
    variance = size * (size * size - 1) / 12
    return np.where(size[:, None] > 3, covariance / np.maximum(variance, 1e-9)[:, None], 0.0)


def _filled(values: Numbers) -> Numbers:
    missing = np.isnan(values)
    if not missing.any():
        return values
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))[:, None]), axis=0)
    return np.where(last < 0, 0.0, np.take_along_axis(values, np.maximum(last, 0), axis=0))
