"""Columns that hold the answer: identifiers, copies of the target, marks set after the event, identities."""

from collections.abc import Iterator

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from analytics.maintenance.measures import class_metrics
from analytics.maintenance.report import Caution
from analytics.maintenance.splits import Rows, inner_splits
from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem, Task

_ALONE_R2 = 0.97
_ALONE_MCC = 0.97
_COPY = 0.8
_LAGS = 200
_ARITHMETIC = "that is arithmetic, not a forecast"
_NAMES = "names the row and says nothing about another one"


def identifiers(problem: Problem) -> Iterator[Caution]:
    """Columns that only name or number the rows."""
    count = len(problem)
    in_file = np.argsort(problem.order, kind="stable")
    for place, name in enumerate(problem.text):
        words = [word for word in problem.words[:, place].tolist() if word is not None]
        if len(words) > 20 and len(set(words)) > 0.95 * len(words):
            yield Caution("identifier", (name,), f"'{name}' is different in nearly every row: it {_NAMES}", True)
    for place, name in enumerate(problem.numeric):
        column = problem.values[:, place]
        if np.isnan(column).any() or count < 20 or len(np.unique(column)) < 0.99 * count:
            continue
        steps = np.diff(column[in_file])
        whole = bool((column == np.round(column)).all())
        if (steps > 0).all() or (steps < 0).all():
            yield Caution("index", (name,), f"'{name}' only rises or falls from row to row: it numbers the rows or tells their time, and the "
                          "answer may follow from the order of recording", True)
        elif whole and len(np.unique(column)) == count and np.ptp(column) < 1.5 * count:
            yield Caution("identifier", (name,), f"'{name}' numbers the rows, each number once: it {_NAMES}", True)


def flags(problem: Problem) -> Iterator[Caution]:
    """0/1 columns that are set only in rows of one rare class, and the other rare ones beside them."""
    if len(problem.classes) != 2:
        return
    event = problem.target == 1
    rarity = float(event.mean())
    if not 0 < rarity < 0.5:
        return
    sure: list[str] = []
    family: list[str] = []
    for place, name in enumerate(problem.numeric):
        values, counts = np.unique(problem.values[:, place], return_counts=True)
        if len(values) != 2 or np.isnan(values).any() or counts.min() > 1.2 * rarity * len(problem):
            continue
        marked = problem.values[:, place] == values[np.argmin(counts)]
        (sure if counts.min() >= 5 and event[marked].mean() >= 0.95 else family).append(name)
    for name in sure:
        yield Caution("target-flag", (name,), f"'{name}' is set only in rows of the event to be foretold: it was written with it, not before", True)
    if len(sure) >= 2:
        for name in family:
            yield Caution("target-flag", (name,), f"'{name}' is as rare as the event and stands beside {', '.join(sure)}, which are written with "
                          "it: it looks like another of these marks; exclude it, or show that it is known before the event", True)


def copies(task: Task, problem: Problem) -> Iterator[Caution]:
    """Columns that are the target with noise: the same unit, the same zero, and an error that does not shrink the slope."""
    if len(problem.classes) > 2:
        return
    for place, name in enumerate(problem.numeric):
        column = problem.values[:, place]
        present = ~np.isnan(column)
        x, y = problem.target[present], column[present]
        if len(x) < 20 or np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        correlation = float(np.corrcoef(x, y)[0, 1])
        if not problem.classes and abs(correlation) >= _COPY and _rounded(x, y):
            yield Caution("target-copy", (name,), f"'{name}' is the target times a constant, rounded: it is written with the target", True)
            continue
        if correlation < _COPY or (not problem.classes and _lagged(column, problem.target)):
            continue
        slope = correlation * y.std() / x.std()
        error = float(np.sqrt(max(1 - correlation**2, 0) / len(x)) * y.std() / x.std())
        shift = y.mean() - slope * x.mean()
        if abs(slope - 1) <= max(3 * error, 0.01) and abs(shift) <= max(3 * error, 0.01) * (abs(float(x.mean())) + x.std()):
            text = f"'{name}' is the target with noise (correlation {correlation:.3f}, slope {slope:.3f}, no offset)"
            yield Caution("target-copy", (name,), text, True)


def single_columns(task: Task, problem: Problem) -> Iterator[Caution]:
    """Columns that alone almost give the target, judged as the protocol judges."""
    splits = inner_splits(task, problem, 4)
    for place, name in enumerate(problem.numeric):
        column = problem.values[:, place]
        known = ~np.isnan(column)
        if known.mean() < 0.5 or np.ptp(column[known]) == 0:
            continue
        skill = _skill(np.where(known, column, column[known].min() - 1), problem, splits)
        if skill >= (_ALONE_MCC if problem.classes else _ALONE_R2) and not _lagged(column, problem.target):
            yield _alone(name, skill, bool(problem.classes))
    for place, name in enumerate(problem.text):
        codes = _codes(problem.words[:, place].tolist())
        if len(np.unique(codes)) > 0.5 * len(problem):
            continue
        skill = _skill_of_words(codes, problem, splits)
        if skill >= (_ALONE_MCC if problem.classes else _ALONE_R2):
            yield _alone(name, skill, bool(problem.classes))


