"""Judges a way of learning on units that it has not seen, beside naive answers, with how sure each figure is."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from analytics.maintenance.certainty import beats, intervals_of, resampled, squared_gain, stretches
from analytics.maintenance.leaks import find_leaks
from analytics.maintenance.learner import Choice, Learner, choose, learn, pool_for
from analytics.maintenance.measures import area, class_metrics, mcc_of, regression_metrics
from analytics.maintenance.naive import naive_answers
from analytics.maintenance.report import Caution, Report, verdict_of
from analytics.maintenance.splits import Rows, folds_of
from analytics.maintenance.table import Numbers, Table
from analytics.maintenance.task import Problem, Task, check_task, problem_of
from workshop.errors import ConfigError

Progress = Callable[[str, int, int], None]
"""What is done, step, of how many."""

_BLOCKS = 5
_MANY = 8


class Judged(msgspec.Struct, frozen=True, eq=False):
    """Answers for the rows of one fold."""

    name: str
    truth: Numbers
    unit: Rows
    answer: Numbers
    """f64[rows] or probabilities f64[rows, classes]."""
    decided: Numbers
    low: Numbers
    high: Numbers
    naive: dict[str, Numbers]
    naive_scores: dict[str, Numbers]
    learner: Learner


def silent(what: str, step: int, steps: int) -> None:
    """Tells nobody."""


def evaluate(
    task: Task, table: Table, test: Table | None = None, test_life: Numbers | None = None, *, progress: Progress = silent,
    innocent: frozenset[str] = frozenset(),
) -> Report:
    """The report on a task of remaining life, regression or classification.

    Args:
        test: the test table of the official protocol.
        test_life: true remaining life after the last row of each test unit, in the order of their first rows.
        innocent: kinds of caution that are no leak of this table, whoever made it knows why; they are said all the same.

    Raises:
        ConfigError: the options, the columns or the amount of data do not allow it.
    """
    check_task(task)
    problem = problem_of(task, table)
    judged = _official(task, problem, test, test_life, progress) if task.protocol == "official-test" else _folds(task, problem, progress)
    progress("looking for leaks", 1, 1)
    other = None if test is None else problem_of(task, test, problem.classes or None, known=problem.numeric + problem.text)
    found = find_leaks(task, problem, other)
    warnings = [msgspec.structs.replace(item, leak=False) if item.kind in innocent else item for item in found]
    return _report(task, table, problem, judged, warnings)


def _folds(task: Task, problem: Problem, progress: Progress) -> list[Judged]:
    folds = folds_of(task, problem)
    budget = int(np.clip(300_000 // len(folds), 3000, 20_000))
    chunks = [[i] for i in range(len(folds))] if len(folds) <= _MANY else [list(piece) for piece in np.array_split(np.arange(len(folds)), _BLOCKS)]
    judged: list[Judged] = []
    for chunk in chunks:
        # With many folds the choice is made once for several of them, and reads none of their units.
        held = np.unique(np.concatenate([folds[i].test for i in chunk]))
        allowed = problem.take(np.setdiff1d(folds[chunk[0]].train, held) if len(chunk) > 1 else folds[chunk[0]].train)
        _enough(allowed, folds[chunk[0]].name)
        choice = choose(task, allowed, pool_for(task, allowed), budget=budget)
        for i in chunk:
            progress(f"{folds[i].name}", len(judged) + 1, len(folds))
            train, rows = problem.take(folds[i].train), problem.take(folds[i].test)
            judged.append(_judge(task, folds[i].name, train, rows, choice, budget))
    return judged


def _official(task: Task, problem: Problem, test: Table | None, life: Numbers | None, progress: Progress) -> list[Judged]:
    if test is None:
        raise ConfigError("--protocol official-test needs --test FILE")
    other = problem_of(task, test, problem.classes or None, known=problem.numeric + problem.text)
    progress("choosing and fitting on the training units", 1, 2)
    choice = choose(task, problem, pool_for(task, problem), budget=20_000)
    if task.task != "rul":
        return [_judge(task, "test", problem, other, choice, 20_000)]
    if life is None:
        raise ConfigError("--protocol official-test --task rul needs --test-rul FILE: the life that remained after each test unit's last row")
    present = np.unique(other.group)
    if len(life) != len(present) or np.isnan(life).any():
        raise ConfigError(f"--test-rul has {len(life)} values, and {test.name} has {len(present)} units; one number for each is wanted")
    # Groups are numbered in order of first appearance: the order in which the truths are listed.
    ends = np.array([np.flatnonzero(other.group == unit)[-1] for unit in present])
    truth = life if task.cap is None else np.minimum(life, task.cap)
    return [_judge(task, "test", problem, other, choice, 20_000, ends, truth)]


def _judge(
    task: Task, name: str, train: Problem, rows: Problem, choice: Choice, budget: int, only: Rows | None = None, truth: Numbers | None = None,
) -> Judged:
    learner = learn(task, train, budget=budget, choice=choice)
    answer = learner.predict(rows)
    answers, scores = naive_answers(task, train, rows)
    kept = np.arange(len(rows)) if only is None else only
    answer = answer[kept]
    low, high = learner.conformal.interval(answer) if not train.classes else (np.zeros(0), np.zeros(0))
    decided = learner.decide(answer) if train.classes else answer
    return Judged(
        name, rows.target[kept] if truth is None else truth, rows.group[kept], answer, decided, low, high,
        {key: value[kept] for key, value in answers.items()}, {key: value[kept] for key, value in scores.items()}, learner,
    )


def _enough(problem: Problem, name: str) -> None:
    if len(problem) < 10:
        raise ConfigError(f"{name}: {len(problem)} rows are left to learn from; at least 10 are needed")
    if problem.classes and len(np.unique(problem.target)) < 2:
        raise ConfigError(f"{name}: the rows to learn from have one class only; try another protocol")


def _report(task: Task, table: Table, problem: Problem, judged: Sequence[Judged], warnings: list[Caution]) -> Report:
    count = len(problem.classes)
    naive, naive_scores = _joined_by_name([one.naive for one in judged]), _joined_by_name([one.naive_scores for one in judged])
    whole = Judged("all", *_joined(judged), naive, naive_scores, judged[0].learner)
    units = len(np.unique(whole.unit))
    grouped = units > 1 and task.protocol not in {"stratified-kfold", "chronological"}
    unit = whole.unit if grouped else stretches(len(whole.truth)) if task.protocol == "chronological" else np.arange(len(whole.truth))
    draws = resampled(unit, seed=task.seed)
    unbeaten = []
    for name, answer in whole.naive.items():
        gains = _class_gains(whole, answer, naive_scores.get(name), count) if count else [squared_gain(whole.truth, whole.answer, answer)]
        if not any(beats(gain, draws) for gain in gains):
            unbeaten.append((gains[0](np.arange(len(whole.truth))), name))
    baselines = {name: _figures(task, count, whole.truth, answer, whole.naive_scores.get(name)) for name, answer in whole.naive.items()}
    every = np.arange(len(whole.truth))
    return Report(
        metrics=_at(task, count, whole, every), intervals=intervals_of(lambda rows: _at(task, count, whole, rows), draws),
        folds=[{"fold": one.name, "rows": len(one.truth), "units": len(np.unique(one.unit)), **_at(task, count, one, np.arange(len(one.truth)))}
               for one in judged],
        baselines=baselines, warnings=warnings, verdict=verdict_of(warnings, [name for _, name in sorted(unbeaten)]), task=task.task,
        protocol=task.protocol, rows=len(problem), units=len(np.unique(problem.group)), data_digest=table.digest(),
        model_digest=judged[0].learner.digest(), model={name: share for share, name, _, _ in judged[0].learner.members},
    )


def _joined(judged: Sequence[Judged]) -> tuple[Numbers, Rows, Numbers, Numbers, Numbers, Numbers]:
    def join(key: str) -> Any:
        return np.concatenate([getattr(one, key) for one in judged])

    return join("truth"), join("unit"), join("answer"), join("decided"), join("low"), join("high")


def _joined_by_name(parts: list[dict[str, Numbers]]) -> dict[str, Numbers]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if all(name in part for part in parts)}


def _class_gains(judged: Judged, answer: Numbers, scores: Numbers | None, classes: int) -> list[Callable[[Rows], float]]:
    """Gain of the decisions (mcc), and with two classes of the ranking (auc): few events may rank well and still have a poor threshold."""
    truth, ranked = judged.truth, answer if scores is None else scores[:, -1]

    def decisions(rows: Rows) -> float:
        return _agreement(truth[rows], judged.decided[rows], classes) - _agreement(truth[rows], answer[rows], classes)

    def ranking(rows: Rows) -> float:
        return area(truth[rows] == 1, judged.answer[rows, 1]) - area(truth[rows] == 1, ranked[rows])

    return [decisions, ranking] if classes == 2 else [decisions]


def _agreement(truth: Numbers, decided: Numbers, classes: int) -> float:
    if classes == 2:
        return mcc_of(truth, decided)
    return 0.0 if np.ptp(decided) == 0 else class_metrics(truth, decided, None, classes)["mcc"]


def _at(task: Task, classes: int, judged: Judged, rows: Rows) -> dict[str, float]:
    found = _figures(task, classes, judged.truth[rows], judged.decided[rows], judged.answer[rows] if classes else None)
    if not classes:
        inside = (judged.truth[rows] >= judged.low[rows]) & (judged.truth[rows] <= judged.high[rows])
        found["interval_coverage"] = float(inside.mean())
        found["interval_width"] = float((judged.high[rows] - judged.low[rows]).mean())
    return found


def _figures(task: Task, classes: int, truth: Numbers, decided: Numbers, score: Numbers | None) -> dict[str, float]:
    if classes:
        return class_metrics(truth, decided, score, classes)
    return regression_metrics(truth, decided, life=task.task == "rul")
