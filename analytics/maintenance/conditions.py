"""Operating conditions: which there are, and each input seen relative to what is normal under the condition of its row.

A condition is a combination of levels of those inputs that stand at few well separated levels, do not drift with the age of a unit, and set the
level of many other inputs. All is learned from training rows alone; without conditions there is one for all rows.
"""

import numpy as np
from numpy.typing import NDArray

from analytics.maintenance.table import Numbers

MOST_LEVELS = 12
_GAP = 0.02  # of the range: levels that stand closer are one
_DRIFT = 0.15  # share of rows by which the frequencies of levels may differ between young and old
_SETS = 0.5  # share of an input's variance that the levels explain when they set it
_RARE = 0.003


class Conditions:
    """Mean and spread of each input under each condition.

    Attributes:
        setters: places of the inputs that make the condition.
        centres: f64[conditions, setters].
        mean, spread: f64[conditions, inputs].
    """

    def __init__(self) -> None:
        self.setters: list[int] = []
        self.centres: Numbers = np.zeros((1, 0))
        self.reach: Numbers = np.zeros(0)
        self.mean: Numbers = np.zeros((1, 0))
        self.spread: Numbers = np.zeros((1, 0))

    def fit(self, values: Numbers, age: Numbers) -> "Conditions":
        """Learns from training rows.

        Args:
            values: f64[rows, inputs].
            age: f64[rows], 0…1: how far in its unit's life a row is.
        """
        labels: NDArray[np.intp] = np.zeros(len(values), np.intp)
        self.setters = _setters(values, age)
        if self.setters:
            chosen = values[:, self.setters]
            levels = np.column_stack([_levels(column)[0] for column in chosen.T])
            _, labels, counts = np.unique(levels, axis=0, return_inverse=True, return_counts=True)
            labels = labels.reshape(-1)
            common = np.flatnonzero(counts >= max(20, _RARE * len(values)))
            self.centres = np.array([chosen[labels == k].mean(axis=0) for k in common])
            self.reach = np.maximum(chosen.std(axis=0), 1e-12)
            if 2 <= len(common) <= 40:
                labels = self.label(values)
            else:
                self.setters, labels = [], np.zeros(len(values), np.intp)
        if not self.setters:
            self.centres, self.reach = np.zeros((1, 0)), np.zeros(0)
        count = len(self.centres)
        self.mean, self.spread = np.zeros((count, values.shape[1])), np.ones((count, values.shape[1]))
        overall = _spread(values)
        for k in range(count):
            rows = values[labels == k]
            with np.errstate(all="ignore"):
                self.mean[k] = np.nan_to_num(_mean(rows))
                self.spread[k] = np.where(_spread(rows) > 1e-9 * np.maximum(np.abs(self.mean[k]), 1e-12), _spread(rows), np.inf)
        if count == 1:
            self.spread[0] = np.where(overall > 1e-9 * np.maximum(np.abs(self.mean[0]), 1e-12), overall, np.inf)
        return self

    def label(self, values: Numbers) -> NDArray[np.intp]:
        """The condition of each row: the nearest one."""
        if not self.setters:
            return np.zeros(len(values), np.intp)
        chosen = np.nan_to_num(values[:, self.setters] / self.reach)
        centres = self.centres / self.reach
        distance = (chosen**2).sum(1)[:, None] - 2 * chosen @ centres.T + (centres**2).sum(1)
        nearest: NDArray[np.intp] = np.argmin(distance, axis=1)
        return nearest

    def transform(self, values: Numbers) -> Numbers:
        """Inputs in spreads from what is normal under the condition of the row; 0 for an input that is constant there."""
        labels = self.label(values)
        return np.clip((values - self.mean[labels]) / self.spread[labels], -50, 50)


def _setters(values: Numbers, age: Numbers) -> list[int]:
    complete = ~np.isnan(values).any(axis=0)
    varied = np.flatnonzero(complete & (np.ptp(np.nan_to_num(values), axis=0) > 0))
    found = []
    for place in varied:
        labels, count = _levels(values[:, place])
        if not 2 <= count <= MOST_LEVELS or _drift(labels, count, age) > _DRIFT:
            continue
        others = [other for other in varied if other != place]
        explained = sum(_explained(values[:, other], labels, count) >= _SETS for other in others)
        if explained >= max(2, 0.25 * len(others)):
            found.append(int(place))
    return found


def _levels(column: Numbers) -> tuple[NDArray[np.intp], int]:
    """(level of each row, number of levels): values are cut where a gap is wider than a fiftieth of the range."""
    known = np.unique(column)
    cuts = np.flatnonzero(np.diff(known) > _GAP * (known[-1] - known[0]))
    return np.searchsorted(known[cuts + 1], column, side="right"), len(cuts) + 1


def _drift(labels: NDArray[np.intp], count: int, age: Numbers) -> float:
    young, old = (np.bincount(labels[rows], minlength=count) / max(1, rows.sum()) for rows in (age < 1 / 3, age > 2 / 3))
    return float(np.abs(young - old).sum() / 2)


def _explained(column: Numbers, labels: NDArray[np.intp], count: int) -> float:
    sizes = np.maximum(np.bincount(labels, minlength=count), 1)
    mean = np.bincount(labels, weights=column, minlength=count) / sizes
    return float(1 - ((column - mean[labels]) ** 2).mean() / max(float(column.var()), 1e-300))


def _mean(values: Numbers) -> Numbers:
    present = ~np.isnan(values)
    mean: Numbers = np.where(present, values, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return mean


def _spread(values: Numbers) -> Numbers:
    present = ~np.isnan(values)
    squares = np.where(present, (values - _mean(values)) ** 2, 0).sum(axis=0)
    spread: Numbers = np.sqrt(squares / np.maximum(present.sum(axis=0), 1))
    return spread