def identities(task: Task, problem: Problem) -> Iterator[Caution]:
    """Numeric targets that follow exactly from several columns of the same row."""
    complete = [i for i in range(len(problem.numeric)) if not np.isnan(problem.values[:, i]).any() and np.ptp(problem.values[:, i]) > 0]
    if problem.classes or len(complete) < 2 or len(problem) < 5 * len(complete):
        return
    scaled = problem.values[:, complete]
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    wanted = problem.target - problem.target.mean()
    half = np.random.default_rng(task.seed).permutation(len(problem))
    train, test = half[: len(half) // 2], half[len(half) // 2 :]
    weights = np.linalg.lstsq(scaled[train], wanted[train], rcond=None)[0]
    if _r2(wanted[test], scaled[test] @ weights) >= 0.99999:
        names = tuple(problem.numeric[complete[i]] for i in np.argsort(-np.abs(weights)) if abs(weights[i]) > 0.02 * wanted.std())
        if len(names) > 1:
            yield Caution("identity", names, f"the target follows exactly from {', '.join(names)} of the same row: {_ARITHMETIC}", True)
            return
    if len(complete) > 30:
        return
    for i, left in enumerate(complete):
        for right in complete[i + 1 :]:
            a, b = problem.values[:, left], problem.values[:, right]
            with np.errstate(all="ignore"):
                made = (("product", a * b), ("ratio", a / b), ("ratio", b / a))
            for word, column in made:
                if np.isfinite(column).all() and np.ptp(column) > 0 and np.corrcoef(column, problem.target)[0, 1] ** 2 >= 0.9999:
                    names = (problem.numeric[left], problem.numeric[right])
                    yield Caution("identity", names, f"the target is the {word} of '{names[0]}' and '{names[1]}': {_ARITHMETIC}", True)
                    return


def _alone(name: str, skill: float, classes: bool) -> Caution:
    figure = f"mcc {skill:.3f}" if classes else f"r2 {skill:.3f}"
    text = f"'{name}' alone almost gives the target ({figure}): is it written with the target, or computed from it?"
    return Caution("target-column", (name,), text, True)


def _skill(column: Numbers, problem: Problem, splits: list[tuple[Rows, Rows]]) -> float:
    answer = np.zeros(len(problem))
    leaf = max(3, len(problem) // 300)
    for train, test in splits:
        make = DecisionTreeClassifier if problem.classes else DecisionTreeRegressor
        tree = make(min_samples_leaf=leaf, max_leaf_nodes=200, random_state=0).fit(column[train, None], problem.target[train])
        answer[test] = tree.predict(column[test, None])
    if problem.classes:
        return 0.0 if np.ptp(answer) == 0 else class_metrics(problem.target, answer, None, len(problem.classes))["mcc"]
    return max(_r2(problem.target, answer), float(np.corrcoef(column, problem.target)[0, 1] ** 2) if np.ptp(problem.target) > 0 else 0.0)


def _skill_of_words(codes: Rows, problem: Problem, splits: list[tuple[Rows, Rows]]) -> float:
    encoded = np.zeros(len(problem))
    count = int(codes.max()) + 1
    for train, test in splits:
        if len(problem.classes) > 2:
            table = np.zeros((count, len(problem.classes)))
            np.add.at(table, (codes[train], problem.target[train].astype(np.intp)), 1)
            encoded[test] = np.argmax(table, axis=1)[codes[test]]
        else:
            sizes = np.bincount(codes[train], minlength=count)
            sums = np.bincount(codes[train], weights=problem.target[train], minlength=count)
            encoded[test] = np.where(sizes > 0, sums / np.maximum(sizes, 1), problem.target[train].mean())[codes[test]]
    if not problem.classes:
        return _r2(problem.target, encoded)
    decided = encoded if len(problem.classes) > 2 else (encoded >= 0.5).astype(np.float64)
    return 0.0 if np.ptp(decided) == 0 else class_metrics(problem.target, decided, None, len(problem.classes))["mcc"]


def _lagged(column: Numbers, target: Numbers) -> bool:
    """Whether the column is the target of an earlier row: known in time, and no leak."""
    for lag in range(1, min(_LAGS, len(target) // 3)):
        if (column[lag:] == target[:-lag]).mean() > 0.95:
            return bool((column == target).mean() < 0.95)
    return False


def _rounded(target: Numbers, column: Numbers) -> bool:
    """Whether the column is a multiple of the target, rounded to its own steps: no residual is larger than half a step."""
    levels = np.unique(column)
    if not 4 <= len(levels) < 0.5 * len(column) or len(np.unique(target)) < 2 * len(levels):
        return False
    step = float(np.median(np.diff(levels)))
    slope, shift = np.polyfit(target, column, 1)
    for _ in range(3):  # the ends are cut off by rounding, so fit again on what is in range
        inside = np.abs(column - (slope * target + shift)) <= 0.75 * step
        if inside.mean() < 0.5 or np.ptp(target[inside]) == 0:
            return False
        slope, shift = np.polyfit(target[inside], column[inside], 1)
    return bool((np.abs(column - (slope * target + shift)) <= 0.55 * step).mean() >= 0.97)


def _codes(words: list[str | None]) -> Rows:
    known: dict[str | None, int] = {}
    return np.array([known.setdefault(word, len(known)) for word in words], np.intp)


def _r2(truth: Numbers, answer: Numbers) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((answer - truth) ** 2).sum()) / spread if spread > 0 else 0.0
