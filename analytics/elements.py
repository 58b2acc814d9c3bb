"""Ratios of ISO 22400-2 time elements beyond availability and OEE, and failures: in a group numerators and denominators are summed."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec
import numpy as np

from analytics.boundary import episodes_of
from analytics.definition import components, conclude, left_out, quotient
from analytics.indicator import Components, Exclusion, Indicator, Measured, Result
from analytics.production import calendar_note, counter_notes
from analytics.series import Inputs
from analytics.steps import UNKNOWN, cut, held
from workshop.calendar import service_window
from workshop.register import Workshop
from workshop.states import STATE_MAPPING, ItemState
from workshop.window import HOUR_US, SECOND_US, Window

ELEMENTS = ("apt", "aust", "adet", "adot", "other")
AUPT = ("apt", "aust")
AUBT = ("apt", "aust", "adet")
AOET = ("apt", "aust", "adet", "adot")
"""By the mapping of OPC 40501-1, without transport and queue, which no machine reports."""


def time_ratio(part: Sequence[str], whole: Sequence[str]) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """Σ part / Σ whole of time elements; an empty `whole` is the known part of PBT."""
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        part_us = _sum(measured, part)
        whole_us = _sum(measured, whole) if whole else measured.covered_us
        name = " + ".join(item.upper() for item in whole) or "known PBT"
        why = "" if whole_us else f"undefined: {name} is 0"
        return conclude(indicator, measured, quotient(part_us, whole_us), _seconds(measured), _calendar(measured, register), why, _MAPPED)

    return evaluate


def throughput(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """PQ / AOET in parts per hour of one machine; only parts made in known time are set against it."""
    parts = measured.total("produced") - measured.total("unobserved")
    aoet_us = _sum(measured, AOET)
    counts = {**_seconds(measured), "parts_in_known_time": parts, "produced": measured.total("produced"), **counter_notes(measured)}
    why = "" if aoet_us else "undefined: AOET is 0"
    return conclude(indicator, measured, quotient(parts * HOUR_US, aoet_us), counts, _calendar(measured, register), why, _MAPPED)


def nee(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """AUPT / PBT × effectiveness × quality ratio."""
    known_us, apt_us = measured.covered_us, measured.total("apt_us")
    exact = _product(measured, Fraction(_sum(measured, AUPT), known_us) if known_us else None)
    return _with_parts(indicator, measured, register, exact, {"known PBT": known_us, "APT": apt_us, "PQ": measured.total("produced")})


def teep(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """OEE × PBT / calendar time: against all time in service, planned or not."""
    known_us, apt_us = measured.covered_us, measured.total("apt_us")
    items = [item for item in register.equipment if item.id in measured.by_equipment]
    calendar_us = sum(window.clip(service_window(register, item)).length_us for item in items)
    exact = _product(measured, Fraction(apt_us, known_us) if known_us else None)
    if exact is not None and calendar_us:
        exact *= Fraction(measured.expected_us, calendar_us)
    denominators = {"known PBT": known_us, "APT": apt_us, "PQ": measured.total("produced")}
    return _with_parts(indicator, measured, register, exact, denominators, {"calendar_s": calendar_us // SECOND_US})


def measure_failures(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time out of service and all known time, µs, in the planned busy time; failures as episodes."""
    pieces = cut(inputs.calendar, [held(inputs, "item_state")])
    state = pieces.values[0]
    known = state != UNKNOWN
    down = known & (state == ItemState.OUT_OF_SERVICE)
    values = {"down_us": pieces.total_us(down), "up_us": pieces.total_us(known & ~down), "conflicts": inputs.conflicts(("item_state",))}
    planned_us = sum(part.length_us for part in inputs.calendar)
    found = components(indicator, inputs, window, pieces.total_us(known), values, planned_us)
    return msgspec.structs.replace(found, boundary={"failures": episodes_of(down[known].astype(np.int64))})


def per_failure(time: str, more: int) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """Hours of `time` per failure; `more` = 1 divides by failures + 1 for each machine, as the standard is remembered."""
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        failures = measured.episodes("failures")
        seen = sum(1 for item in measured.by_equipment.values() if item.covered_us)
        whole = failures + more * seen
        counts = {
            "failures": failures, "machines": seen, "up_s": measured.total("up_us") // SECOND_US, "down_s": measured.total("down_us") // SECOND_US,
            "conflicts": measured.total("conflicts"),
        }
        why = f"{failures} failures on {seen} machines" if whole else "undefined: no failure in the known planned busy time"
        return conclude(
            indicator, measured, quotient(measured.total(f"{time}_us"), whole * HOUR_US), counts, _calendar(measured, register), why,
            "failure = out of service (OPC 40001-1)",
        )

    return evaluate


_MAPPED = f"states mapped by {STATE_MAPPING}"


def _sum(measured: Measured, names: Sequence[str]) -> int:
    return sum(measured.total(f"{name}_us") for name in names)


def _seconds(measured: Measured) -> dict[str, int]:
    seconds = {f"{name}_s": measured.total(f"{name}_us") // SECOND_US for name in ELEMENTS}
    return {**seconds, "pbt_known_s": measured.covered_us // SECOND_US, "pbt_s": measured.expected_us // SECOND_US}


def _calendar(measured: Measured, register: Workshop) -> str:
    return calendar_note(bool(register.shifts and measured.expected_us))


def _product(measured: Measured, share: Fraction | None) -> Fraction | None:
    """share × effectiveness × quality ratio; None when one of them is undefined."""
    apt_us, produced = measured.total("apt_us"), measured.total("produced")
    if share is None or not apt_us or not produced:
        return None
    return share * Fraction(measured.total("ideal_us"), apt_us) * Fraction(measured.total("good"), produced)


def _with_parts(
    indicator: Indicator, measured: Measured, register: Workshop, exact: Fraction | None, denominators: dict[str, int],
    more: dict[str, int] | None = None,
) -> Result:
    fast = [name for name, item in measured.by_equipment.items() if item.values.get("ideal_us", 0) > item.values.get("apt_us", 0)]
    parts = {name: measured.total(name) for name in ("produced", "good")}
    counts = {**_seconds(measured), **parts, "ideal_s": measured.total("ideal_us") // SECOND_US, **(more or {}), **counter_notes(measured)}
    undefined = [name for name, value in denominators.items() if not value]
    return conclude(
        indicator, measured, exact, counts, _calendar(measured, register), f"undefined: {' and '.join(undefined)} is 0" if undefined else "",
        left_out(fast, "effectiveness above 1, so the ideal cycle in the register is not the true minimum"), _MAPPED,
        excluded=[Exclusion(name, "effectiveness above 1") for name in fast],
    )
