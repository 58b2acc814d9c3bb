"""Gauges that stand still while the machine does not, and values that no machine of this kind gives; learned from its own sound history.

A run is a stretch of equal readings. What counts is not its length but what the machine's states and counters did meanwhile: power stands still
through a whole maintenance, but not through ten parts.
"""

import msgspec
import numpy as np

from analytics.maintenance.table import Numbers
from analytics.maintenance.watch.cells import Column, Times

_DISTINCT = 20
"""A gauge with no more values than these in its sound history is a setting, not a measurement, and may well stand still."""
_EVENTS, _MORE_EVENTS = 2, 6
_LENGTH, _MORE_LENGTH = 3, 30
_NEVER = 2**62
_OUTSIDE = 10.0  # ranges beyond its sound history's


class Gauge(msgspec.Struct):
    """What is known of one gauge, and the run that is under way."""

    value: float = 0.0
    start_us: int = 0
    length: int = 0
    """Readings in the present run; 0 before the first."""
    events: int = 0
    """Events of the machine since the run began."""
    told: bool = False
    distinct: list[float] = []
    low: float = 0.0
    high: float = 0.0
    readings: int = 0
    """Learned from."""
    most_events: int = 0
    most_length: int = 0

    @property
    def measures(self) -> bool:
        """Whether it is a measurement, and not a setting with a few values."""
        return len(self.distinct) > _DISTINCT


class Stuck(msgspec.Struct, frozen=True):
    """A gauge that stood still: since the first reading of the run, found when the limit was passed."""

    since_us: int
    at_us: int
    value: float
    events: int
    most_events: int
    goes_on: bool
    """Still at the end of the piece."""


class _Runs(msgspec.Struct, frozen=True, eq=False):
    """The runs of one piece as columns; the first may have begun in an earlier one."""

    time: Times
    value: Numbers
    first: Times
    """Place of each run's first reading in this piece, and behind its last."""
    end: Times
    start_us: Times
    length: Times
    events: Times
    """While the run went on, up to its last reading."""


def learn_runs(gauge: Gauge, column: Column, events: Times) -> None:
    """Takes one more piece of sound history in."""
    runs = _advance(gauge, column, events)
    if runs is None:
        return
    gauge.most_events = max(gauge.most_events, int(runs.events.max()))
    gauge.most_length = max(gauge.most_length, int(runs.length.max()))
    low, high = float(runs.value.min()), float(runs.value.max())
    gauge.low, gauge.high = (min(gauge.low, low), max(gauge.high, high)) if gauge.readings else (low, high)
    gauge.readings += len(runs.value)
    if not gauge.measures:
        gauge.distinct = sorted({*gauge.distinct, *np.unique(runs.value)[:_DISTINCT + 1].tolist()})


def find_stuck(gauge: Gauge, column: Column, events: Times, *, eventless: bool = False) -> list[Stuck]:
    """Runs beyond what the sound history showed, each told once, when it passes the limit.

    Args:
        eventless: the machine has neither states nor counters that could say that it works; then the length has to do. Of every other machine a
            long run without events is a long standstill, such as holidays.
    """
    start_us, told = gauge.start_us, gauge.told
    before = gauge.events, gauge.length
    runs = _advance(gauge, column, events)
    if runs is None or not gauge.measures:
        return []
    most_events = _EVENTS * gauge.most_events + _MORE_EVENTS
    most_length = _LENGTH * gauge.most_length + _MORE_LENGTH if eventless else _NEVER
    found = []
    gauge.told = False
    for i in np.flatnonzero((runs.events > most_events) | (runs.length > most_length)).tolist():
        last = i == len(runs.length) - 1
        carried = i == 0 and int(runs.start_us[0]) == start_us and before[1] > 0
        value = float(runs.value[runs.first[i]])
        if value == 0:  # nothing flows, nothing turns: that is for others to judge
            continue
        if not (carried and told):
            times = runs.time[runs.first[i]:runs.end[i]]
            own = events[(events > runs.start_us[i]) & (events <= times[-1])]
            passed = []
            if runs.events[i] > most_events:
                place = most_events - (before[0] if carried else 0)
                passed.append(int(own[place]) if place >= 0 else int(times[0]))
            if runs.length[i] > most_length:
                passed.append(int(times[max(most_length - (before[1] if carried else 0), 0)]))
            at_us = int(times[min(int(np.searchsorted(times, min(passed))), len(times) - 1)])
            found.append(Stuck(int(runs.start_us[i]), at_us, value, int(runs.events[i]), gauge.most_events, last))
        gauge.told = last
    return found


def far_outside(gauge: Gauge, column: Column) -> Times:
    """Times of the readings that lie ten ranges outside what the sound history showed."""
    time, value = fresh(column)
    if not gauge.high > gauge.low:
        return time[:0]
    middle, reach = (gauge.high + gauge.low) / 2, _OUTSIDE * (gauge.high - gauge.low)
    return time[np.abs(value - middle) > reach]


def fresh(column: Column) -> tuple[Times, Numbers]:
    """Times and values without the carried reading."""
    skip = 1 if column.carried else 0
    return column.time_us[skip:], column.value[skip:]


def _advance(gauge: Gauge, column: Column, events: Times) -> _Runs | None:
    """The runs of this piece; the last one stays in the gauge. Events up to a run's last reading are its own, later ones if it goes on."""
    time, value = fresh(column)
    if not len(time):
        gauge.events += len(events) if gauge.length else 0
        return None
    first = np.flatnonzero(np.append(True, value[1:] != value[:-1])).astype(np.int64)
    end = np.append(first[1:], len(time))
    low = np.searchsorted(events, time[first], side="right")
    counted = np.searchsorted(events, time[end - 1], side="right") - low
    length, start_us = end - first, time[first].copy()
    if gauge.length and value[0] == gauge.value:
        counted[0] += gauge.events + low[0]
        length[0] += gauge.length
        start_us[0] = gauge.start_us
    behind = len(events) - int(np.searchsorted(events, time[-1], side="right"))
    gauge.value, gauge.start_us, gauge.length = float(value[-1]), int(start_us[-1]), int(length[-1])
    gauge.events = int(counted[-1]) + behind
    return _Runs(time, value, first, end, start_us, length, counted)
