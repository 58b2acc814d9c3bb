"""What a state was at every moment, for how long a role was fresh, and what a counter grew by: step functions and increases from readings."""

from collections.abc import Collection, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.missing import Span, Spans, clipped, common, union
from analytics.pieces import UNKNOWN, Pieces, Steps, compressed, cut, inside, steady, where_known
from analytics.series import LOOKBACK_US, NO_TIMES, Inputs, Series
from workshop.window import Window

__all__ = [
    "UNKNOWN", "Increases", "Pieces", "Steps", "accounted", "always_fresh", "any_fresh", "cut", "fresh", "fresh_us", "growth_lost", "held",
    "held_codes", "increases", "inside", "planned_growth", "steady", "touched", "unheard", "unseen", "until_heard", "where_known",
]

_FOREVER = 2**62
_NOBODY, _FRESH = np.array([UNKNOWN]), np.array([1, UNKNOWN])


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

    total: int
    """Sum of all increases."""


def held(inputs: Inputs, role: str) -> Steps:
    """The value of a state at every moment: a reading holds until the next one or until its maximum age.

    Unknown before the first reading, after the maximum age, while the last reading is not a good integer, and from the start of a span in which
    readings are missing until the next reading at or after its end: nobody knows what was said in between.
    """
    def make() -> Steps:
        value, usable = inputs.series(role).integers()
        return held_codes(inputs, role, np.where(usable, value, UNKNOWN))

    return inputs.once(("held", role), make)


def held_codes(inputs: Inputs, role: str, codes: NDArray[np.int64]) -> Steps:
    """As `held`, of something that is derived from each reading of `Inputs.series` of the role; `UNKNOWN` is a code too."""
    time, (expiry, stale) = inputs.series(role).time_us, _ends(inputs, role)
    if not len(time):
        return Steps(time, codes)
    if not len(stale):  # each holds until the next: the common case needs no sorting
        return compressed(np.concatenate((time, expiry[-1:])), np.concatenate((codes, _NOBODY)))
    edges = np.concatenate((time, expiry[stale], expiry[-1:]))
    values = np.concatenate((codes, np.full(len(stale) + 1, UNKNOWN, np.int64)))
    order = np.argsort(edges, kind="stable")
    return compressed(edges[order], values[order])


def fresh(inputs: Inputs, role: str) -> Steps:
    """1 while the last reading of a role is good and no older than its maximum age, else unknown; texts are readings too."""
    def make() -> Steps:
        series = inputs.series(role)
        if inputs.calm(role):
            return Steps(np.array((series.time_us[0], series.time_us[-1] + inputs.hold_us(role))), _FRESH)
        return held_codes(inputs, role, np.where(series.good, 1, UNKNOWN))

    return inputs.once(("fresh", role), make)


def fresh_us(inputs: Inputs, roles: Collection[str]) -> int:
    """Watched time, µs, in which every one of the roles was fresh; all of it where there are none."""
    def make() -> int:
        pieces = cut(inputs.observed, [fresh(inputs, role) for role in names])
        known = pieces.length_us >= 0
        for column in pieces.values:
            known &= column == 1
        return pieces.total_us(known)

    names = sorted({role for role in roles if not always_fresh(inputs, role)})
    return inputs.once(("fresh_us", *names), make)


def always_fresh(inputs: Inputs, role: str) -> bool:
    """Whether a role is fresh in all of the watched time: most are, and need not be looked at again."""
    return inputs.once(("always fresh", role), lambda: _always_fresh(inputs, role))


def _always_fresh(inputs: Inputs, role: str) -> bool:
    if inputs.calm(role) and inputs.observed:
        time_us = inputs.series(role).time_us
        if time_us[0] <= inputs.observed[0].start_us and time_us[-1] + inputs.hold_us(role) >= inputs.observed[-1].end_us:
            return True
    return all(steady(fresh(inputs, role), part) for part in inputs.observed)


def any_fresh(inputs: Inputs, roles: Sequence[str]) -> Steps:
    """1 while at least one of the roles is fresh, else unknown."""
    for role in roles:
        if always_fresh(inputs, role) and inputs.observed:
            return fresh(inputs, role)
    steps = [step for step in (fresh(inputs, role) for role in roles) if len(step.edge_us)]
    if not steps:
        return Steps(np.zeros(0, np.int64), np.zeros(0, np.int64))
    edges = np.concatenate([step.edge_us for step in steps])
    # Values alternate between 1 and unknown: each edge is one fresh role more or less, but for one that begins as unknown.
    more = np.where(np.concatenate([step.value for step in steps]) == 1, 1, -1)
    heads = np.cumsum([0, *(len(step.edge_us) for step in steps[:-1])])
    more[heads] = np.maximum(more[heads], 0)
    order = np.argsort(edges, kind="stable")
    edges, number = edges[order], np.cumsum(more[order])
    last = np.append(edges[1:] != edges[:-1], True)
    return compressed(edges[last], np.where(number[last] > 0, 1, UNKNOWN))


