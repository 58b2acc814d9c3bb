"""Step functions of time: what a state was at every moment, and for how long several of them held together; exact in integer microseconds."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.series import LOOKBACK_US, Inputs, Series
from workshop.window import Window

UNKNOWN = -(2**63)
"""The value of a step function where nobody knows."""

_FOREVER = 2**62


class Steps(msgspec.Struct, frozen=True, eq=False):
    """m steps: value[i] holds in [edge_us[i], edge_us[i + 1]); before the first edge nothing is known; the last step has no end."""

    edge_us: NDArray[np.int64]
    value: NDArray[np.int64]

    def at(self, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The values at these times."""
        if not len(self.edge_us):
            return np.full(len(time_us), UNKNOWN, np.int64)
        place = np.searchsorted(self.edge_us, time_us, side="right") - 1
        return np.where(place >= 0, self.value[place], UNKNOWN)


class Pieces(msgspec.Struct, frozen=True, eq=False):
    """k pieces of a window in which several step functions stand still."""

    start_us: NDArray[np.int64]
    length_us: NDArray[np.int64]
    values: list[NDArray[np.int64]]
    """One column per step function."""

    def total_us(self, where: NDArray[np.bool_]) -> int:
        """Length of the pieces that the mask names, µs."""
        return int(self.length_us[where].sum())


class Increases(msgspec.Struct, frozen=True, eq=False):
    """What a counter grew by, in one window: n increases, each at the time of the reading that shows it."""

    time_us: NDArray[np.int64]
    amount: NDArray[np.int64]
    silence_us: NDArray[np.int64]
    """Time since the reading before."""
    resets: int
    """Decreases; each begins a new segment."""
    beginnings: int
    """Readings without a usable one in the `LOOKBACK_US` before them: the first of all, and the first after a long silence."""

    @property
    def total(self) -> int:
        """Sum of all increases."""
        return int(self.amount.sum())


def held(inputs: Inputs, role: str) -> Steps:
    """The value of a state at every moment: a reading holds until the next one or until its maximum age.

    Unknown before the first reading, after the maximum age, and while the last reading is not a good integer.
    """
    series = inputs.series(role)
    value, usable = series.integers()
    return _hold(series, np.where(usable, value, UNKNOWN), inputs.hold_us(role))


def fresh(inputs: Inputs, role: str) -> Steps:
    """1 while the last reading of a role is good and no older than its maximum age, else unknown; texts are readings too."""
    series = inputs.series(role)
    return _hold(series, np.where(series.good, 1, UNKNOWN), inputs.hold_us(role))


def any_fresh(inputs: Inputs, roles: Sequence[str]) -> Steps:
    """1 while at least one of the roles is fresh, else unknown."""
    steps = [fresh(inputs, role) for role in roles]
    edges = np.unique(np.concatenate([step.edge_us for step in steps])) if steps else np.zeros(0, np.int64)
    one = np.zeros(len(edges), np.bool_)
    for step in steps:
        one |= step.at(edges) == 1
    return _compress(edges, np.where(one, 1, UNKNOWN))


def inside(windows: Sequence[Window]) -> Steps:
    """1 in the windows (sorted, without overlap), 0 after each, unknown before the first."""
    edges = np.array([edge for window in windows for edge in (window.start_us, window.end_us)], np.int64)
    return Steps(edges, np.tile(np.array([1, 0], np.int64), len(windows)))


def where_known(pieces: Pieces, mask: NDArray[np.bool_]) -> Steps:
    """1 on the pieces that the mask names, 0 on the others; for asking about single moments of the same window."""
    return Steps(pieces.start_us, mask.astype(np.int64))


def cut(windows: Sequence[Window], steps: Sequence[Steps]) -> Pieces:
    """The windows (sorted, without overlap) cut wherever one of the step functions changes."""
    if not windows:
        return Pieces(np.zeros(0, np.int64), np.zeros(0, np.int64), [np.zeros(0, np.int64) for _ in steps])
    within = inside(windows)
    edges = np.unique(np.concatenate([within.edge_us, *(step.edge_us for step in steps)]))
    edges = edges[(edges >= windows[0].start_us) & (edges <= windows[-1].end_us)]
    starts = edges[:-1]
    kept = within.at(starts) == 1
    return Pieces(starts[kept], np.diff(edges)[kept], [step.at(starts)[kept] for step in steps])


def increases(inputs: Inputs, role: str, window: Window) -> Increases:
    """What the counter of a role grew by in the window, in its unit (mWh for energy): the sum of positive increases between good readings.

    An increase belongs to the moment of the reading that shows it, so that every increase is counted in exactly one window. A decrease is a reset:
    the value after it begins a new segment and counts nothing. After a silence of more than `LOOKBACK_US` the counter begins anew as well.
    """
    series = inputs.series(role)
    value, usable = series.integers(inputs.scale(role))
    time, value = series.time_us[usable], value[usable]
    if not len(time):
        return Increases(time, value, time, 0, 0)
    silence = np.diff(time, prepend=-_FOREVER)
    grown = np.diff(value, prepend=value[0])
    inner = (time >= window.start_us) & (time < window.end_us)
    near = silence <= LOOKBACK_US
    up = inner & near & (grown > 0)
    return Increases(time[up], grown[up], silence[up], int((inner & near & (grown < 0)).sum()), int((inner & ~near).sum()))


def _hold(series: Series, value: NDArray[np.int64], hold_us: int) -> Steps:
    time = series.time_us
    if not len(time):
        return Steps(time, value)
    expiry = time + hold_us
    stale = expiry < np.append(time[1:], _FOREVER)
    edges = np.concatenate((time, expiry[stale]))
    values = np.concatenate((value, np.full(int(stale.sum()), UNKNOWN, np.int64)))
    order = np.argsort(edges, kind="stable")
    return _compress(edges[order], values[order])


def _compress(edges: NDArray[np.int64], values: NDArray[np.int64]) -> Steps:
    if len(edges) < 2:
        return Steps(edges, values)
    changes = np.concatenate(([True], values[1:] != values[:-1]))
    return Steps(edges[changes], values[changes])
