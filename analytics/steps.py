"""Step functions of time: what a state was at every moment, and for how long several of them held together; exact in integer microseconds."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.missing import Span, Spans, clipped, common, union
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
    blind: NDArray[np.bool_]
    """Whether readings are missing in that time."""
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

    Unknown before the first reading, after the maximum age, while the last reading is not a good integer, and from the start of a span in which
    readings are missing until the next reading at or after its end: nobody knows what was said in between.
    """
    def make() -> Steps:
        series = inputs.series(role)
        value, usable = series.integers()
        return _hold(series, np.where(usable, value, UNKNOWN), inputs.hold_us(role), inputs.unknown.get(role, ()))

    return inputs.once(("held", role), make)


def held_codes(inputs: Inputs, role: str, codes: NDArray[np.int64]) -> Steps:
    """As `held`, of something that is derived from each reading of `Inputs.series` of the role; `UNKNOWN` is a code too."""
    return _hold(inputs.series(role), codes, inputs.hold_us(role), inputs.unknown.get(role, ()))


def fresh(inputs: Inputs, role: str) -> Steps:
    """1 while the last reading of a role is good and no older than its maximum age, else unknown; texts are readings too."""
    def make() -> Steps:
        series = inputs.series(role)
        return _hold(series, np.where(series.good, 1, UNKNOWN), inputs.hold_us(role), inputs.unknown.get(role, ()))

    return inputs.once(("fresh", role), make)


def any_fresh(inputs: Inputs, roles: Sequence[str]) -> Steps:
    """1 while at least one of the roles is fresh, else unknown."""
    steps = [fresh(inputs, role) for role in roles]
    edges = np.unique(np.concatenate([step.edge_us for step in steps])) if steps else np.zeros(0, np.int64)
    one = np.zeros(len(edges), np.bool_)
    for step in steps:
        one |= step.at(edges) == 1
    return _compress(edges, np.where(one, 1, UNKNOWN))


def unheard(inputs: Inputs, roles: Sequence[str]) -> Steps:
    """1 while something that one of the roles said may be missing: from the start of such a span until the role is heard again."""
    spans = union(span for role in roles for span in until_heard(inputs.unknown.get(role, ()), inputs.series(role).time_us))
    return inside([Window(*span) for span in spans])


def until_heard(spans: Spans, time_us: NDArray[np.int64]) -> Spans:
    """Each span prolonged to the next reading at or after its end, by `LOOKBACK_US` at most: what was missing matters no longer."""
    found: list[Span] = []
    for start, end in spans:
        place = int(np.searchsorted(time_us, end))
        following = int(time_us[place]) if place < len(time_us) else _FOREVER
        found.append((start, min(following, end + LOOKBACK_US)))
    return union(found)


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
    return inputs.once(("increases", role, window), lambda: _increases(inputs, role, window))


def _increases(inputs: Inputs, role: str, window: Window) -> Increases:
    series = inputs.series(role)
    value, usable = inputs.integers(role)
    time, value = series.time_us[usable], value[usable]
    if not len(time):
        return Increases(time, value, time, time > 0, 0, 0)
    silence = np.diff(time, prepend=-_FOREVER)
    grown = np.diff(value, prepend=value[0])
    inner = (time >= window.start_us) & (time < window.end_us)
    near = silence <= LOOKBACK_US
    up = inner & near & (grown > 0)
    blind = touched(inputs.unknown.get(role, ()), time[up] - silence[up], time[up])
    return Increases(time[up], grown[up], silence[up], blind, int((inner & near & (grown < 0)).sum()), int((inner & ~near).sum()))


def accounted(inputs: Inputs, role: str, window: Window) -> Spans:
    """The time for which the counter's growth is known: between usable readings, and after the last one while it is fresh.

    What a counter grew by between two readings is a fact whatever lies between them, so that time counts even where readings are missing, but not
    where the counter began anew there: nobody knows what it had reached. As an increase belongs to the reading that shows it, a span ends with that
    reading's own instant, and the first of all readings accounts for nothing. Spans may begin before the window, with the last reading before
    it; those of pieces that adjoin unite to those of the whole.
    """
    return inputs.once(("accounted", role, window), lambda: _accounted(inputs, role, window))


