"""Prognosis (PA of ISO 13374): how long until a growing deviation reaches its end, if it goes on growing as it does."""

from collections.abc import Sequence

import numpy as np

_LEAST = 4
_NEWEST = 48
_Z = 1.645
_MODEL = 0.5
"""Spread of growth rates round an exponential, as a share: what the fit's own error does not show."""
_LONGEST = 10_000.0


def remaining_hours(history: Sequence[tuple[int, float]], cell_h: float, end: float) -> tuple[float, float, float] | None:
    """(hours, low, high) of a 90 % interval: a straight line through the logarithm of the newest deviations, followed to `end`.

    Args:
        history: (number of the cell, deviation), ascending.
        cell_h: length of a cell, h.
    """
    rows = [(number * cell_h, value) for number, value in history[-_NEWEST:] if value > 0]
    if len(rows) < _LEAST:
        return None
    time, level = np.array([row[0] for row in rows]), np.log(np.array([row[1] for row in rows]))
    # What is large is measured best: the relative error of a deviation falls as it grows.
    weight = np.exp(level - level.max())
    (slope, start), covariance = np.polyfit(time - time[-1], level, 1, w=weight, cov="unscaled")
    residual = float(np.sqrt((weight * (level - slope * (time - time[-1]) - start) ** 2).sum() / weight.sum()))
    error = float(np.hypot(residual * np.sqrt(max(covariance[0, 0], 0.0)), _MODEL * abs(slope)))
    way = float(np.log(end) - start)
    if way <= 0:
        return 0.0, 0.0, 0.0
    low, middle, high = (float(way / rate) if rate > 0 else _LONGEST for rate in (slope + _Z * error, slope, slope - _Z * error))
    return min(middle, _LONGEST), min(low, _LONGEST), min(high, _LONGEST)
