"""Who is learned from and who is judged: the protocols, and the splits inside the training part by which a model is chosen."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem, Task
from workshop.errors import ConfigError

Rows = NDArray[np.intp]
FOLDS = 5


class Fold(msgspec.Struct, frozen=True, eq=False):
    """One split."""

    name: str
    train: Rows
    test: Rows


def folds_of(task: Task, problem: Problem) -> list[Fold]:
    """The outer folds of every protocol but the official test.

    Raises:
        ConfigError: too few groups or rows.
    """
    rows = np.arange(len(problem))
    if task.protocol == "chronological":
        order = np.argsort(problem.time, kind="stable")
        share = 0.7 if task.train_share is None else task.train_share
        cut = task.train_rows if task.train_rows is not None else round(share * len(order))
        # Rows of one instant are not torn apart.
        while 0 < cut < len(order) and problem.time[order[cut - 1]] == problem.time[order[cut]]:
            cut -= 1
        if not 10 <= cut <= len(order) - 5:
            raise ConfigError(f"--protocol chronological: {cut} rows to learn from and {len(order) - cut} to judge; both need more")
        return [Fold("later rows", order[:cut], order[cut:])]
    if task.protocol == "stratified-kfold":
        return [Fold(f"fold {i + 1}", rows[a], rows[b]) for i, (a, b) in enumerate(stratified(problem, FOLDS, task.seed))]
    present = np.unique(problem.group)
    if len(present) < 2:
        raise ConfigError(f"--protocol {task.protocol}: --group '{task.group}' has one value only; there is nobody to be judged on")
    if task.protocol == "leave-one-group-out":
        return [Fold(problem.groups[g], rows[problem.group != g], rows[problem.group == g]) for g in present]
    return [Fold(f"fold {i + 1}", rows[a], rows[b]) for i, (a, b) in enumerate(grouped(problem.group, FOLDS, task.seed))]


def inner_splits(task: Task, problem: Problem, count: int) -> list[tuple[Rows, Rows]]:
    """Splits of the training rows by which a model is chosen: of the same kind as the outer ones."""
    if len(np.unique(problem.group)) > 1 and task.protocol not in {"stratified-kfold", "chronological"}:
        return list(grouped(problem.group, count, task.seed + 1))
    if task.protocol == "stratified-kfold" or (task.protocol == "official-test" and problem.classes):
        return list(stratified(problem, count, task.seed + 1))
    return list(blocked(np.argsort(problem.time, kind="stable"), count))


def grouped(group: Rows, count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Splits that keep every group whole; groups are dealt by lot, the largest first, so that folds are of about one size."""
    present, sizes = np.unique(group, return_counts=True)
    lots = np.random.default_rng(seed).permutation(len(present))
    order = lots[np.argsort(-sizes[lots], kind="stable")]
    count = min(count, len(present))
    fold_of, filled = np.zeros(len(present), np.intp), np.zeros(count)
    for place in order:
        fold_of[place] = int(np.argmin(filled))
        filled[fold_of[place]] += sizes[place]
    fold = fold_of[np.searchsorted(present, group)]
    for i in range(count):
        yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)


def stratified(problem: Problem, count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Random splits of rows with the same share of each class, or of each tenth of the target, in every fold."""
    layer = problem.target if problem.classes else _tenths(problem.target)
    _, place = np.unique(layer, return_inverse=True)
    smallest = int(np.bincount(place).min())
    if smallest < 2 and problem.classes:
        raise ConfigError("--protocol stratified-kfold: a class has one row only; it cannot be in the training and in the test part")
    splitter = StratifiedKFold(max(2, min(count, smallest)), shuffle=True, random_state=seed)
    yield from splitter.split(np.zeros((len(place), 1)), place)


def blocked(order: Rows, count: int) -> Iterator[tuple[Rows, Rows]]:
    """Splits into stretches that follow each other in this order."""
    pieces = np.array_split(order, count)
    for i, piece in enumerate(pieces):
        yield np.sort(np.concatenate([other for j, other in enumerate(pieces) if j != i])), np.sort(piece)


def _tenths(target: Numbers) -> Numbers:
    edges = np.unique(np.quantile(target, np.linspace(0, 1, 11)[1:-1]))
    layer = np.searchsorted(edges, target).astype(np.float64)
    values, counts = np.unique(layer, return_counts=True)
    return layer if counts.min() > FOLDS or len(values) == 1 else np.zeros(len(target))