def unheard(inputs: Inputs, roles: Sequence[str]) -> Steps:
    """1 while something that one of the roles said may be missing: from the start of such a span until the role is heard again."""
    if not inputs.unknown:
        return Steps(NO_TIMES, NO_TIMES)
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


def increases(inputs: Inputs, role: str, window: Window) -> Increases:
    """What the counter of a role grew by in the window, in its unit (mWh for energy): the sum of positive increases between good readings.

    An increase belongs to the moment of the reading that shows it, so that every increase is counted in exactly one window. A decrease is a reset:
    the value after it begins a new segment and counts nothing. After a silence of more than `LOOKBACK_US` the counter begins anew as well.
    """
    return inputs.once(("increases", role, window), lambda: _increases(inputs, role, window))


def _increases(inputs: Inputs, role: str, window: Window) -> Increases:
    time, value = _usable(inputs, role)
    if not len(time):
        return Increases(time, value, time, time > 0, 0, 0, 0)
    silence, grown = np.empty_like(time), np.empty_like(value)
    silence[0], grown[0] = time[0] + _FOREVER, 0
    np.subtract(time[1:], time[:-1], out=silence[1:])
    np.subtract(value[1:], value[:-1], out=grown[1:])
    first, end = time.searchsorted((window.start_us, window.end_us)).tolist()
    time, silence, grown = time[first:end], silence[first:end], grown[first:end]
    near = silence <= LOOKBACK_US
    up = (near & (grown > 0)).nonzero()[0]
    shown, quiet = time[up], silence[up]
    blind = touched(inputs.unknown.get(role, ()), shown - quiet, shown)
    resets = int(np.count_nonzero(near & (grown < 0))) if len(up) < len(time) else 0
    amount = grown[up]
    return Increases(shown, amount, quiet, blind, resets, len(near) - int(np.count_nonzero(near)), int(amount.sum()))


def _usable(inputs: Inputs, role: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times and values of the usable readings of a counter."""
    return inputs.once(("usable", role), lambda: _usable_of(inputs.series(role), *inputs.integers(role)))


def _usable_of(series: Series, value: NDArray[np.int64], usable: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # Of a series that is good throughout `integers` hands back that column itself.
    whole = usable is series.good or bool(usable.all())
    return (series.time_us, value) if whole else (series.time_us[usable], value[usable])


def planned_growth(inputs: Inputs, role: str, window: Window) -> NDArray[np.bool_]:
    """Which of a counter's increases lie in planned busy time."""
    return inputs.once(("planned growth", role, window), lambda: inside(inputs.calendar).at(increases(inputs, role, window).time_us) == 1)


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
    time, value = _usable(inputs, role)
    if not len(time):
        return ()
    if inputs.calm(role) and len(time) == len(series) and (len(time) < 2 or time[1] >= window.start_us):
        # All readings are usable and each is fresh until the next: from the first one to when the last one ends, with nothing in between.
        first, last = int(time[0]) + 1, int(time[-1]) + 1
        return union(((first, last), (max(last, window.start_us), min(last - 1 + inputs.hold_us(role), window.end_us))))
    usable = inputs.integers(role)[1]
    bridged = (np.diff(time) <= LOOKBACK_US) & (time[1:] >= window.start_us) & ~((np.diff(value) < 0) & touched(missing, time[:-1], time[1:]))
    fresh_until = _ends(inputs, role)[0][usable]
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
    for role in roles if inputs.unknown else ():
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
    if not inputs.unknown:
        return ()
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


def _ends(inputs: Inputs, role: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Until when each reading of a role can hold, and which of them, the last one apart, end before the next one."""
    return inputs.once(("ends", role), lambda: _ends_of(inputs.series(role), inputs.hold_us(role), inputs.unknown.get(role, ())))


def _ends_of(series: Series, hold_us: int, missing: Spans) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    time = series.time_us
    expiry = _expiry(time, hold_us, missing)
    return expiry, (expiry[:-1] < time[1:]).nonzero()[0] if missing or series.gap_us > hold_us else NO_TIMES
