"""Judges detection without examples of faults: learned from the first rows of each file, tried on the rest."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from analytics.maintenance.certainty import beats, intervals_of, resampled, stretches
from analytics.maintenance.evaluate import Progress, silent
from analytics.maintenance.leaks import find_leaks
from analytics.maintenance.measures import class_metrics, delays, mcc_of
from analytics.maintenance.report import Caution, Report, verdict_of
from analytics.maintenance.sound import Sound
from analytics.maintenance.splits import Rows
from analytics.maintenance.table import Numbers, Table
from analytics.maintenance.task import Problem, Task, check_task, problem_of
from workshop.errors import ConfigError

_SHARE = 0.4


class Tried(msgspec.Struct, frozen=True, eq=False):
    """The rows of one file that were scored."""

    name: str
    truth: Numbers
    score: Numbers
    """Minus the threshold: from 0 on an alarm."""
    alarm: Numbers


def evaluate_anomaly(task: Task, tables: Sequence[Table], *, progress: Progress = silent) -> Report:
    """The report over all files; with `--group`, each group of a file counts as a file.

    Raises:
        ConfigError: the options or columns do not allow it.
    """
    check_task(task)
    problems = [(table, problem_of(task, table, ("0", "1") if _binary(task, table) else None)) for table in tables]
    pieces = [
        (table.name if len(problem.groups) == 1 else f"{table.name} {problem.groups[g]}", problem.take(np.flatnonzero(problem.group == g)))
        for table, problem in problems for g in np.unique(problem.group)
    ]
    warnings: list[Caution] = []
    tried: list[Tried] = []
    digest = hashlib.sha256()
    for i, (name, problem) in enumerate(pieces):
        progress(name, i + 1, len(pieces))
        tried.append(_try(task, name, problem, warnings, digest))
    warnings += _leaks(task, [problem for _, problem in pieces])
    truth, alarm, score = (np.concatenate([getattr(one, key) for one in tried]) for key in ("truth", "alarm", "score"))
    if np.ptp(truth) == 0:
        raise ConfigError(f"column '{task.target}': the rows that are scored are all {'events' if truth[0] else 'sound'}; nothing can be judged")
    late = np.concatenate([_second_half(len(one.truth)) for one in tried])
    naive = {"never": np.zeros(len(truth)), "always": np.ones(len(truth)), "index only": late}
    sizes = [len(one.truth) for one in tried]
    files = np.repeat(np.arange(len(tried)), sizes)
    unit = files if len(tried) >= 5 else np.concatenate([stretches(size) + 1000 * i for i, size in enumerate(sizes)])
    draws = resampled(unit, seed=task.seed)
    unbeaten = []
    for name, answer in naive.items():
        gain = _gain(truth, alarm, answer)
        if not beats(gain, draws):
            unbeaten.append((gain(np.arange(len(truth))), name))

    def figures(rows: Rows) -> dict[str, float]:
        return class_metrics(truth[rows], alarm[rows], np.column_stack([-score[rows], score[rows]]), 2)

    waits = [wait for one in tried for wait in delays(one.truth, one.alarm)]
    metrics = figures(np.arange(len(truth))) | ({"delay": float(np.mean(waits))} if waits else {})
    return Report(
        metrics=metrics, intervals=intervals_of(figures, draws),
        folds=[{"fold": one.name, "rows": len(one.truth), **class_metrics(one.truth, one.alarm, None, 2)} for one in tried],
        baselines={name: class_metrics(truth, answer, None, 2) for name, answer in naive.items()}, warnings=warnings,
        verdict=verdict_of(warnings, [name for _, name in sorted(unbeaten)]), task=task.task, protocol=task.protocol,
        rows=sum(len(problem) for _, problem in pieces), units=len(pieces),
        data_digest=hashlib.sha256("".join(table.digest() for table in tables).encode()).hexdigest(), model_digest=digest.hexdigest(),
        model={"t2 and q of level and moves": 1.0},
    )


def cut_of(task: Task, rows: int, name: str) -> int:
    """How many of the first rows are learned from.

    Raises:
        ConfigError: too few, or none left to score.
    """
    cut = task.train_rows if task.train_rows is not None else round((task.train_share or _SHARE) * rows)
    if not 10 <= cut <= rows - 5:
        raise ConfigError(f"{name}: {rows} rows, {cut} of them to learn from (--train-rows, --train-share); at least 10, and 5 left to score")
    return cut


def _try(task: Task, name: str, problem: Problem, warnings: list[Caution], digest: "hashlib._Hash") -> Tried:
    cut = cut_of(task, len(problem), name)
    if not problem.numeric:
        raise ConfigError(f"{name}: no numeric input column; detection needs numbers")
    if problem.target[:cut].any():
        count = int(problem.target[:cut].sum())
        warnings.append(Caution("training-events", (), f"{name}: {count} of the first {cut} rows are marked as events; they were left out of what is "
                                "taken to be sound"))
    sound = problem.values[:cut][problem.target[:cut] == 0]
    if len(sound) < 10:
        raise ConfigError(f"{name}: {len(sound)} sound rows to learn from; at least 10 are needed")
    normal = Sound().fit(sound)
    if not normal.kept:
        raise ConfigError(f"{name}: every input is constant in the rows that are learned from")
    score = normal.score(problem.values)[cut:] - normal.threshold
    for look in (normal.level, normal.moves):
        digest.update(look.axes.tobytes() + look.mean.tobytes() + look.limits.tobytes())
    return Tried(name, problem.target[cut:], score, (score >= 0).astype(np.float64))


def _leaks(task: Task, problems: list[Problem]) -> list[Caution]:
    found: dict[tuple[str, tuple[str, ...]], Caution] = {}
    for problem in problems:
        if np.ptp(problem.target) > 0:
            for warning in find_leaks(task, problem):
                found.setdefault((warning.kind, warning.columns), warning)
    return list(found.values())


def _gain(truth: Numbers, alarm: Numbers, answer: Numbers) -> Callable[[Rows], float]:
    return lambda rows: mcc_of(truth[rows], alarm[rows]) - mcc_of(truth[rows], answer[rows])


def _second_half(count: int) -> Numbers:
    return (np.arange(count) >= count // 2).astype(np.float64)


def _binary(task: Task, table: Table) -> bool:
    """Whether the labels are 0 and 1, of which one file may have one only."""
    column = table.column(task.target or "", "--target")
    return column.dtype != object and set(np.unique(column[~np.isnan(column)])) <= {0.0, 1.0}
