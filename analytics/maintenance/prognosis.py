"""Prognosis (PA of ISO 13374): how long a unit lasts, with an interval, and how good a course of forecasts was."""

import msgspec
import numpy as np

from analytics.maintenance.learner import Learner
from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem


class Remaining(msgspec.Struct, frozen=True):
    """Remaining life of one unit in the unit of its time, with a 90 % interval."""

    unit: str
    life: float
    low: float
    high: float
    capped: bool
    """At the cap: it lasts at least so long, no more is said."""


def remaining_of(learner: Learner, problem: Problem) -> list[Remaining]:
    """Remaining life of each unit after its last row."""
    last = np.array([np.flatnonzero(problem.group == unit)[-1] for unit in np.unique(problem.group)])
    life = learner.predict(problem)[last]
    low, high = learner.conformal.interval(life)
    cap = np.inf if learner.cap is None else learner.cap
    return [
        Remaining(problem.groups[problem.group[row]], *figures, capped=figures[2] >= cap)
        for row, figures in zip(last.tolist(), zip(life.tolist(), low.tolist(), high.tolist(), strict=True), strict=True)
    ]


def alpha_lambda(predicted: Numbers, truth: Numbers, alpha: float = 0.2) -> float:
    """Share of the moments of one unit at which the forecast lies within `alpha` of the true remaining life."""
    return float(((predicted >= (1 - alpha) * truth) & (predicted <= (1 + alpha) * truth)).mean())


def horizon(predicted: Numbers, truth: Numbers, alpha: float = 0.2) -> float:
    """True remaining life from which on the forecast stays within `alpha` of it; 0 where it never does. Rows in order of time."""
    outside = np.flatnonzero((predicted < (1 - alpha) * truth) | (predicted > (1 + alpha) * truth))
    first = int(outside[-1]) + 1 if len(outside) else 0
    return float(truth[first]) if first < len(truth) else 0.0
