"""Time elements and quantities of ISO 22400-2 on equipment that makes parts: the common part of availability, effectiveness, quality ratio and OEE.

All four are about the same equipment (with an ideal cycle and an item state) and the same time (planned busy time), so that OEE is their
product. In a group numerators and denominators are summed; OEEs are never averaged.
"""

from collections.abc import Sequence
from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.indicator import Components, Exclusion, Indicator, Result, decimal_of, listed, ratio, sentences
from analytics.measured import Measured, doubts, growth_doubt, shortage
from analytics.series import Inputs
from analytics.steps import Pieces, Steps, accounted, always_fresh, cut, fresh, growth_lost, held, increases, planned_growth, where_known
from workshop.calendar import local_hour, zone_of
from workshop.register import Equipment, Workshop
from workshop.states import STATE_MAPPING, ItemState, OperationMode, time_element
from workshop.window import Window

SOURCE = f"ISO 22400-2; states to time elements: {STATE_MAPPING}"
STATE_ROLES = ("item_state", "operation_mode")

_ELEMENTS = ("other", "APT", "AUST", "ADET", "ADOT")
_UNKNOWN = 4
"""Row or column of the table for a state or mode that nobody knows."""


def _table() -> NDArray[np.int64]:
    """Index into `_ELEMENTS` by [state, mode], -1 where the element is unknown; the last row and column stand for unknown."""
    table = np.full((_UNKNOWN + 1, _UNKNOWN + 1), -1, np.int64)
    for state in ItemState:
        for mode in OperationMode:
            table[state, mode] = _ELEMENTS.index(time_element(state, mode) or "other")
        if len(set(table[state, :_UNKNOWN].tolist())) == 1:
            # The mode does not matter in this state, so it need not be known.
            table[state, _UNKNOWN] = table[state, 0]
    return table


_TABLE = _table()


def makes_parts(equipment: Equipment) -> bool:
    """Whether the equipment belongs to the population of the production indicators."""
    return equipment.ideal_cycle_ms is not None and equipment.signal("item_state") is not None


