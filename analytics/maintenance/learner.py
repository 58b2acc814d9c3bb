"""A model of remaining life, of a number or of a class: candidates compete on left-out units of the training part, the best share the answer."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from analytics.maintenance.candidates import Candidate, candidates
from analytics.maintenance.conformal import Conformal
from analytics.maintenance.inputs import Inputs
from analytics.maintenance.measures import best_threshold, nasa_score
from analytics.maintenance.splits import Rows, inner_splits
from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem, Task

WORKERS = 2
_CUTS = 10  # moments per unit at which a remaining life is asked for in validation, as if the unit had been stopped there
_PICKS = 12
_FLOOR = 1e-3


class Choice(msgspec.Struct, frozen=True, eq=False):
    """What validation inside the training part decided."""

    weights: dict[str, float]
    """Share of each candidate in the answer; they sum to one."""
    scores: dict[str, float]
    """Loss of each candidate alone: mean squared error, or log loss."""
    threshold: float
    offset: float
    predicted: Numbers
    """Predictions for left-out rows, f64[n] or f64[n, classes]."""
    truth: Numbers


class Learner:
    """A fitted model.

    Attributes:
        kind: "rul", "regression" or "classification".
        members: (share, name, kind of inputs, estimator).
    """

    def __init__(self, kind: str, classes: int, cap: float | None) -> None:
        self.kind = kind
        self.classes = classes
        self.cap = cap
        self.inputs: dict[str, Inputs] = {}
        self.members: list[tuple[float, str, str, Any]] = []
        self.threshold = 0.5
        self.offset = 0.0
        self.range = (-np.inf, np.inf)
        self.conformal = Conformal()

    def fit(self, problem: Problem, choice: Choice, pool: list[Candidate], *, seed: int, budget: int) -> "Learner":
        """Fits the chosen candidates on all training rows (at most `budget` of them, by lot)."""
        chosen = [candidate for candidate in pool if choice.weights.get(candidate.name, 0) > 0]
        self.inputs = {kind: Inputs(kind, alone=self.kind == "rul").fit(problem) for kind in sorted({c.inputs for c in chosen})}
        matrices = {kind: inputs.transform(problem) for kind, inputs in self.inputs.items()}
        rows = _lots(len(problem), budget, seed)
        jobs = [(candidate, matrices[candidate.inputs][rows], problem.target[rows], seed) for candidate in chosen]
        fitted = _together(jobs)
        self.members = [(choice.weights[c.name], c.name, c.inputs, model) for c, model in zip(chosen, fitted, strict=True)]
        self.threshold, self.offset = choice.threshold, choice.offset
        if self.kind != "classification":
            self.range = (0.0 if self.kind == "rul" else -np.inf, self.cap if self.cap is not None else np.inf)
            self.conformal.fit(np.clip(choice.predicted, *self.range), choice.truth, *self.range)
        return self

    def predict(self, problem: Problem) -> Numbers:
        """f64[rows], or the probability of each class f64[rows, classes]."""
        matrices = {kind: inputs.transform(problem) for kind, inputs in self.inputs.items()}
        total = sum(share * _answer(model, matrices[kind], self.classes) for share, _, kind, model in self.members)
        return np.asarray(total) if self.classes else np.clip(np.asarray(total) + self.offset, *self.range)

    def decide(self, probability: Numbers) -> Numbers:
        """Codes of classes f64[rows]: with two, class 1 from the chosen threshold on."""
        if self.classes == 2:
            return (probability[:, 1] >= self.threshold).astype(np.float64)
        return np.asarray(np.argmax(probability, axis=1), np.float64)

    def digest(self) -> str:
        """SHA-256 over everything that was learned."""
        found = hashlib.sha256()
        _walk(found, vars(self), set())
        return found.hexdigest()


def pool_for(task: Task, problem: Problem) -> list[Candidate]:
    """The candidates that compete for this task."""
    # With rows of one unit on both sides, its history would reach across the split.
    whole = task.protocol not in {"stratified-kfold", "chronological"}
    histories = task.group is not None and task.time is not None and whole
    return candidates(
        classes=bool(problem.classes), life=task.task == "rul", histories=histories, numeric=len(problem.numeric), quick=task.effort == "quick",
    )


def learn(task: Task, problem: Problem, *, budget: int = 20_000, choice: Choice | None = None) -> Learner:
    """Chooses and fits; reads nothing but this problem's rows."""
    pool = pool_for(task, problem)
    made = choice if choice is not None else choose(task, problem, pool, budget=budget)
    return Learner(task.task, len(problem.classes), task.cap).fit(problem, made, pool, seed=task.seed, budget=budget)


