"""A figure by what was made: every machine is measured in the spans of each product, order or program, and what is left is a group of its own.

What a counter grew by belongs to what was made when it grew. A reading at the very moment of a change shows what was before it. Where the growth of a
quantity that flows (energy) lies over a change, it is nobody's: the time from the change to that reading is not attributed. Pieces are counted when
a reading shows them, unless the silence before it was longer than the signal's maximum age: then they are nobody's either. Nothing is spread.
The planned time of a piece (PRI) is that of the orders where they name one for a product, else the register's ideal cycle.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from analytics.compute import inputs_by_hour, needed_signals, needed_texts
from analytics.facts import Facts
from analytics.indicator import Components, Exclusion, Indicator, Result, sentences
from analytics.making import NOT_ATTRIBUTED, Made, Teller, spans_of, teller_of
from analytics.missing import Missing, Spans, union
from analytics.series import LOOKBACK_US, Series, scale_of, series_of, wanted_signals
from analytics.trace_search import Store
from workshop.calendar import service_window
from workshop.errors import Rejected
from workshop.register import Equipment, Workshop
from workshop.signal import SignalKind, signal_id
from workshop.window import HOUR_US, SECOND_US, Window

STRETCH_US = 6 * HOUR_US
LONGEST_US = 31 * 24 * HOUR_US
MOST_GROUPS = 2000
OVER_A_CHANGE = "the counter's reading reaches over a change"


class Counter(msgspec.Struct, frozen=True, eq=False):
    """When a counter was read: usable readings only."""

    times_us: list[int]
    values: list[int]
    patience_us: int
    """A silence of at most so long leaves no doubt when the growth was; 0 for what flows all the time."""
    unknown: Spans


def by_making(
    indicator: Indicator, register: Workshop, window: Window, by: str, store: Store, facts: Facts, missing: Missing
) -> list[tuple[str, Result]]:
    """The results by product, order or program, sorted by name; what could not be attributed last, if there is any.

    Args:
        missing: what is known to be missing in the window and `LOOKBACK_US` before it.
    Raises:
        Rejected: a figure of the register alone, one that rests on facts of the whole workshop, too long a window, or too many groups.
    """
    if not indicator.roles or indicator.facts:
        raise Rejected(f"{indicator.id} is of the whole workshop (register, declared figures or orders); it has no part that belongs to one {by}")
    if window.length_us > LONGEST_US:
        raise Rejected(f"group by {by}: at most {LONGEST_US // (24 * HOUR_US)} days at once, the window has {window.length_us / (24 * HOUR_US):.1f}")
    items = [item for item in register.equipment if indicator.applies(item)]
    tellers = {item.id: teller_of(item, by, facts, window) for item in items}
    pieces: dict[str, list[Components]] = {}
    spans: dict[str, dict[str, list[tuple[int, int]]]] = {}
    reasons: dict[tuple[str, str], int] = {}
    for item, made, found in _measured(indicator, register, window, items, tellers, store, missing):
        label = made.label or NOT_ATTRIBUTED
        pieces.setdefault(label, []).extend(found)
        spans.setdefault(label, {}).setdefault(item.id, []).append((made.start_us, made.end_us))
        if not made.label:
            reasons[item.id, made.reason] = reasons.get((item.id, made.reason), 0) + made.end_us - made.start_us
        if len(spans) > MOST_GROUPS:
            raise Rejected(f"group by {by}: more than {MOST_GROUPS} names; ask for a shorter window")
    found_of = {}
    for label, of_machine in spans.items():
        within = {name: union(rows) for name, rows in of_machine.items()}
        part = msgspec.structs.replace(register, equipment=tuple(item for item in items if item.id in within))
        result = indicator.evaluate(pieces[label], part, window, facts, within)
        lost = [Exclusion(*key, us) for key, us in sorted(reasons.items())] if label == NOT_ATTRIBUTED else []
        found_of[label] = msgspec.structs.replace(
            result, excluded=[*result.excluded, *lost], why=sentences(_sources(tellers, within, label), result.why)
        )
    last = [(NOT_ATTRIBUTED, found_of.pop(NOT_ATTRIBUTED))] if NOT_ATTRIBUTED in found_of else []
    return [*sorted(found_of.items()), *last]


def _sources(tellers: Mapping[str, Teller], within: Mapping[str, Spans], label: str) -> str:
    if label == NOT_ATTRIBUTED:
        return "what nobody can say for what it was; nothing of it is spread over the others"
    by_source: dict[str, list[str]] = {}
    for name in within:
        by_source.setdefault(tellers[name].source, []).append(name)
    return sentences(*(f"by {source} of {', '.join(names)}" for source, names in sorted(by_source.items())))


def _measured(
    indicator: Indicator, register: Workshop, window: Window, items: Sequence[Equipment], tellers: Mapping[str, Teller], store: Store,
    missing: Missing,
) -> Iterator[tuple[Equipment, Made, list[Components]]]:
    """Every span of every machine with what the indicator measures in it, stretch by stretch."""
    told = {signal_id(item.id, teller.signal.name) for item in items if (teller := tellers[item.id]).signal is not None}
    names, texts = sorted({*needed_signals(indicator, register), *told}), needed_texts([indicator], register) | told
    before: dict[str, Made] = {}
    blocked_us: dict[str, int] = {}
    for start_us in range(window.start_us, window.end_us, STRETCH_US):
        stretch = Window(start_us, min(start_us + STRETCH_US, window.end_us))
        # A counter's next reading after a change is looked for as far as a counter may be silent, but not beyond the window: nothing there counts.
        around = Window(start_us - LOOKBACK_US, min(stretch.end_us + LOOKBACK_US, window.end_us))
        series = series_of(store.read(names, around), set(names), texts)
        for item in items:
            piece = stretch.clip(service_window(register, item))
            if not piece.length_us:
                continue
            found = spans_of(tellers[item.id], register, item, series, piece, missing)
            counters = _counters(indicator, item, series, around, missing)
            spans, blocked_us[item.id] = _with_seams(found, before.get(item.id), blocked_us.get(item.id, 0), counters)
            before[item.id] = found[-1]
            for made in spans:
                cut = Window(made.start_us, made.end_us)
                ideal_ms = tellers[item.id].ideal_ms.get(made.label, item.ideal_cycle_ms)
                planned = msgspec.structs.replace(item, ideal_cycle_ms=ideal_ms)
                parts = inputs_by_hour(indicator.roles, register, planned, series, cut, missing, by_hour=False)
                yield item, made, [indicator.measure(inputs, span) for inputs, span in parts]


def _counters(indicator: Indicator, item: Equipment, series: Mapping[str, Series], around: Window, missing: Missing) -> list[Counter]:
    found = []
    for signal in wanted_signals(item, indicator.roles):
        name = signal_id(item.id, signal.name)
        if signal.kind is SignalKind.COUNTER and name in series:
            values, usable = series[name].integers(scale_of(signal))
            # A unit in braces counts things, which come one by one; everything else flows.
            patience_us = min(signal.max_age_s * SECOND_US, LOOKBACK_US) if signal.unit.startswith("{") else 0
            found.append(Counter(
                series[name].time_us[usable].tolist(), values[usable].tolist(), patience_us,
                missing.spans(item.id, name, around.start_us, around.end_us),
            ))
    return found


def _with_seams(spans: Sequence[Made], before: Made | None, blocked_us: int, counters: Sequence[Counter]) -> tuple[list[Made], int]:
    """The spans with what belongs to neither neighbour between them, and until when the last seam reaches."""
    found: list[Made] = []
    for made in spans:
        start_us = made.start_us
        if before is not None and before.label != made.label:
            at_once, until_us = _seam(start_us, counters)
            if at_once and blocked_us <= start_us:
                found.append(Made(start_us, start_us + 1, before.label, before.reason))
                start_us += 1
            blocked_us = max(blocked_us, until_us)
        if blocked_us > start_us:
            end_us = min(blocked_us, made.end_us)
            found.append(Made(start_us, end_us, "", OVER_A_CHANGE))
            start_us = end_us
        if start_us < made.end_us:
            found.append(Made(start_us, made.end_us, made.label, made.reason))
        before = made
    return found, blocked_us


def _seam(time_us: int, counters: Sequence[Counter]) -> tuple[bool, int]:
    """Whether a counter was read at the moment of the change, and until when growth is shown that may be of before the change or after it."""
    at_once, until_us = False, 0
    for counter in counters:
        place = bisect_left(counter.times_us, time_us)
        if not 0 < place < len(counter.times_us):
            continue
        earlier_us, shown_us = counter.times_us[place - 1], counter.times_us[place]
        if shown_us == time_us:
            at_once = True
        elif shown_us - earlier_us <= LOOKBACK_US and counter.values[place] > counter.values[place - 1]:
            lost = bool(counter.unknown) and _is_touched(counter.unknown, earlier_us, shown_us)
            if lost or not counter.patience_us or shown_us - earlier_us > counter.patience_us:
                until_us = max(until_us, shown_us + 1)
    return at_once, until_us


def _is_touched(spans: Spans, start_us: int, end_us: int) -> bool:
    return any(start < end_us and end > start_us for start, end in spans)
