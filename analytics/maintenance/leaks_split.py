"""Leaks through the split: columns that tell the group or the order, rows that stand on both sides, random splits that flatter."""

from collections.abc import Iterator

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from analytics.maintenance.inputs import PLAIN, Inputs
from analytics.maintenance.measures import class_metrics
from analytics.maintenance.report import Caution
from analytics.maintenance.splits import Rows, blocked, folds_of, grouped, stratified
from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem, Task

_TELLS = 0.9  # share of rows whose group a column alone tells
_GAP = 0.25
_ROWS = 4000
_DUPLICATES = 0.05
_NEIGHBOURS = 0.5


def group_codes(task: Task, problem: Problem) -> Iterator[Caution]:
    """Columns from whose value alone the group can be told."""
    present, place, sizes = np.unique(problem.group, return_inverse=True, return_counts=True)
    if len(present) < 3 or sizes.mean() < 3:
        return
    for column, name in enumerate(problem.numeric):
        told = _told(problem.values[:, column], place, sizes)
        if told >= _TELLS:
            yield Caution("group-code", (name,), f"'{name}' tells the group: from it alone {told:.0%} of the rows can be given to their group, so a "
                          "model may learn the group by heart instead of its condition", len(present) >= 4)
    for column, name in enumerate(problem.text):
        words = problem.words[:, column].tolist()
        pairs = {(word, group) for word, group in zip(words, place.tolist(), strict=True)}
        if len(pairs) == len(present) == len({word for word, _ in pairs}):
            yield Caution("group-code", (name,), f"'{name}' is another name of the group", True)


def near_duplicates(task: Task, problem: Problem, test: Problem | None) -> Iterator[Caution]:
    """Rows to be judged that are nearly the same as a row that was learned from, in inputs and target."""
    if test is None:
        folds = folds_of(task, problem)
        train, rest = problem.take(folds[0].train), problem.take(folds[0].test)
    else:
        train, rest = problem, test
    lots = np.random.default_rng(task.seed)
    some = rest.take(np.sort(lots.choice(len(rest), min(len(rest), 1500), replace=False)))
    fine = [i for i in range(len(problem.numeric)) if len(np.unique(train.values[:, i])) >= max(20, 0.02 * len(train))]
    if len(fine) < 2 or len(train) < 30 or len(some) < 10:
        return
    middle, spread = np.nanmean(train.values[:, fine], axis=0), np.maximum(np.nanstd(train.values[:, fine], axis=0), 1e-12)
    here, there = (np.nan_to_num((one.values[:, fine] - middle) / spread) for one in (train, some))
    with threadpool_limits(1):
        distance, nearest = NearestNeighbors(n_neighbors=10).fit(here).kneighbors(there)
    typical = float(np.median(np.linalg.norm(here[lots.integers(0, len(here), 500)] - here[lots.integers(0, len(here), 500)], axis=1)))
    close = (distance[:, 0] < (0.1 if len(fine) > 2 else 0.02) * distance[:, -1]) | (distance[:, 0] < 1e-3 * typical * (len(fine) > 2))
    off = np.abs(some.target - train.target[nearest[:, 0]])
    same = off <= (0 if problem.classes else 0.05 * max(float(train.target.std()), 1e-12))
    share = float((close & same).mean())
    if share >= _DUPLICATES and (close & same).sum() >= 5 and same[close].mean() >= 0.8:
        yield Caution("near-duplicates", (), f"{share:.0%} of the rows to be judged have a near copy, with the same target, among the rows learned "
                      "from: the split does not separate them", task.protocol != "chronological")


