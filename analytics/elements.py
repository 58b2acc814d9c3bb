"""Ratios of ISO 22400-2 time elements beyond availability and OEE, and failures: in a group numerators and denominators are summed."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec
import numpy as np

from analytics.boundary import episodes_of
from analytics.definition import bounds, components, conclude, left_out, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
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
        low, high = bounds(part_us, whole_us, _unknown_us(measured, register)) if whole_us else (None, None)
        name = " + ".join(item.upper() for item in whole) or "known PBT"
        why = "" if whole_us else f"undefined: {name} is 0"
        return conclude(
            indicator, measured, quotient(part_us, whole_us), _seconds(measured), _calendar(measured, register), why, _MAPPED, low=low, high=high,
            method="bounds: unknown time all of the rest … all of this kind",
        )

    return evaluate


def throughput(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """PQ / AOET in parts per hour of one machine; only parts made in known time are set against it."""
    parts = measured.total("produced") - measured.total("unobserved")
    aoet_us, produced = _sum(measured, AOET), measured.total("produced")
    counts = {**_seconds(measured), "parts_in_known_time": parts, "produced": produced, **counter_notes(measured)}
    why = "" if aoet_us else "undefined: AOET is 0"
    low, high = Fraction(0), quotient(produced * HOUR_US, aoet_us)
    if aoet_us:
        low = Fraction(parts * HOUR_US, aoet_us + _unknown_us(measured, register))
    return conclude(
        indicator, measured, quotient(parts * HOUR_US, aoet_us), counts, _calendar(measured, register), why, _MAPPED,
        low=low if aoet_us else None, high=high, method="bounds: unknown time all ordered and empty … all parts made in known time", summed=True,
    )


def nee(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """AUPT / PBT × effectiveness × quality ratio."""
    known_us, apt_us, aupt_us = measured.covered_us, measured.total("apt_us"), _sum(measured, AUPT)
    unknown_us = _unknown_us(measured, register)
    exact = _product(measured, Fraction(aupt_us, known_us) if known_us else None)
    low = high = None
    if exact is not None and apt_us and known_us:
        # Unknown time does most harm as production without a part: it lowers the effectiveness of all that was set up for.
        low = _product(measured, Fraction(aupt_us + unknown_us, known_us + unknown_us)) or Fraction(0)
        low *= Fraction(apt_us, apt_us + unknown_us)
        good = Fraction(measured.total("good"), measured.total("produced"))
        high = Fraction(aupt_us + unknown_us, known_us + unknown_us) * max(Fraction(1), Fraction(measured.total("ideal_us"), apt_us)) * good
        high = max(high, exact)
    return _with_parts(indicator, measured, register, (low, exact, high), {"known PBT": known_us, "APT": apt_us, "PQ": measured.total("produced")})


def teep(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """OEE × PBT / calendar time: against all time in service, planned or not."""
    known_us, apt_us, planned_us = measured.covered_us, measured.total("apt_us"), measured.expected_us
    items = [item for item in register.equipment if item.id in measured.by_equipment]
    calendar_us = sum(window.clip(service_window(register, item)).length_us for item in items)
    oee = _product(measured, Fraction(apt_us, known_us) if known_us else None)
    low = exact = high = None
    if oee is not None and calendar_us:
        low, exact = oee * Fraction(known_us, calendar_us), oee * Fraction(planned_us, calendar_us)
        high = (oee * known_us + max(Fraction(1), oee) * _unknown_us(measured, register)) / calendar_us
    denominators = {"known PBT": known_us, "APT": apt_us, "PQ": measured.total("produced")}
    return _with_parts(indicator, measured, register, (low, exact, high), denominators, {"calendar_s": calendar_us // SECOND_US})


def measure_failures(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time out of service and all known time, µs, in the planned busy time; failures as episodes."""
    pieces = cut(inputs.calendar, [held(inputs, "item_state")])
    state = pieces.values[0]
    known = state != UNKNOWN
    down = known & (state == ItemState.OUT_OF_SERVICE)
    values = {"down_us": pieces.total_us(down), "up_us": pieces.total_us(known & ~down), "conflicts": inputs.conflicts(("item_state",))}
    found = components(indicator, inputs, window, pieces.total_us(known), values, inputs.calendar, events=("item_state",))
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


def _unknown_us(measured: Measured, register: Workshop) -> int:
    """Planned busy time in which nobody knows."""
    return measured.expected_us - measured.covered_us if register.shifts else 0


def _calendar(measured: Measured, register: Workshop) -> str:
    return calendar_note(bool(register.shifts and measured.expected_us))


def _product(measured: Measured, share: Fraction | None) -> Fraction | None:
    """share × effectiveness × quality ratio; None when one of them is undefined."""
    apt_us, produced = measured.total("apt_us"), measured.total("produced")
    if share is None or not apt_us or not produced:
        return None
    return share * Fraction(measured.total("ideal_us"), apt_us) * Fraction(measured.total("good"), produced)


def _with_parts(
    indicator: Indicator, measured: Measured, register: Workshop, interval: tuple[Fraction | None, Fraction | None, Fraction | None],
    denominators: dict[str, int], more: dict[str, int] | None = None,
) -> Result:
    fast = [name for name, item in measured.by_equipment.items() if item.values.get("ideal_us", 0) > item.values.get("apt_us", 0)]
    parts = {name: measured.total(name) for name in ("produced", "good")}
    counts = {**_seconds(measured), **parts, "ideal_s": measured.total("ideal_us") // SECOND_US, **(more or {}), **counter_notes(measured)}
    undefined = [name for name, value in denominators.items() if not value]
    return conclude(
        indicator, measured, interval[1], counts, _calendar(measured, register), f"undefined: {' and '.join(undefined)} is 0" if undefined else "",
        left_out(fast, "effectiveness above 1, so the ideal cycle in the register is not the true minimum"), _MAPPED,
        low=interval[0], high=interval[2], method="bounds: unknown time all lost … all ideal production",
        excluded=[Exclusion(name, "effectiveness above 1") for name in fast],
    )
