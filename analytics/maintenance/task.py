"""What is to be learned, from which columns, and how it is judged; and a table made ready for it."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.maintenance.table import Numbers, Table, codes_of, is_text, listing, matching, times_of
from workshop.errors import ConfigError

TASKS = ("rul", "regression", "classification", "anomaly")
PROTOCOLS = ("leave-one-group-out", "grouped-kfold", "chronological", "stratified-kfold", "official-test")
_LEAST_ROWS = 20


class Task(msgspec.Struct, frozen=True):
    """The options of `chejian maintenance evaluate`."""

    task: str
    protocol: str
    target: str | None = None
    group: str | None = None
    time: str | None = None
    inputs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cap: float | None = None
    train_rows: int | None = None
    train_share: float | None = None
    seed: int = 0
    effort: str = "full"
    """"full", or "quick": few and small candidates, for tests of the protocol itself."""


class Problem(msgspec.Struct, frozen=True, eq=False):
    """A table seen through a task; rows of one group stand together in order of time where a group or a time is given."""

    numeric: tuple[str, ...]
    values: Numbers
    """f64[rows, numeric], NaN where missing."""
    text: tuple[str, ...]
    words: NDArray[np.object_]
    """object[rows, text], None where missing."""
    target: Numbers
    """f64[rows]: the target; the code of the class; remaining life, capped."""
    classes: tuple[str, ...]
    group: NDArray[np.intp]
    groups: tuple[str, ...]
    time: Numbers
    timed: bool
    """Whether `time` was given; else it is the row's number."""
    order: NDArray[np.intp]
    """Row of the file that each row was."""

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[np.intp]) -> "Problem":
        """The same problem with these rows only."""
        return msgspec.structs.replace(
            self, values=self.values[rows], words=self.words[rows], target=self.target[rows], group=self.group[rows], time=self.time[rows],
            order=self.order[rows],
        )

    def keep(self, names: list[str]) -> "Problem":
        """The same problem with these input columns only."""
        numeric = [i for i, name in enumerate(self.numeric) if name in names]
        text = [i for i, name in enumerate(self.text) if name in names]
        return msgspec.structs.replace(
            self, numeric=tuple(self.numeric[i] for i in numeric), values=self.values[:, numeric], text=tuple(self.text[i] for i in text),
            words=self.words[:, text],
        )


def check_task(task: Task) -> None:
    """Refuses options that do not go together.

    Raises:
        ConfigError: which, and what is wanted instead.
    """
    if task.task not in TASKS:
        raise ConfigError(f"--task '{task.task}': there are {', '.join(TASKS)}")
    if task.protocol not in PROTOCOLS:
        raise ConfigError(f"--protocol '{task.protocol}': there are {', '.join(PROTOCOLS)}")
    if task.task == "rul":
        if task.group is None or task.time is None:
            raise ConfigError("--task rul needs --group (the unit) and --time (its age); the life that remains follows from them")
        if task.target is not None:
            raise ConfigError("--task rul takes no --target: the life that remains is counted to each unit's last row; else use --task regression")
        if task.protocol in {"chronological", "stratified-kfold"}:
            raise ConfigError(f"--task rul --protocol {task.protocol}: rows of one unit would stand on both sides; use grouped-kfold")
    elif task.target is None:
        raise ConfigError(f"--task {task.task} needs --target")
    if task.protocol in {"leave-one-group-out", "grouped-kfold"} and task.group is None and task.task != "anomaly":
        raise ConfigError(f"--protocol {task.protocol} needs --group")
    if task.cap is not None and (task.task not in {"rul", "regression"} or not task.cap > 0):
        raise ConfigError("--cap is the largest remaining life that is told apart: a number above 0, for rul and regression only")
    if task.train_share is not None and not 0 < task.train_share < 1:
        raise ConfigError("--train-share is a share between 0 and 1")
    if task.train_rows is not None and task.train_rows < 10:
        raise ConfigError("--train-rows: at least 10 rows are needed to learn from")