def split_gap(task: Task, problem: Problem) -> Iterator[Caution]:
    """Compares a small model under a random split of rows and under one by group, or by stretches of the file where there are no groups."""
    if task.task == "rul" or task.protocol == "official-test":
        return
    if len(problem) > _ROWS:
        problem = problem.take(np.sort(np.random.default_rng(task.seed).choice(len(problem), _ROWS, replace=False)))
    by_group = len(np.unique(problem.group)) >= 3
    order = np.argsort(problem.order if not problem.timed else problem.time, kind="stable")
    if problem.classes and np.bincount(problem.target.astype(np.intp)).min() < 4:
        return
    other = list(grouped(problem.group, 4, task.seed)) if by_group else list(blocked(order, 5))
    matrix = np.nan_to_num(Inputs(PLAIN).fit(problem).transform(problem))
    if matrix.shape[1] == 0:
        return
    flattering, honest = _skill(matrix, problem, list(stratified(problem, 4, task.seed))), _skill(matrix, problem, other)
    if flattering < 0.3 or flattering - max(honest, 0) < _GAP:
        return
    place = np.unique(problem.group, return_inverse=True)[1] if by_group else np.argsort(order) * 10 // len(problem)
    told = sorted(((_together(problem.values[:, i], place), name) for i, name in enumerate(problem.numeric)), reverse=True)
    names = tuple(name for share, name in told if share >= _NEIGHBOURS)[:5]
    kind, word = ("group", "by group") if by_group else ("order", "by stretches of the file")
    columns = f"; {', '.join(names)} tell{'s' if len(names) == 1 else ''} the {kind}" if names else ""
    text = (f"split at random a small model reaches {_figure(problem)} {flattering:.2f}, split {word} {honest:.2f}: only the second figure says "
            f"something about a new {'unit' if by_group else 'day'}{columns}")
    yield Caution(f"{kind}-code" if names else "random-split", names, text, task.protocol == "stratified-kfold")


def _told(column: Numbers, place: Rows, sizes: Rows) -> float:
    """Share of rows whose group is the one with the nearest mean; 0 where groups do not differ beyond their spread."""
    present = ~np.isnan(column)
    if present.mean() < 0.9 or np.ptp(column[present]) == 0:
        return 0.0
    values, group = column[present], place[present]
    count = np.maximum(np.bincount(group, minlength=len(sizes)), 1)
    mean = np.bincount(group, weights=values, minlength=len(sizes)) / count
    order = np.argsort(mean, kind="stable")
    middles = (mean[order][1:] + mean[order][:-1]) / 2
    guess = order[np.searchsorted(middles, values, side="right")]
    distinct = len(np.unique(np.round(mean / max(float(values.std()), 1e-12), 9))) / len(sizes)
    return float((guess == group).mean()) * (distinct if distinct < 0.9 else 1.0)


def _together(column: Numbers, place: Rows) -> float:
    """Share of neighbours in value that are also of one group or stretch, beyond the share expected by chance, 0…1."""
    present = np.flatnonzero(~np.isnan(column))
    if len(present) < 10 or np.ptp(column[present]) == 0:
        return 0.0
    lots = np.random.default_rng(0).permutation(present)  # equal values in no order
    ordered = place[lots[np.argsort(column[lots], kind="stable")]]
    chance = float(((np.bincount(ordered) / len(ordered)) ** 2).sum())
    return float(((ordered[1:] == ordered[:-1]).mean() - chance) / max(1 - chance, 1e-12))


def _skill(matrix: Numbers, problem: Problem, splits: list[tuple[Rows, Rows]]) -> float:
    answer = np.zeros(len(problem))
    with threadpool_limits(1):
        for train, test in splits:
            make = ExtraTreesClassifier if problem.classes else ExtraTreesRegressor
            model = make(40, min_samples_leaf=2, max_features=0.5, random_state=0)
            answer[test] = model.fit(matrix[train], problem.target[train]).predict(matrix[test])
    if problem.classes:
        return 0.0 if np.ptp(answer) == 0 else class_metrics(problem.target, answer, None, len(problem.classes))["mcc"]
    return 1 - float(((answer - problem.target) ** 2).sum()) / max(float(((problem.target - problem.target.mean()) ** 2).sum()), 1e-300)


def _figure(problem: Problem) -> str:
    return "mcc" if problem.classes else "r2"