def _accounted(inputs: Inputs, role: str, window: Window) -> Spans:
    series, missing = inputs.series(role), inputs.unknown.get(role, ())
    value, usable = inputs.integers(role)
    time, value = series.time_us[usable], value[usable]
    if not len(time):
        return ()
    bridged = (np.diff(time) <= LOOKBACK_US) & (time[1:] >= window.start_us) & ~((np.diff(value) < 0) & touched(missing, time[:-1], time[1:]))
    fresh_until = _expiry(series.time_us, inputs.hold_us(role), missing)[usable]
    following = np.append(series.time_us[1:], _FOREVER)[usable]
    starts, ends = np.maximum(time + 1, window.start_us), np.minimum(np.minimum(fresh_until, following), window.end_us)
    # A reading that is fresh until the next one, which its growth reaches: most of them are, and need no span of their own.
    own = ends > starts
    own[:-1] &= ~(bridged & (ends[:-1] <= time[1:]))
    return union((*_runs(time, bridged), *zip(starts[own].tolist(), ends[own].tolist(), strict=True)))


def growth_lost(inputs: Inputs, roles: Sequence[str], window: Window) -> Spans:
    """Where these counters may have grown unseen: from where readings are missing to the next usable one, which would show it.

    What is accounted for is not lost: what remains touches a border of the window, or a place where a counter began anew.
    """
    found: list[Span] = []
    for role in roles:
        if spans := inputs.unknown.get(role, ()):
            usable = inputs.series(role).time_us[inputs.integers(role)[1]]
            following = np.append(usable, _FOREVER)[np.searchsorted(usable, [end for _, end in spans])].tolist()
            # The reading that shows the growth ends the loss with its own instant; after the lookback none can show it any more.
            found += [(start, min(heard_us + 1, end + LOOKBACK_US)) for (start, end), heard_us in zip(spans, following, strict=True)]
    return clipped(union(found), window.start_us, window.end_us)


def unseen(inputs: Inputs, roles: Sequence[str], within: Sequence[Window]) -> Spans:
    """Where events that one of the roles tells may have gone by unseen: from the start of what is missing until the role is heard again.

    Args:
        within: the time that matters, sorted, without overlap.
    """
    spans = union(span for role in roles for span in until_heard(inputs.unknown.get(role, ()), inputs.series(role).time_us))
    return common(spans, tuple((item.start_us, item.end_us) for item in within)) if spans else ()


def touched(spans: Spans, start_us: NDArray[np.int64], end_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the times [start, end) meet one of the spans."""
    if not spans:
        return np.zeros(len(start_us), np.bool_)
    edges = np.array(spans, np.int64)
    place = np.searchsorted(edges[:, 1], start_us, side="right")
    found: NDArray[np.bool_] = np.append(edges[:, 0], _FOREVER)[place] < end_us
    return found


def _runs(time: NDArray[np.int64], bridged: NDArray[np.bool_]) -> list[Span]:
    """(first, last] of every run of readings of which each is bridged to the next."""
    around = np.concatenate(([False], bridged, [False]))
    first, last = np.flatnonzero(around[1:] & ~around[:-1]), np.flatnonzero(around[:-1] & ~around[1:])
    return list(zip((time[first] + 1).tolist(), (time[last] + 1).tolist(), strict=True))


def _expiry(time: NDArray[np.int64], hold_us: int, missing: Spans) -> NDArray[np.int64]:
    """Until when each reading can hold: its maximum age, or the start of a span in which readings are missing; at once inside of one."""
    expiry = time + hold_us
    if missing:
        edges = np.array(missing, np.int64)
        limit = np.append(edges[:, 0], _FOREVER)[np.searchsorted(edges[:, 1], time, side="right")]
        expiry = np.minimum(expiry, np.maximum(limit, time))
    return expiry


def _hold(series: Series, value: NDArray[np.int64], hold_us: int, missing: Spans) -> Steps:
    time = series.time_us
    if not len(time):
        return Steps(time, value)
    expiry = _expiry(time, hold_us, missing)
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
