"""Columns of one machine's day, and the steps from which they are made."""

from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from simulators.physics.thermal import Floats

Ints: TypeAlias = npt.NDArray[np.int64]
DAY_US = 86_400_000_000


class Column(msgspec.Struct):
    """One signal of one day: times, µs UTC, ascending, and floats, integers or texts (an index for each time into `words`)."""

    times: Ints
    values: Floats | Ints
    words: list[str] | None = None

    def before(self, end_us: int) -> "Column":
        """What stands before this time."""
        count = int(np.searchsorted(self.times, end_us, side="left"))
        return Column(self.times[:count], self.values[:count], self.words)


Columns: TypeAlias = dict[str, Column]


class Steps(msgspec.Struct):
    """A quantity that is constant from each time to the next: what a machine does, phase by phase."""

    times: Ints
    power_w: Floats
    load: Floats
    speed: Floats

    def at(self, grid: Ints) -> tuple[Floats, Floats]:
        """Load and speed at these times."""
        index = np.maximum(np.searchsorted(self.times, grid, side="right") - 1, 0)
        return self.load[index], self.speed[index]

    def integral(self, values: Floats, edges: Ints) -> Floats:
        """∫ values dt from the first edge to each edge, in value · s; exact, as the values are steps."""
        lengths = np.diff(self.times, append=self.times[-1:]) / 1e6
        total = np.concatenate([[0.0], np.cumsum(values * lengths)])
        index = np.maximum(np.searchsorted(self.times, edges, side="right") - 1, 0)
        reached = total[index] + values[index] * (edges - self.times[index]) / 1e6
        return np.asarray(reached - reached[0], dtype=np.float64)


def changes(times: Ints, values: Ints) -> Column:
    """A state as its changes: sorted by time, the last of several at one time, repetitions left out."""
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    last = np.append(times[1:] != times[:-1], True)
    times, values = times[last], values[last]
    new = np.append(True, values[1:] != values[:-1])
    return Column(times[new], values[new])


def repeated(column: Column, grid: Ints) -> Column:
    """The same with its value repeated at every time of the grid, as a source that reports on a period does."""
    times = np.union1d(column.times, grid[grid >= column.times[0]]) if column.times.size else column.times
    index = np.searchsorted(column.times, times, side="right") - 1
    return Column(times, column.values[index], column.words)


def on_clock(offsets: Floats, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Working time to clock time: which working window each offset (s of working time) falls in, and the time, µs UTC.

    Offsets beyond the last window get the index len(starts).
    """
    lengths = (ends - starts) / 1e6
    reached = np.cumsum(lengths)
    window = np.searchsorted(reached, offsets, side="right")
    inside = np.minimum(window, len(starts) - 1)
    begun = reached[inside] - lengths[inside]
    return window.astype(np.int64), starts[inside] + np.rint((offsets - begun) * 1e6).astype(np.int64)
