"""From columns to the numbers that a model reads; whatever is learned on the way is learned from training rows alone."""

import numpy as np

from analytics.maintenance.conditions import Conditions
from analytics.maintenance.history import feature_names, history_features
from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem

MOST_CATEGORIES = 20
MOST_PAIRED = 12
MOST_FOLLOWED = 40

PLAIN, PAIRS, HISTORY = "plain", "pairs", "history"
"""Values as they are; with products, ratios and differences of each two; with the history of the unit."""


class Inputs:
    """Makes the model's numbers from a problem's columns.

    Attributes:
        kind: `PLAIN`, `PAIRS` or `HISTORY`.
        alone: with `HISTORY`, whether the values of the row itself are left out.
        names: of the numbers made, after `fit`.
    """

    def __init__(self, kind: str, alone: bool = False) -> None:
        self.kind = kind
        self.alone = alone
        self.kept: list[int] = []
        self.paired: list[int] = []
        self.followed: list[int] = []
        self.categories: list[list[str]] = []
        self.conditions = Conditions()
        self.names: list[str] = []

    def fit(self, problem: Problem) -> "Inputs":
        """Learns which columns vary, which categories there are, and the operating conditions."""
        values = problem.values
        self.kept = [i for i in range(values.shape[1]) if _varies(values[:, i])]
        self.categories = [_categories(problem.words[:, i].tolist()) for i in range(problem.words.shape[1])]
        relevance = np.array([_relevance(values[:, i], problem.target) for i in self.kept])
        if self.kind == PAIRS:
            best = np.argsort(-relevance, kind="stable")[:MOST_PAIRED]
            self.paired = sorted(self.kept[i] for i in best)
        if self.kind == HISTORY:
            self.conditions.fit(values, _age(problem))
            alive = [i for i in self.kept if np.isfinite(self.conditions.spread[:, i]).any()]
            normal = self.conditions.transform(values)
            telling = np.array([_relevance(normal[:, i], problem.target) for i in alive])
            best = np.argsort(-telling, kind="stable")[:MOST_FOLLOWED]
            self.followed = sorted(alive[i] for i in best)
        self.names = self._names(problem)
        return self

    def transform(self, problem: Problem) -> Numbers:
        """f64[rows, numbers]; NaN where a value is missing. Rows of one unit must stand together, from its first."""
        parts: list[Numbers] = []
        if not (self.kind == HISTORY and self.alone):
            parts.append(problem.values[:, self.kept])
            for place, known in enumerate(self.categories):
                words = problem.words[:, place]
                parts.append(np.array([[word == category for category in known] for word in words], np.float64).reshape(len(words), len(known)))
        if self.kind == PAIRS:
            columns = problem.values[:, self.paired].T
            for i, left in enumerate(columns):
                for right in columns[i + 1 :]:
                    with np.errstate(all="ignore"):
                        ratio = np.where(right != 0, left / right, np.nan)
                    parts.append(np.column_stack([left * right, ratio, left - right]))
        if self.kind == HISTORY:
            normal = self.conditions.transform(problem.values)[:, self.followed]
            parts.append(history_features(normal, problem.group, problem.time))
        made = np.column_stack(parts) if parts else np.zeros((len(problem), 0))
        return np.where(np.isfinite(made), made, np.nan)

    def _names(self, problem: Problem) -> list[str]:
        names: list[str] = []
        if not (self.kind == HISTORY and self.alone):
            names += [problem.numeric[i] for i in self.kept]
            names += [f"{column} = {category}" for column, known in zip(problem.text, self.categories, strict=True) for category in known]
        if self.kind == PAIRS:
            named = [problem.numeric[i] for i in self.paired]
            names += [shape.format(a, b) for i, a in enumerate(named) for b in named[i + 1 :] for shape in ("{} x {}", "{} / {}", "{} - {}")]
        if self.kind == HISTORY:
            names += feature_names([problem.numeric[i] for i in self.followed])
        return names


def _varies(column: Numbers) -> bool:
    present = column[~np.isnan(column)]
    return len(present) > 1 and bool(np.ptp(present) > 1e-12 * max(1e-12, float(np.abs(present).max())))


def _categories(words: list[str | None]) -> list[str]:
    counts: dict[str, int] = {}
    for word in words:
        if word is not None:
            counts[word] = counts.get(word, 0) + 1
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_CATEGORIES]
    return sorted(word for word in frequent if counts[word] > 1)


def _relevance(column: Numbers, target: Numbers) -> float:
    """Squared correlation of ranks, of the value or of its distance from the middle, whichever is larger."""
    present = ~np.isnan(column)
    if present.sum() < 10 or np.ptp(column[present]) == 0 or np.ptp(target[present]) == 0:
        return 0.0
    ranks, wanted = _ranks(column[present]), _ranks(target[present])
    away = np.abs(ranks - ranks.mean())
    return float(max(np.corrcoef(ranks, wanted)[0, 1] ** 2, np.corrcoef(away, wanted)[0, 1] ** 2 if np.ptp(away) > 0 else 0.0))


def _ranks(values: Numbers) -> Numbers:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts).astype(np.float64)
    ranks: Numbers = (ends - (counts - 1) / 2)[place.reshape(-1)]
    return ranks


def _age(problem: Problem) -> Numbers:
    """How far in its group's recorded time each row is, 0…1."""
    low, high = (np.full(len(problem.groups), fill) for fill in (np.inf, -np.inf))
    np.minimum.at(low, problem.group, problem.time)
    np.maximum.at(high, problem.group, problem.time)
    length = np.maximum(high - low, 1e-12)
    age: Numbers = (problem.time - low[problem.group]) / length[problem.group]
    return age
