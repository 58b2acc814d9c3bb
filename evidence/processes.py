"""Measuring with several processes: each takes a stretch of the window. What comes out does not depend on how many there are.

New processes are started afresh (never forked: the gateway has threads). Where that is not possible, one process does all.
"""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import numpy as np

from analytics.indicator import Indicator, load_indicators
from evidence.measure import Measured, Task, measure, slabs_of
from evidence.parts import Files, Parts, PartTable
from workshop.register import Workshop
from workshop.window import Window

LEAST_ROWS = 500_000
"""Fewer rows are measured before another process has started."""


def measure_window(
    parts: Parts, indicators: tuple[Indicator, ...], revisions: tuple[Workshop, ...], window: Window, processes: int = 1
) -> Measured:
    """Components of every indicator under every revision in the window, by up to so many processes."""
    slabs = slabs_of(parts.table, window)
    rows = sum(number for _, number in slabs)
    shipped = load_indicators()
    ours = all(shipped.get(item.id) is item for item in indicators)
    if not isinstance(parts.reader, Files) or not ours or rows < LEAST_ROWS:
        processes = 1
    tasks = [Task(indicators, revisions, window, stretch) for stretch in _stretches(slabs, max(1, min(processes, rows // LEAST_ROWS)))]
    several = len(tasks) > 1 and isinstance(parts.reader, Files)
    found = _together(parts, parts.reader.paths, tasks) if several else [measure(*parts, tasks[0])]  # type: ignore[attr-defined]
    return Measured(
        tuple(tuple(item for piece in found for item in piece.components[number]) for number in range(len(revisions))),
        np.logical_or.reduce([piece.sources for piece in found]),
        tuple(sorted({number for piece in found for number in piece.malformed})),
    )


def _stretches(slabs: list[tuple[Window, int]], number: int) -> list[tuple[Window, ...]]:
    """The slabs as so many stretches of about equally many rows, none of them empty."""
    total, done = sum(rows for _, rows in slabs), 0
    stretches: list[list[Window]] = [[] for _ in range(number)]
    for slab, rows in slabs:
        # The middle of a slab decides to which stretch it belongs.
        stretches[min(number - 1, (2 * done + rows) * number // (2 * total)) if total else 0].append(slab)
        done += rows
    return [tuple(stretch) for stretch in stretches if stretch]


def _together(parts: Parts, paths: tuple[str, ...], tasks: list[Task]) -> list[Measured]:
    """The first task here, the others in processes of their own; all of them here where no process can be started."""
    first: Measured | None = None
    try:
        with ProcessPoolExecutor(len(tasks) - 1, get_context("spawn")) as pool:
            others = [pool.submit(_measure_there, parts.table._asdict(), paths, _packed(task)) for task in tasks[1:]]
            first = measure(*parts, tasks[0])
            return [first, *(other.result() for other in others)]
    except (OSError, ImportError, NotImplementedError, BrokenProcessPool):
        return [first if first is not None and number == 0 else measure(*parts, task) for number, task in enumerate(tasks)]


def _packed(task: Task) -> tuple[Any, ...]:
    return tuple(item.id for item in task.indicators), task.revisions, task.window, task.slabs


def _measure_there(table: dict[str, Any], paths: tuple[str, ...], packed: tuple[Any, ...]) -> Measured:
    names, revisions, window, slabs = packed
    known = load_indicators()
    return measure(PartTable(**table), Files(paths), Task(tuple(known[name] for name in names), revisions, window, slabs))
