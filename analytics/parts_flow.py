"""How long parts take: from the first operation's start to the last one's end, and between operations, by the serials that machines tell.

A machine with the role `part_serial` has a part in process from the reading that tells its serial to the one that tells another or none; a station
with the role `serial` has looked at a part at the moment of its record (`analytics.trace`). What a window cuts, or missing readings hide, is never
taken for the whole: a part whose first operation may lie before the window, or whose last one may lie after it, took at least what was seen of it,
and the interval says what that can do to the median. The longest break that any part had between two operations tells how near to the window's
borders that is.

Where a machine had very many parts, one in 2, 4, 8 … of them is followed (`analytics.tracks`), the same on all machines; the interval then is that of
the median of a sample of parts, wider by what the window cuts.
"""

from fractions import Fraction
from math import isqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.definition import components
from analytics.indicator import Components, Exclusion, Indicator, Result, decimal_of, sentences
from analytics.measured import Measured, growth_doubt, shortage
from analytics.series import Inputs
from analytics.steps import UNKNOWN, Steps, cut, fresh, held_codes
from analytics.tracks import NOBODY, PARTS, UNSAID, Ints, Track, code_of, followed, track_of
from workshop.register import Workshop
from workshop.window import SECOND_US, Window

Flags = NDArray[np.bool_]
IN_PROCESS, INSPECTED = "part_serial", "serial"
MINUTE_US = 60 * SECOND_US
METHOD = "bounds: parts and breaks of which the data does not hold both ends, as short and as long as they can be"
SAMPLED = f"{METHOD}; and 95 % interval of the median of a sample of parts, by ranks"


class Visits(msgspec.Struct, frozen=True, eq=False):
    """n visits of parts, sorted by part, then by time; columns."""

    code: Ints
    start_us: Ints
    end_us: Ints
    begun: Ints
    """1 where the reading before it told something else: its start was seen."""
    ended: Ints
    machine: Ints
    in_process: Ints
    """1 on a machine, 0 at a station."""
    one_in: int
    """One part in so many is followed."""

    @property
    def parts(self) -> int:
        """How many parts are followed."""
        return len(_heads(self))


class Spans(msgspec.Struct, frozen=True, eq=False):
    """Lengths of time, µs: those that were seen whole, and of the others the least and the most that they can be."""

    whole: Ints
    least: Ints
    most: Ints | None
    """None: there is no bound."""


