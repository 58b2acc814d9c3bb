"""Flexible manufacturing: how long a changeover takes, how many parts follow one, and how long a part really takes.

A changeover is a maximal run of the operation mode *setup*, whatever the machine's state is in it; one over the border of an hour counts once, and
unknown time does not end it.
"""

from fractions import Fraction

import msgspec
import numpy as np

from analytics.boundary import episodes_of
from analytics.definition import components, conclude, quotient
from analytics.indicator import Components, Indicator, Result
from analytics.measured import Measured
from analytics.production import calendar_note, counter_notes
from analytics.series import Inputs
from analytics.steps import UNKNOWN, cut, held, increases, planned_growth
from workshop.register import Workshop
from workshop.states import STATE_MAPPING, OperationMode
from workshop.window import SECOND_US, Window

MODE, PARTS = "operation_mode", "produced_count"
MINUTE_US = 60 * SECOND_US


def measure_changeovers(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time in setup, µs, in the known planned busy time, changeovers as episodes, and parts in the planned time where the indicator asks for them."""
    pieces = cut(inputs.calendar, [held(inputs, MODE)])
    mode = pieces.values[0]
    known = mode != UNKNOWN
    setup = known & (mode == OperationMode.SETUP)
    values = {"setup_us": pieces.total_us(setup), "conflicts": inputs.conflicts(indicator.roles)}
    counters = [role for role in indicator.roles if role == PARTS]
    for role in counters:
        grown = increases(inputs, role, window)
        values["produced"] = int(grown.amount[planned_growth(inputs, role, window)].sum())
        values |= {"resets": grown.resets, "beginnings": grown.beginnings}
    found = components(indicator, inputs, window, pieces.total_us(known), values, inputs.calendar, counters=counters, events=(MODE,))
    return msgspec.structs.replace(found, boundary={"changeovers": episodes_of(setup[known].astype(np.int64))})


def changeover_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Mean time in setup per changeover, min."""
    changeovers, setup_us = measured.episodes("changeovers"), measured.total("setup_us")
    counts = {"changeovers": changeovers, "setup_s": setup_us // SECOND_US, "conflicts": measured.total("conflicts")}
    return conclude(indicator, measured, quotient(setup_us, changeovers * MINUTE_US), counts, _planned(measured, register), _none(changeovers))


def lot_size(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Parts per changeover, on the machines that changed over."""
    names = [name for name, item in measured.detail.items() if item.get("changeovers")]
    changeovers, parts = measured.episodes("changeovers"), sum(measured.detail[name].get("produced", 0) for name in names)
    notes = counter_notes(measured, ("resets", "beginnings", "conflicts"))
    counts = {"produced": parts, "changeovers": changeovers, "machines": len(names), **notes}
    why = _planned(measured, register), _none(changeovers)
    return conclude(indicator, measured, quotient(parts, changeovers), counts, *why, summed=True)


def cycle_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """APT per part, s; only parts seen in known time are set against it."""
    apt_us, produced = measured.total("apt_us"), measured.total("produced")
    parts = produced - measured.total("unobserved")
    unknown_us = measured.expected_us - measured.covered_us if register.shifts else 0
    counts = {
        "apt_s": apt_us // SECOND_US, "parts_in_known_time": parts, "produced": produced, "ideal_s": measured.total("ideal_us") // SECOND_US,
        **counter_notes(measured),
    }
    ideal = f"ideal by the register {float(Fraction(measured.total('ideal_us'), parts * SECOND_US)):.3f} s" if parts else "undefined: no parts"
    return conclude(
        indicator, measured, quotient(apt_us, parts * SECOND_US), counts, _planned(measured, register), ideal, f"states mapped by {STATE_MAPPING}",
        low=quotient(apt_us, produced * SECOND_US) if parts else None, high=quotient(apt_us + unknown_us, parts * SECOND_US),
        method="bounds: unknown time all lost with all parts … all production without a part", summed=True,
    )


def _planned(measured: Measured, register: Workshop) -> str:
    return calendar_note(bool(register.shifts and measured.expected_us))


def _none(changeovers: int) -> str:
    return "" if changeovers else "undefined: no changeover in the known planned busy time"
