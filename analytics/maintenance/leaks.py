"""Ways in which the answer reaches the inputs, found column by column and across the split, and said in words."""

import numpy as np

from analytics.maintenance.leaks_columns import copies, flags, identifiers, identities, single_columns
from analytics.maintenance.leaks_split import group_codes, near_duplicates, split_gap
from analytics.maintenance.report import Caution
from analytics.maintenance.task import Problem, Task

_ROWS = 6000


def find_leaks(task: Task, problem: Problem, test: Problem | None = None) -> list[Caution]:
    """Every suspicion, the clearest first; a column is named once for each kind."""
    some = problem
    if len(problem) > _ROWS:
        some = problem.take(np.sort(np.random.default_rng(task.seed).choice(len(problem), _ROWS, replace=False)))
    found = [*identifiers(problem), *flags(problem), *copies(task, problem), *single_columns(task, some), *identities(task, some)]
    if task.task != "anomaly":
        found += [*group_codes(task, problem), *near_duplicates(task, problem, test), *split_gap(task, problem)]
    return found