def problem_of(task: Task, table: Table, classes: tuple[str, ...] | None = None, *, known: tuple[str, ...] | None = None) -> Problem:
    """The table made ready.

    Args:
        classes: the classes of the training table, for a test table.
        known: the input columns of the training table, for a test table: they must all be there.

    Raises:
        ConfigError: a column is wrong, or there is too little.
    """
    rows = len(table)
    group, groups = (np.zeros(rows, np.intp), [""]) if task.group is None else codes_of(table.column(task.group, "--group"))
    time = np.arange(rows, dtype=np.float64) if task.time is None else times_of(table.column(task.time, "--time"), table.name, task.time)
    order: NDArray[np.intp] = np.arange(rows)
    labels: tuple[str, ...] = ()
    if task.task == "rul" or (task.group is not None and task.time is not None):
        order = np.lexsort((time, group))
    elif task.time is not None:
        order = np.argsort(time, kind="stable")
    if task.task == "rul":
        target = _life(task, table, group, time)
    else:
        target, labels = _target(task, table, classes)
    missing = np.isnan(target)
    if missing.all():
        raise ConfigError(f"{table.name}: the target has no value in any row")
    order = order[~missing[order]]
    names = list(known) if known is not None else _inputs(task, table)
    for name in names:
        table.column(name, "the model's inputs")
    text = tuple(name for name in names if is_text(table.columns[name]))
    numeric = tuple(name for name in names if name not in text)
    values = np.column_stack([table.columns[name] for name in numeric]).astype(np.float64) if numeric else np.zeros((rows, 0))
    words = np.empty((rows, len(text)), object)
    for place, name in enumerate(text):
        words[:, place] = table.columns[name]
    if known is None and len(order) < _LEAST_ROWS:
        raise ConfigError(f"{table.name}: {len(order)} rows with a target; at least {_LEAST_ROWS} are needed")
    made = Problem(numeric, values, text, words, target, labels, group, tuple(groups), time, task.time is not None, np.arange(rows))
    return made.take(order)


def _life(task: Task, table: Table, group: NDArray[np.intp], time: Numbers) -> Numbers:
    last = np.full(group.max() + 1, -np.inf)
    np.maximum.at(last, group, time)
    life = last[group] - time
    return life if task.cap is None else np.minimum(life, task.cap)


def _target(task: Task, table: Table, classes: tuple[str, ...] | None) -> tuple[Numbers, tuple[str, ...]]:
    name = task.target or ""
    column = table.column(name, "--target")
    if task.task == "regression":
        if is_text(column):
            raise ConfigError(f"{table.name}: column '{name}' (given with --target) is text; --task regression needs numbers")
        return (column if task.cap is None else np.minimum(column, task.cap)), ()
    missing = np.array([value is None or value != value for value in column.tolist()])  # noqa: PLR0124 — NaN
    codes, labels = codes_of(column)
    if classes is None:
        classes = _ordered([label for code, label in enumerate(labels) if (codes[~missing] == code).any()], codes[~missing], labels)
        if len(classes) < 2 and task.task == "classification":
            raise ConfigError(f"{table.name}: column '{name}' has one value only ({listing(classes)}); a classification needs two")
        if len(classes) > 50 or (task.task == "anomaly" and len(classes) > 2):
            raise ConfigError(f"{table.name}: column '{name}' has {len(classes)} values; "
                              f"{'an anomaly is 0 or 1' if task.task == 'anomaly' else 'these are no classes; is it --task regression?'}")
    place = {label: float(code) for code, label in enumerate(classes)}
    strange = [label for label in labels if label not in place and label != ""]
    if strange:
        raise ConfigError(f"{table.name}: column '{name}' has the value '{strange[0]}', which is not in the training data")
    target = np.array([place.get(labels[code], np.nan) for code in codes])
    target[missing] = np.nan
    return target, classes


def _ordered(present: list[str], codes: NDArray[np.intp], labels: list[str]) -> tuple[str, ...]:
    """Classes in order; of two, the second is the event: the larger number, else the rarer one."""
    try:
        return tuple(sorted(present, key=float))
    except ValueError:
        if len(present) != 2:
            return tuple(sorted(present))
        counts = {label: int((codes == labels.index(label)).sum()) for label in present}
        return tuple(sorted(present, key=lambda label: (-counts[label], label)))


def _inputs(task: Task, table: Table) -> list[str]:
    special = {name for name in (task.target, task.group, task.time) if name is not None}
    names = matching(table, task.inputs, "--inputs") if task.inputs else list(table.columns)
    if task.target is not None and task.target in task.inputs:
        raise ConfigError(f"--inputs names the target '{task.target}'")
    excluded = set(matching(table, task.exclude, "--exclude")) if task.exclude else set()
    kept = [name for name in names if name not in excluded and name not in special]
    if not kept:
        raise ConfigError(f"{table.name}: no input column is left after --inputs, --exclude, --target, --group and --time")
    return kept


def question_of(task: Task, table: Table, numeric: tuple[str, ...], text: tuple[str, ...]) -> Problem:
    """Rows to be answered: as `problem_of`, without a target.

    Raises:
        ConfigError: an input column is absent, or text where numbers are wanted.
    """
    for name in numeric:
        if is_text(table.column(name, "the model's inputs")):
            raise ConfigError(f"{table.name}: column '{name}' is text; the model has learned from numbers")
    columns = dict(table.columns)
    for name in text:
        if not is_text(table.column(name, "the model's inputs")):
            columns[name] = np.array([None if number != number else f"{number:g}" for number in columns[name].tolist()], object)  # noqa: PLR0124 — NaN
    columns[_ASKED] = np.zeros(len(table))
    asked = msgspec.structs.replace(task, task="regression", target=_ASKED, cap=None)
    return problem_of(asked, Table(table.name, columns), known=numeric + text)


_ASKED = "\0asked"