def measure_production(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time elements in the known planned busy time, and quantities; which of them depends on the indicator's roles.

    Known is time in which every role of the indicator is known. `ideal_us` (PRI × PQ) counts only increases that lie in known time and
    follow the reading before within its maximum age with nothing missing in between: parts made while nobody saw the machine must not
    be set against the time in which it was seen. Such parts are `unobserved`. `produced` and `good` are whole: what a counter grew by
    over a short silence is a fact.
    """
    roles = indicator.roles
    timed = "item_state" in roles
    counters = tuple(role for role in ("produced_count", "good_count") if role in roles)
    # A counter that is fresh all the time changes nothing about what is known: most of the time the indicators share what they derive.
    unsteady = tuple(role for role in counters if not always_fresh(inputs, role))
    timing = inputs.once(("timing", timed, unsteady), lambda: _timing(inputs, unsteady, timed=timed))
    values = {**timing.element_us, **_quantities(inputs, window, counters, timing, ideal=timed), "conflicts": inputs.conflicts(roles)}
    return Components(
        indicator.id, indicator.version, inputs.equipment.id, local_hour(window.start_us, zone_of(inputs.register)), window.start_us, window.end_us,
        timing.known_us, sum(part.length_us for part in inputs.calendar), values,
        {role: accounted(inputs, role, window) for role in counters}, growth_lost(inputs, counters, window),
    )


def availability(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Sum of APT over sum of known PBT; None when there is none."""
    apt_us, known_us, planned_us = measured.total("apt_us"), measured.covered_us, measured.expected_us if register.shifts else 0
    seconds = {f"{name}_s": measured.total(f"{name}_us") // 1_000_000 for name in ("apt", "aust", "adet", "adot", "other")}
    counts = {**seconds, "pbt_known_s": known_us // 1_000_000, "pbt_s": planned_us // 1_000_000, **counter_notes(measured, ("conflicts",))}
    why = sentences(
        calendar_note(bool(planned_us)), "" if known_us or not planned_us else "undefined: no state is known in the planned busy time",
        f"states mapped by {STATE_MAPPING}", shortage(indicator, measured.coverage),
    )
    low = ratio(apt_us, planned_us, indicator.places)
    high = ratio(apt_us + planned_us - known_us, planned_us, indicator.places)
    return Result(
        indicator.id, indicator.version, ratio(apt_us, known_us, indicator.places), low, high, "bounds: unknown time all lost … all production",
        indicator.unit, measured.coverage, counts, [], why, detail=measured.detail,
    )


def effectiveness(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Sum of PRI × PQ over sum of APT; None when APT is 0."""
    ideal_us, apt_us = measured.total("ideal_us"), measured.total("apt_us")
    value = ratio(ideal_us, apt_us, indicator.places)
    unknown_us = measured.expected_us - measured.covered_us if register.shifts else 0
    low = ratio(ideal_us, apt_us + unknown_us, indicator.places) if apt_us else None
    high = ratio(ideal_us * apt_us + max(ideal_us, apt_us) * unknown_us, apt_us * (apt_us + unknown_us), indicator.places) if apt_us else None
    fast = [name for name, item in measured.by_equipment.items() if item.values.get("ideal_us", 0) > item.values.get("apt_us", 0)]
    counts = {"produced": measured.total("produced"), "apt_s": apt_us // 1_000_000, "ideal_s": ideal_us // 1_000_000, **counter_notes(measured)}
    why = sentences(
        calendar_note(bool(register.shifts and measured.expected_us)), "" if apt_us else "undefined: APT is 0",
        f"above 1, so the ideal cycle in the register is not the true minimum: {listed(fast)}" if fast else "",
        f"states mapped by {STATE_MAPPING}", shortage(indicator, measured.coverage),
    )
    return Result(
        indicator.id, indicator.version, value, low, high, "bounds: unknown time all production without a part … at the ideal cycle", indicator.unit,
        measured.coverage, counts, [Exclusion(name, "effectiveness above 1") for name in fast], why, detail=measured.detail,
    )


def quality_ratio(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Sum of GQ over sum of PQ; None when PQ is 0."""
    good, produced = measured.total("good"), measured.total("produced")
    value = ratio(good, produced, indicator.places)
    counts = {"good": good, "produced": produced, **counter_notes(measured, ("resets", "beginnings", "conflicts"))}
    why = sentences(
        calendar_note(bool(register.shifts and measured.expected_us)), "" if produced else "undefined: no parts produced",
        "more good than produced parts: the counters disagree" if good > produced else "", doubts(indicator, measured),
    )
    return Result(
        indicator.id, indicator.version, value, value, value, "measured, no sampling interval", indicator.unit, measured.coverage, counts, [], why,
        detail=measured.detail, least_coverage=measured.least, lost_us=measured.lost_us,
    )


def oee(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """The product; None when one of the three is undefined."""
    known_us, planned_us = measured.covered_us, measured.expected_us if register.shifts else 0
    apt_us, ideal_us, produced, good = (measured.total(name) for name in ("apt_us", "ideal_us", "produced", "good"))
    fast = [name for name, item in measured.by_equipment.items() if item.values.get("ideal_us", 0) > item.values.get("apt_us", 0)]
    value = low = high = None
    if known_us and apt_us and produced:
        # PRI × PQ is known to follow APT, therefore APT cancels.
        exact = Fraction(ideal_us, known_us) * Fraction(good, produced)
        value = decimal_of(exact, indicator.places)
        low = decimal_of(exact * Fraction(known_us, planned_us), indicator.places)
        high = decimal_of((exact * known_us + max(Fraction(1), exact) * (planned_us - known_us)) / planned_us, indicator.places)
    undefined = [name for name, denominator in (("known PBT", known_us), ("APT", apt_us), ("PQ", produced)) if not denominator]
    counts = {
        "good": good, "produced": produced, "apt_s": apt_us // 1_000_000, "ideal_s": ideal_us // 1_000_000, "pbt_known_s": known_us // 1_000_000,
        "pbt_s": planned_us // 1_000_000, **counter_notes(measured),
    }
    why = sentences(
        calendar_note(bool(planned_us)), f"undefined: {' and '.join(undefined)} is 0" if undefined else "",
        f"effectiveness above 1, so the ideal cycle in the register is not the true minimum: {listed(fast)}" if fast else "",
        f"states mapped by {STATE_MAPPING}", growth_doubt(measured), shortage(indicator, measured.coverage),
    )
    return Result(
        indicator.id, indicator.version, value, low, high, "bounds: unknown time all lost … all ideal production", indicator.unit, measured.coverage,
        counts, [Exclusion(name, "effectiveness above 1") for name in fast], why, detail=measured.detail, lost_us=measured.lost_us,
    )


def counter_notes(measured: Measured, names: Sequence[str] = ("resets", "beginnings", "conflicts", "unobserved")) -> dict[str, int]:
    """What was odd about the readings, for `Result.counts`."""
    return {name: measured.total(name) for name in names}


def calendar_note(planned: bool) -> str:
    """The sentence about a missing calendar."""
    return "" if planned else "undefined: no planned busy time in the window; PBT comes from the shifts in the register"


class _Timing(msgspec.Struct, frozen=True, eq=False):
    """The known part of the planned busy time of one machine."""

    known: Steps
    known_us: int
    element_us: dict[str, int]
    """By time element; empty where states do not matter."""


def _timing(inputs: Inputs, counters: Sequence[str], *, timed: bool) -> _Timing:
    """Known is where all of these counters are fresh and, if states matter, the time element is known."""
    pieces = cut(inputs.calendar, [*(held(inputs, role) for role in STATE_ROLES if timed), *(fresh(inputs, role) for role in counters)])
    known = np.ones(len(pieces.length_us), np.bool_)
    for column in pieces.values[2 if timed else 0 :]:
        known &= column == 1
    element_us: dict[str, int] = {}
    if timed:
        element = _elements(pieces)
        known &= element >= 0
        element_us = {f"{name.lower()}_us": pieces.total_us(known & (element == i)) for i, name in enumerate(_ELEMENTS)}
    return _Timing(where_known(pieces, known), pieces.total_us(known), element_us)


def _elements(pieces: Pieces) -> NDArray[np.int64]:
    state, mode = (np.where((column >= 0) & (column < _UNKNOWN), column, _UNKNOWN) for column in pieces.values[:2])
    found: NDArray[np.int64] = _TABLE[state, mode]
    return found


def _quantities(inputs: Inputs, window: Window, counters: Sequence[str], timing: _Timing, *, ideal: bool) -> dict[str, int]:
    values: dict[str, int] = {}
    for role in counters:
        grown, in_plan = increases(inputs, role, window), planned_growth(inputs, role, window)
        values[role.removesuffix("_count")] = int(grown.amount[in_plan].sum())
        values["resets"] = values.get("resets", 0) + grown.resets
        values["beginnings"] = values.get("beginnings", 0) + grown.beginnings
        if role == "produced_count" and ideal:
            seen = in_plan & (timing.known.at(grown.time_us) == 1) & (grown.silence_us <= inputs.hold_us(role)) & ~grown.blind
            parts = int(grown.amount[seen].sum())
            values["ideal_us"] = (inputs.equipment.ideal_cycle_ms or 0) * 1_000 * parts
            values["unobserved"] = values["produced"] - parts
    return values
