"""Alarms as ISA-18.2 counts them: new annunciations, on one operator's console, which is the workshop.

An annunciation is a good reading of another alarm number than 0 that does not repeat the reading before it. After an unknown, missing readings, or an
hour without a reading, the alarm that is still there counts again: nobody can say that it is the same. What is missing may hide any number of
alarms, so that no verdict can rest on a window with a gap in an alarm.
"""

from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import OFF, Slots, merge_boundaries, slots_of
from analytics.definition import components, conclude, quotient
from analytics.indicator import Components, Indicator, Result
from analytics.measured import Measured
from analytics.series import LOOKBACK_US, Inputs
from analytics.steps import fresh_us, inside, touched
from workshop.register import Workshop
from workshop.window import SECOND_US, Window

SLOT_US = 600 * SECOND_US
FLOOD = 10
"""More than so many annunciations in ten minutes are a flood."""


def measure_alarms(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Annunciations in the watched time and how much of it is known, µs; annunciations by ten minutes."""
    moments, _ = annunciations(inputs, window)
    values = {"annunciations": len(moments), "conflicts": inputs.conflicts(("alarm",))}
    found = components(indicator, inputs, window, fresh_us(inputs, ("alarm",)), values, events=("alarm",))
    return msgspec.structs.replace(found, boundary={"slots": slots_of(SLOT_US, moments // SLOT_US, np.ones(len(moments), np.int64))})


def rate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Annunciations of all equipment per ten minutes of the console."""
    console_us = _console_us(measured)
    annunciations = measured.total("annunciations")
    why = "guide values: about 1 in 10 min, at most 2" if console_us else "undefined: no alarm signal is known"
    return conclude(indicator, measured, Fraction(annunciations * SLOT_US) / console_us if console_us else None, _counts(measured), why)


def flood(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Share of the ten-minute slots of the known time with more than ten annunciations."""
    console_us = _console_us(measured)
    borders = [item.boundary["slots"] for item in measured.by_equipment.values() if "slots" in item.boundary]
    whole = merge_boundaries(borders) if borders else Slots(SLOT_US, 0, b"")
    floods = int((whole.values > FLOOD).sum()) if isinstance(whole, Slots) else 0
    slots = int(-(-console_us // SLOT_US))
    counts = {**_counts(measured), "floods": floods, "slots": slots}
    why = f"{floods} of {slots} slots of ten minutes with more than {FLOOD}" if slots else "undefined: no alarm signal is known"
    return conclude(indicator, measured, quotient(floods, slots), counts, why)


def annunciations(inputs: Inputs, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source times and alarm numbers of the annunciations in the watched time of the window."""
    return inputs.once(("annunciations", window), lambda: _annunciations(inputs, window))


def _annunciations(inputs: Inputs, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    series = inputs.series("alarm")
    code, usable = series.integers()
    if not len(code):
        return series.time_us, code
    time = series.time_us
    blind = touched(inputs.unknown.get("alarm", ()), time[:-1], time[1:])
    repeats = np.concatenate(([False], usable[:-1] & (code[1:] == code[:-1]) & (np.diff(time) <= LOOKBACK_US) & ~blind))
    inner = (time >= window.start_us) & (time < window.end_us) & (inside(inputs.observed).at(time) == 1)
    new = inner & usable & (code != OFF) & ~repeats
    return time[new], code[new]


def _console_us(measured: Measured) -> Fraction:
    """Known time of the console: the mean over its machines."""
    return Fraction(measured.covered_us, len(measured.by_equipment) or 1)


def _counts(measured: Measured) -> dict[str, int]:
    return {
        "annunciations": measured.total("annunciations"), "machines": len(measured.by_equipment), "known_s": measured.covered_us // SECOND_US,
        "conflicts": measured.total("conflicts"),
    }
