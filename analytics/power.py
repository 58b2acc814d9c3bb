"""Power over time: the integral of power readings beside the meter's counter, and the power factor.

A power reading holds until the next one or its maximum age; what lies beyond is unknown and is not integrated. Energies are whole mJ that telescope:
a piece [a, b) at power p counts floor(p · b) - floor(p · a), so that a window split anywhere sums to the same bits.
"""

from fractions import Fraction
from math import isqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.definition import components, conclude, left_out
from analytics.electricity import KWH, METER, grown_of, placed_of
from analytics.facts import Facts
from analytics.indicator import Components, Indicator, Result, decimal_of, share
from analytics.measured import Measured
from analytics.series import Inputs
from analytics.steps import UNKNOWN, Pieces, Steps, cut, fresh, held_codes
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import SECOND_US, Window

ACTIVE, REACTIVE, APPARENT = "active_power", "reactive_power", "apparent_power"
SCALES = {
    "mW": 1, "W": 1000, "kW": 1_000_000, "MW": 1_000_000_000, "var": 1000, "kvar": 1_000_000, "Mvar": 1_000_000_000, "V.A": 1000, "kV.A": 1_000_000,
    "MV.A": 1_000_000_000,
}
"""Milliwatts (and mvar, mVA) in a unit of power."""
MJ_KWH = 3_600_000_000
_MOST_MW = 4_000_000_000
"""4 MW: above it a reading is no power of a machine, and the integral would leave 64 bits."""
TOLERANCE = Fraction(2, 100)
"""Of the counter: two meters of class 1 differ by no more."""
BILL_TOLERANCE = Fraction(3, 100)
MAIN = "main_meter"
"""Class of equipment that measures the others too."""
_DIGITS = 10**12


