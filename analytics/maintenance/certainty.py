"""How sure a figure is: resampling of whole units, and whether a model is better than a baseline beyond chance."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analytics.maintenance.splits import Rows
from analytics.maintenance.table import Numbers

DRAWS = 300
LEVEL = 0.95
_CHANCE = 0.01
"""Share of the draws in which a model may fail to beat the baseline and is still called better."""


def resampled(unit: Rows, draws: int = DRAWS, seed: int = 0) -> list[Rows]:
    """Rows of as many units as there are, drawn with replacement; each draw a set of rows."""
    lots = np.random.default_rng(seed)
    present, place = np.unique(unit, return_inverse=True)
    if len(present) == len(unit):
        return [lots.integers(0, len(unit), len(unit)) for _ in range(draws)]
    order = np.argsort(place, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    return [np.concatenate([members[i] for i in lots.integers(0, len(members), len(members))]) for _ in range(draws)]


def stretches(count: int, pieces: int = 30) -> Rows:
    """Units for rows that follow each other in time: stretches of equal length."""
    found: Rows = np.arange(count) * min(pieces, count) // max(count, 1)
    return found


def intervals_of(figures: Callable[[Rows], dict[str, float]], draws: list[Rows]) -> dict[str, tuple[float, float]]:
    """95 % interval of each figure over the draws (percentiles)."""
    collected: dict[str, list[float]] = {}
    for rows in draws:
        for name, value in figures(rows).items():
            collected.setdefault(name, []).append(value)
    tail = (1 - LEVEL) / 2
    return {name: (float(np.quantile(values, tail)), float(np.quantile(values, 1 - tail))) for name, values in collected.items()}


def beats(gain: Callable[[Rows], float], draws: list[Rows]) -> bool:
    """Whether the gain over a baseline is above zero in all but one percent of the draws."""
    gains: NDArray[np.float64] = np.array([gain(rows) for rows in draws])
    return bool((gains <= 0).mean() <= _CHANCE)


def squared_gain(truth: Numbers, predicted: Numbers, baseline: Numbers, least: float = 0.02) -> Callable[[Rows], float]:
    """Gain in rmse over a baseline, relative to the baseline's, less the least gain that is worth anything."""
    ours, theirs = (predicted - truth) ** 2, (baseline - truth) ** 2
    return lambda rows: 1 - least - float(np.sqrt(ours[rows].mean() / max(float(theirs[rows].mean()), 1e-300)))
