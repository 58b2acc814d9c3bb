"""State detection (SD of ISO 13374): how far the last hours are from a machine's own sound history, on several scales of time.

On each scale the two cells that deviate most are left out, so that a jolt is no trend; the spread on each scale is learned as such, so that noise
with a memory is not taken for more certain than it is, nor noise that cancels out for less.
"""

import msgspec
import numpy as np

from analytics.maintenance.table import Numbers
from analytics.maintenance.watch.settings import SCALES

LEAST_CELLS = 2 * max(SCALES)
"""Cells from which a spread can be learned."""
_LEFT_OUT = 2


class Learned(msgspec.Struct, frozen=True):
    """What is normal for one quantity of one machine: a linear expectation from conditions, and the spread of what is left on each scale."""

    weights: list[float]
    """Of 1 and of each condition."""
    spread: list[float]
    limit: float
    cells: int


class Deviation(msgspec.Struct, frozen=True, eq=False):
    """Of each cell that was given: the largest deviation over the scales in spreads, the scale (place in SCALES), and the relative residual."""

    strength: Numbers
    scale: Numbers
    mean: Numbers
    """Mean residual over that scale, in the quantity's unit."""


def learn(
    values: Numbers, conditions: Numbers, *, floor: float, limit: float, guard: float, sign: int = 0, prior: float = np.inf,
) -> Learned | None:
    """Learns from sound cells in order of time; None where there are too few.

    Args:
        values: f64[cells].
        conditions: f64[cells, k].
        floor: a mean residual as small as this says nothing, whatever the spread.
        sign: 1 if only more, -1 if only less than expected speaks of the fault, 0 for both.
        prior: how far from 0 the weight of a condition is thought to be before anything is seen.
    """
    if len(values) < LEAST_CELLS:
        return None
    matrix = np.column_stack([np.ones(len(values)), conditions])
    size = np.maximum(np.abs(matrix).max(axis=0), 1e-12)
    scaled = matrix / size
    # A condition that hardly varies gets no weight.
    penalty = np.full(matrix.shape[1], 1e-6 * len(values)) + values.var() / (prior * size) ** 2
    ridge = np.diag(np.append(0.0, penalty[1:]))
    weights = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ values) / size
    residual = values - matrix @ weights
    means = [windowed(residual, scale) for scale in SCALES]
    spread = [max(float(np.sqrt((one**2).mean())), floor) for one in means]
    own = max(float((directed(one, sign) / width).max()) for one, width in zip(means, spread, strict=True))
    return Learned(weights.tolist(), spread, max(limit, guard * own), len(values))


def residual_of(learned: Learned, values: Numbers, conditions: Numbers) -> Numbers:
    """What is left of the values when the expectation is taken away."""
    weights = np.array(learned.weights)
    left: Numbers = values - weights[0] - conditions @ weights[1:]
    return left


def deviation(learned: Learned, tail: Numbers, residual: Numbers, sign: int = 0) -> Deviation:
    """Deviation at each new cell, given the residuals of those before it (the newest last)."""
    series = np.concatenate([tail[-max(SCALES):], residual])
    strengths, means = [], []
    for scale, spread in zip(SCALES, learned.spread, strict=True):
        mean = np.full(len(series), np.nan)
        if len(series) >= scale:
            mean[scale - 1:] = windowed(series, scale)
        means.append(mean[-len(residual):] if len(residual) else mean[:0])
        strengths.append(directed(means[-1], sign) / spread)
    table = np.nan_to_num(np.array(strengths), nan=0.0)
    best = table.argmax(axis=0)
    rows = np.arange(len(residual))
    return Deviation(table[best, rows], best.astype(np.float64), np.nan_to_num(np.array(means))[best, rows])


def windowed(values: Numbers, scale: int) -> Numbers:
    """f64[cells - scale + 1]: mean of each stretch of so many cells without the two that lie farthest from 0."""
    if len(values) < scale:
        return np.zeros(0)
    view = np.lib.stride_tricks.sliding_window_view(values, scale)
    order = np.argpartition(np.abs(view), scale - _LEFT_OUT - 1, axis=1)[:, :scale - _LEFT_OUT]
    means: Numbers = np.take_along_axis(view, order, axis=1).mean(axis=1)
    return means


def directed(values: Numbers, sign: int) -> Numbers:
    """The size of a deviation in the direction that counts."""
    return np.abs(values) if sign == 0 else np.maximum(sign * values, 0.0)