def measure_reconciliation(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Energy by the counter, mWh, and by the integral of power, mJ, both only while both are known."""
    power = power_of(inputs, ACTIVE)
    pieces = cut([window] if window.length_us else [], [power, fresh(inputs, METER)])
    both = (pieces.values[0] != UNKNOWN) & (pieces.values[1] == 1)
    grown = grown_of(inputs, window)
    placed = placed_of(inputs, grown)
    together = placed & (power.at(grown.time_us - 1) != UNKNOWN)
    values = {
        "counter_mwh": int(grown.amount[together].sum()), "apart_mwh": int(grown.amount[~together].sum()), "power_mj": energy_mj(pieces, 0, both),
        "resets": grown.resets, "conflicts": inputs.conflicts(indicator.roles),
    }
    watched = pieces if inputs.observed == (window,) else cut(inputs.observed, [power, fresh(inputs, METER)])
    known_us = watched.total_us((watched.values[0] != UNKNOWN) & (watched.values[1] == 1))
    return components(indicator, inputs, window, known_us, values, counters=(METER,))


def reconcile(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """(counter - ∫ power) / counter over all machines; each machine's stands in the reason where it is beyond the tolerance."""
    counter, power = measured.total("counter_mwh"), Fraction(measured.total("power_mj"), MJ_KWH)
    beyond = []
    for name, item in measured.by_equipment.items():
        own, integral = Fraction(item.values.get("counter_mwh", 0), KWH), Fraction(item.values.get("power_mj", 0), MJ_KWH)
        if abs(own - integral) > TOLERANCE * max(own, integral):
            said = f"{decimal_of((own - integral) / own, 4)}" if own else "counter stands"
            beyond.append(f"{name} ({said})")
    counts = {name: measured.total(name) for name in ("counter_mwh", "power_mj", "apart_mwh", "resets", "conflicts")}
    value = 1 - power * KWH / counter if counter else None
    return conclude(
        indicator, measured, value, counts, "" if counter else "undefined: no counted energy while the power is known too",
        left_out(beyond, f"counter and power differ by more than {float(TOLERANCE):.0%}"), summed=True,
    )


def measure_power_factor(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Active energy, mJ, with the reactive or else the apparent energy of the same time."""
    beside = REACTIVE if inputs.signal(REACTIVE) is not None else APPARENT
    steps = [power_of(inputs, ACTIVE), power_of(inputs, beside)]
    pieces = cut(inputs.observed, steps)
    known = (pieces.values[0] != UNKNOWN) & (pieces.values[1] != UNKNOWN)
    values = dict.fromkeys(("active_mj", "reactive_mj", "active_beside_apparent_mj", "apparent_mj"), 0)
    names = ("active_mj", "reactive_mj") if beside == REACTIVE else ("active_beside_apparent_mj", "apparent_mj")
    for place, name in enumerate(names):
        values[name] = energy_mj(pieces, place, known)
    return components(indicator, inputs, window, pieces.total_us(known), {**values, "conflicts": inputs.conflicts(indicator.roles)})


def power_factor(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Σ W / √((Σ W)² + (Σ V)²), as a bill averages; machines that tell apparent power alone enter with the reactive part that it implies."""
    active = reactive = 0
    odd = []
    for name, item in measured.by_equipment.items():
        own, apparent = item.values.get("active_beside_apparent_mj", 0), item.values.get("apparent_mj", 0)
        if abs(own) > apparent:
            odd.append(name)
        active += item.values.get("active_mj", 0) + own
        reactive += item.values.get("reactive_mj", 0) + isqrt(max(0, apparent**2 - own**2))
    whole = isqrt((active**2 + reactive**2) * _DIGITS**2)
    value = Fraction(active * _DIGITS, whole) if whole and not odd else None
    why = "" if whole else "undefined: no energy while active and reactive or apparent power are known"
    alone = [item.id for item in register.equipment if item.signal(ACTIVE) and not (item.signal(REACTIVE) or item.signal(APPARENT))]
    return conclude(
        indicator, measured, value, {"active_mj": active, "reactive_mj": reactive, "conflicts": measured.total("conflicts")}, why,
        left_out(odd, "undefined: less apparent than active energy"), left_out(alone, "tell active power alone, so not counted"),
    )


def reconcile_bill(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
    """(meters - bill) / bill over the window; main meters stand for all where the register has any."""
    told = facts.told("electricity_bill", window)
    mains = {item.id for item in register.equipment if item.equipment_class == MAIN}
    counted = [name for name in measured.by_equipment if name in mains] or list(measured.by_equipment)
    metered = sum(measured.by_equipment[name].values.get("energy_mwh", 0) for name in counted)
    whole = told.covered_us >= window.length_us > 0
    bill = told.value if whole else None
    value = Fraction(metered, KWH) / bill - 1 if bill and any(measured.by_equipment[name].covered_us for name in counted) else None
    beyond = value is not None and abs(value) > BILL_TOLERANCE
    result = conclude(
        indicator, measured, value,
        {"metered_mwh": metered, "electricity_bill_milli": round((told.value or 0) * 1000), "meters": len(counted), "main_meters": len(mains)},
        "" if whole else f"undefined: electricity_bill (电费单电量) is declared for {share(told.covered_us, window.length_us)} of the window",
        "undefined: a bill of nothing" if whole and not bill else "",
        f"meters and bill differ by more than {float(BILL_TOLERANCE):.0%}" if beyond else "",
        "declared, not measured: electricity_bill" if told.inputs else "", summed=True, method="declared and measured, no interval",
    )
    coverage = min(result.coverage, share(told.covered_us, window.length_us))
    return msgspec.structs.replace(result, coverage=coverage, declared=told.inputs)


def power_of(inputs: Inputs, role: str) -> Steps:
    """A power at every moment, mW; UNKNOWN where no good reading holds.

    Raises:
        ConfigError: a unit that is none of power.
    """
    signal = inputs.signal(role)
    if signal is None:
        return Steps(np.zeros(0, np.int64), np.zeros(0, np.int64))
    if signal.unit not in SCALES:
        raise ConfigError(f"register: {inputs.equipment.id}/{signal.name}: unit '{signal.unit}' is no unit of power; there are {', '.join(SCALES)}")

    def make() -> Steps:
        series, scale = inputs.series(role), SCALES[signal.unit]
        with np.errstate(invalid="ignore"):
            usable = series.good & (np.abs(series.value.astype(np.float64)) * scale <= _MOST_MW) & (not series.texts)
        codes = np.full(len(series), UNKNOWN, np.int64)
        codes[usable] = np.rint(series.value[usable].astype(np.float64) * scale).astype(np.int64)
        return held_codes(inputs, role, codes)

    return inputs.once(("power", role), make)


def energy_mj(pieces: Pieces, place: int, where: NDArray[np.bool_]) -> int:
    """∫ p dt over the pieces that the mask names, mJ."""
    power, start = pieces.values[place][where], pieces.start_us[where]
    return int((_until(power, start + pieces.length_us[where]) - _until(power, start)).sum())


def _until(power_mw: NDArray[np.int64], time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """floor(p · t), mJ: only differences mean anything, and those of adjoining pieces add up."""
    found: NDArray[np.int64] = power_mw * (time_us // SECOND_US) + power_mw * (time_us % SECOND_US) // SECOND_US
    return found