def choose(task: Task, problem: Problem, pool: list[Candidate], *, budget: int) -> Choice:
    """Validation by left-out units (or rows, as the protocol says): shares of the candidates, threshold, offset for early answers."""
    classes, life = len(problem.classes), task.task == "rul"
    splits = inner_splits(task, problem, 3 if task.effort == "quick" else 4)
    judged = _moments(problem, task.seed) if life else np.arange(len(problem))
    jobs: list[tuple[Candidate, Numbers, Numbers, int]] = []
    asked: list[tuple[str, Rows, Numbers]] = []
    for train, test in splits:
        part, rest = problem.take(train), problem.take(test)
        where = np.flatnonzero(np.isin(test, judged))
        made = {kind: Inputs(kind, alone=life).fit(part) for kind in {candidate.inputs for candidate in pool}}
        matrices = {kind: (inputs.transform(part), inputs.transform(rest)[where]) for kind, inputs in made.items()}
        rows = _lots(len(part), budget // 2, task.seed)
        for candidate in pool:
            learned, other = matrices[candidate.inputs]
            jobs.append((candidate, learned[rows], part.target[rows], task.seed))
            asked.append((candidate.name, test[where], other))
    width = (classes,) if classes else ()
    left_out = {candidate.name: np.full((len(problem), *width), np.nan) for candidate in pool}
    for model, (name, rows, matrix) in zip(_together(jobs), asked, strict=True):
        left_out[name][rows] = _answer(model, matrix, classes)
    answers = {name: found[judged] for name, found in left_out.items()}
    truth = problem.target[judged]
    scores = {name: _loss(found, truth) for name, found in answers.items()}
    weights = _shares(answers, scores, truth)
    blend = np.asarray(sum(share * answers[name] for name, share in weights.items()))
    threshold = best_threshold(truth, blend[:, 1]) if classes == 2 else 0.5
    offset = _early(blend, truth, task.cap) if life else 0.0
    return Choice(weights, scores, threshold, offset, blend + offset, truth)


def _moments(problem: Problem, seed: int) -> Rows:
    """Rows at which validation asks for a remaining life: so many of each unit by lot, as a unit in service may be anywhere in its life."""
    lots = np.random.default_rng(seed)
    found = []
    for unit in np.unique(problem.group):
        rows = np.flatnonzero(problem.group == unit)
        found.append(np.sort(lots.choice(rows, min(_CUTS, len(rows)), replace=False)))
    return np.concatenate(found)


def _shares(answers: dict[str, Numbers], scores: dict[str, float], truth: Numbers) -> dict[str, float]:
    """Greedy choice with replacement (Caruana 2004): each pick is the candidate that helps the mean of the picks most."""
    names = sorted(answers, key=lambda name: (scores[name], name))
    picks = {names[0]: 1}
    total, loss = answers[names[0]].copy(), scores[names[0]]
    for size in range(2, _PICKS + 1):
        tried = {name: _loss((total + answers[name]) / size, truth) for name in names}
        best = min(names, key=lambda name: tried[name])
        if tried[best] >= loss * (1 - 1e-4) and size > 2:
            break
        if tried[best] < loss:
            picks[best] = picks.get(best, 0) + 1
            total, loss = total + answers[best], tried[best]
        else:
            break
    return {name: count / sum(picks.values()) for name, count in picks.items()}


def _loss(answer: Numbers, truth: Numbers) -> float:
    if answer.ndim == 1:
        return float(((answer - truth) ** 2).mean())
    chosen = answer[np.arange(len(truth)), truth.astype(np.intp)]
    return float(-np.log(np.clip(chosen, _FLOOR, 1)).mean())


def _early(blend: Numbers, truth: Numbers, cap: float | None) -> float:
    """How much earlier to answer, because too late is worse: the best nasa_score that costs at most one percent of rmse."""
    high = np.inf if cap is None else cap
    offsets = np.arange(0.0, -6.1, -0.5)
    errors = [np.clip(blend + offset, 0, high) - truth for offset in offsets]
    rmse = np.array([np.sqrt((error**2).mean()) for error in errors])
    score = np.array([nasa_score(error) for error in errors])
    return float(offsets[np.argmin(np.where(rmse <= 1.01 * rmse[0], score, np.inf))])


def _lots(count: int, budget: int, seed: int) -> Rows:
    if count <= budget:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, budget, replace=False))


def _together(jobs: list[tuple[Candidate, Numbers, Numbers, int]]) -> list[Any]:
    with ThreadPoolExecutor(WORKERS) as workers:
        return list(workers.map(_fit, jobs))


def _fit(job: tuple[Candidate, Numbers, Numbers, int]) -> Any:
    candidate, matrix, target, seed = job
    # One thread a fit: sums are then in one order, the same on every run.
    with threadpool_limits(1):
        return candidate.make(len(target), seed).fit(matrix, target)


def _answer(model: Any, matrix: Numbers, classes: int) -> Numbers:
    with threadpool_limits(1):
        if not classes:
            return np.asarray(model.predict(matrix), np.float64)
        # A class that the training rows do not have is not expected.
        found = np.zeros((len(matrix), classes))
        found[:, model.classes_.astype(np.intp)] = model.predict_proba(matrix)
        return found


def _walk(found: Any, value: Any, seen: set[int]) -> None:
    """Feeds a digest with numbers and texts of nested objects, in a fixed order; random states and functions do not count."""
    if isinstance(value, np.ndarray):
        found.update(repr((value.dtype.str if value.dtype.names is None else value.dtype.names, value.shape)).encode())
        if value.dtype == object:
            for item in value.ravel():
                _walk(found, item, seen)
        elif value.dtype.names is None:
            found.update(np.ascontiguousarray(value).tobytes())
        else:
            for name in value.dtype.names:
                found.update(np.ascontiguousarray(value[name]).tobytes())
    elif value is None or isinstance(value, str | int | float | bool | np.generic):
        found.update(repr(value).encode())
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            if "rng" not in str(key) and "random_state" not in str(key):
                found.update(repr(key).encode())
                _walk(found, value[key], seen)
    elif isinstance(value, list | tuple):
        for item in value:
            _walk(found, item, seen)
    elif not callable(value) or hasattr(value, "fit"):
        if id(value) in seen:
            return
        seen.add(id(value))
        found.update(type(value).__name__.encode())
        _walk(found, value.__getstate__(), seen)