def measure_parts(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Which part was in process and which was looked at, as tracks of codes; known while the roles that there are are fresh."""
    roles = [role for role in (IN_PROCESS, INSPECTED) if inputs.signal(role) is not None]
    known = cut(inputs.observed, [fresh(inputs, role) for role in roles])
    everything = known.length_us >= 0
    for column in known.values:
        everything &= column == 1
    found = components(indicator, inputs, window, known.total_us(everything), {"conflicts": inputs.conflicts(roles)}, events=roles)
    return msgspec.structs.replace(found, boundary={IN_PROCESS: _processed(inputs, window), INSPECTED: _looked_at(inputs, window)})


def lead_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Median time of parts that were in process on a machine, from the first operation's start to the last one's end, min."""
    visits = visits_of(measured)
    first, last_end, begun, ended, processed = _by_part(visits)
    longest_us = int(_breaks(visits, everywhere=True)[0].max(initial=0))
    # Nearer to a border than the longest break, another operation may lie beyond it.
    open_ = ~begun | ~ended | (first - longest_us <= window.start_us) | (last_end + longest_us >= window.end_us)
    whole, seen = (last_end - first)[processed & ~open_], (last_end - first)[processed & open_]
    return _conclude(
        indicator, measured, visits, Spans(whole, seen, None), {"parts": len(whole), "open_parts": len(seen), "longest_break_ms": longest_us // 1000},
        "undefined: no part was told in process from its first operation to its last",
        f"{len(whole)} parts whole, {len(seen)} with an operation that may lie outside the window or in time that nobody knows",
    )


def logistics_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Median time between leaving one machine or station and reaching the next, of the same part, min."""
    visits = visits_of(measured)
    length, clear, overlapping = _breaks(visits)
    whole, unclear = length[clear], length[~clear]
    return _conclude(
        indicator, measured, visits, Spans(whole, np.zeros_like(unclear), unclear),
        {"breaks": len(whole), "unclear_breaks": len(unclear), "overlapping": overlapping},
        "undefined: no part was told on two machines one after the other",
        f"{overlapping} times a part was told on two machines at once; left out" if overlapping else "",
    )


def visits_of(measured: Measured) -> Visits:
    """All visits of all parts that are followed on every machine."""
    tracks = [
        (machine, role, track) for machine, piece in enumerate(measured.by_equipment.values()) for role in (IN_PROCESS, INSPECTED)
        if isinstance(track := piece.boundary.get(role), Track)
    ]
    one_in, found = max((track.one_in for _, _, track in tracks), default=1), []
    for machine, role, track in tracks:
        time, code = track.columns
        end = np.append(time[1:], track.end_us)[: len(time)]
        # A record is a moment: it begins and ends with itself.
        moment = np.full(len(code), role == INSPECTED)
        begun = moment | (np.append(UNSAID, code)[: len(code)] != UNSAID)
        ended = moment | (np.append(code[1:], UNSAID)[: len(code)] != UNSAID)
        rows, columns = (code > NOBODY) & followed(code, one_in), (code, time, end, begun, ended, np.full(len(code), machine), ~moment)
        found.append(np.array([column[rows] for column in columns], np.int64))
    whole = np.concatenate(found, axis=1) if found else np.zeros((7, 0), np.int64)
    code, start, end, begun, ended, number, in_process = whole[:, np.lexsort((whole[5], whole[2], whole[1], whole[0]))]
    return Visits(code, start, end, begun, ended, number, in_process, one_in)


def _processed(inputs: Inputs, window: Window) -> Track:
    texts, number, good = inputs.said(IN_PROCESS)
    codes = np.array([code_of(text) for text in texts] or [NOBODY], np.int64)
    return _cut(window, held_codes(inputs, IN_PROCESS, np.where(good, codes[number], UNKNOWN)))


def _looked_at(inputs: Inputs, window: Window) -> Track:
    """A record is a visit of a microsecond; between records nobody is there while the role is fresh."""
    texts, number, good = inputs.said(INSPECTED)
    codes = np.array([code_of(text) for text in texts] or [NOBODY], np.int64)[number]
    time = inputs.series(INSPECTED).time_us
    told = good & (codes != NOBODY) & (time >= window.start_us)
    base = fresh(inputs, INSPECTED)
    idle = Steps(base.edge_us, np.where(base.value == 1, NOBODY, UNKNOWN))
    after = time[told] + 1
    # Sorted by time; at one time what holds, then what holds again after a record, then a record.
    edges = np.concatenate((idle.edge_us, after, time[told]))
    values = np.concatenate((idle.value, idle.at(after), codes[told]))
    order = np.lexsort((np.repeat([0, 1, 2], (len(idle.edge_us), len(after), len(after))), edges))
    return _cut(window, Steps(edges[order], values[order]))


def _cut(window: Window, steps: Steps) -> Track:
    edges = np.append(window.start_us, steps.edge_us[steps.edge_us > window.start_us])
    values = np.append(steps.at(np.array([window.start_us])), steps.value[steps.edge_us > window.start_us])
    return track_of(window, edges, values)


def _by_part(visits: Visits) -> tuple[Ints, Ints, Flags, Flags, Flags]:
    """Of each part: first start, last end, whether each was seen, and whether it was in process at all."""
    heads = _heads(visits)
    if not len(heads):
        return visits.code, visits.code, visits.code == 0, visits.code == 0, visits.code == 0
    last_end = np.maximum.reduceat(visits.end_us, heads)
    group = np.repeat(np.arange(len(heads)), np.diff(np.append(heads, len(visits.code))))
    at_end = visits.end_us == last_end[group]
    ended = np.minimum.reduceat(np.where(at_end, visits.ended, 1), heads) == 1
    at_start = visits.start_us == visits.start_us[heads][group]
    begun = np.minimum.reduceat(np.where(at_start, visits.begun, 1), heads) == 1
    return visits.start_us[heads], last_end, begun, ended, np.maximum.reduceat(visits.in_process, heads) == 1


def _breaks(visits: Visits, *, everywhere: bool = False) -> tuple[Ints, Flags, int]:
    """Times between two visits of one part to different machines, or to any; whether both ends were seen; and how many visits overlap."""
    pair = (visits.code[1:] == visits.code[:-1]) & (everywhere | (visits.machine[1:] != visits.machine[:-1]))
    length = (visits.start_us[1:] - visits.end_us[:-1])[pair]
    clear = ((visits.ended[:-1] == 1) & (visits.begun[1:] == 1))[pair]
    return length[length >= 0], clear[length >= 0], int((length < 0).sum())


def _heads(visits: Visits) -> Ints:
    return np.flatnonzero(np.concatenate(([True], visits.code[1:] != visits.code[:-1]))) if len(visits.code) else visits.code


def _median(values: Ints, beyond: int = 0, ranks: int = 0) -> Fraction | None:
    """The median of these and of so many values above all of them, or what lies so many ranks above it; None where it would be one of those above."""
    count = len(values) + beyond
    low, high = (min(max(rank + ranks, 0), count - 1) for rank in ((count - 1) // 2, count // 2))
    if not count or high >= len(values):
        return None
    ordered = np.sort(values)
    return Fraction(int(ordered[low]) + int(ordered[high]), 2)


def _ranks(values: int, visits: Visits) -> int:
    """How many ranks the median of all may lie from that of a sample of parts, with 95 % confidence.

    √n · 1.96 / 2 of n parts, rounded up (normal approximation of the binomial distribution of those below the median). Several values of one part
    count as one observation.
    """
    return isqrt(values * values // max(visits.parts, 1)) + 1 if visits.one_in > 1 else 0


def _conclude(
    indicator: Indicator, measured: Measured, visits: Visits, spans: Spans, counts: dict[str, int], none: str, *why: str,
) -> Result:
    """The median at its worst, so that what is not seen whole never makes it look short; with the worst that was seen."""
    whole, unclear = len(spans.whole), len(spans.least)
    ranks = _ranks(whole + unclear, visits)
    longest, beyond = (spans.whole, unclear) if spans.most is None else (np.concatenate((spans.whole, spans.most)), 0)
    low, value = _median(np.concatenate((spans.whole, spans.least)), 0, -ranks), _median(longest, beyond)
    high = _median(longest, beyond, ranks)
    if not whole or high is None:
        low = value = high = None
    short, worst, most = (None if item is None else decimal_of(item / MINUTE_US, indicator.places) for item in (low, value, high))
    middle, longest_us = _median(spans.whole), int(spans.whole.max(initial=0))
    seen_us = max(longest_us, int((spans.least if spans.most is None else spans.most).max(initial=0)))
    sampled = "" if visits.one_in == 1 else (
        f"one part in {visits.one_in} is followed, chosen by a digest of its serial: there was a machine with more than {PARTS} parts; in a "
        "shorter window more of them are"
    )
    said = none if not whole else "undefined: too many are not seen whole for a median" if high is None else (
        f"worst seen whole {float(Fraction(longest_us, MINUTE_US)):.4f} min, worst seen at all {float(Fraction(seen_us, MINUTE_US)):.4f} min"
    )
    return Result(
        indicator.id, indicator.version, worst, short, most, METHOD if visits.one_in == 1 else SAMPLED, indicator.unit, measured.coverage,
        {**counts, "median_ms": round((value or Fraction(0)) / 1000), "median_whole_ms": round((middle or Fraction(0)) / 1000),
         "worst_ms": longest_us // 1000, "worst_seen_ms": seen_us // 1000, "one_in": visits.one_in, "conflicts": measured.total("conflicts")},
        _without(measured), sentences(said, *(why if whole else ()), sampled, shortage(indicator, measured.coverage), growth_doubt(measured)),
        detail=measured.detail, lost_us=measured.lost_us,
    )


def _without(measured: Measured) -> list[Exclusion]:
    return [Exclusion(name, "told no serial") for name, piece in measured.by_equipment.items() if not any(
        isinstance(track, Track) and bool((track.columns[1] > NOBODY).any()) for track in piece.boundary.values())]

