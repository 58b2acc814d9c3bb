"""Process capability from measured dimensions: one value per part against the tolerance that the register gives (`lower`, `upper`).

Values are deviations from the middle of the tolerance in whole nanometres (a millionth of the unit where it is no length), and their sum and sum of
squares are integers, the latter in two halves, so that pieces merge without rounding. Where the equipment tells serial numbers, a part is a serial
number and its value is what the dimension was then: a gauge or a serial number that repeats itself does not count twice.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.charts import Capability
from analytics.charts import capability as capability_of
from analytics.definition import components, conclude
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
from analytics.series import Inputs
from analytics.steps import UNKNOWN, fresh_us, held_codes
from workshop.register import Equipment, Workshop
from workshop.window import Window

DIMENSION, PART = "diameter", "serial"
ROLES = (DIMENSION, PART)
SOURCE = "ISO 22514-2 (overall scatter); interval of Cp by χ², of Cpk by Bissell 1990"
PER_UNIT = {"mm": 10**6, "um": 10**3, "m": 10**9}
"""Nanometres in a unit (UCUM); a value in any other unit is counted in millionths of it."""
HALF = 2**24
"""Of every square the quotient and the remainder by this are summed apart: Σd² = `squares_high` × 2^24 + `squares_low`."""
FARTHEST = 2**27 - 1
"""Values farther than 134 mm from the middle of the tolerance are no values of this dimension: they are counted as unusable. With it the sums of
eight million parts stay below 2^53, which canonical JSON can hold."""
FEW = 50
"""Below so many parts the intervals are wide and the assumption of a normal distribution cannot be seen."""


def toleranced(equipment: Equipment) -> bool:
    """Whether the equipment measures a dimension with both limits."""
    signal = equipment.signal(DIMENSION)
    return signal is not None and isinstance(signal.lower, str) and isinstance(signal.upper, str)


def measure_dimension(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Number of parts, sum and sum of squares of their deviations, in the watched time."""
    signal = inputs.signal(DIMENSION)
    deviation = np.zeros(0, np.int64)
    unusable = 0
    if signal is not None and isinstance(signal.lower, str) and isinstance(signal.upper, str):
        each = PER_UNIT.get(signal.unit, 10**6)
        middle = float((Decimal(signal.lower) + Decimal(signal.upper)) / 2)
        series = inputs.series(DIMENSION)
        away = np.rint((series.value.astype(np.float64) - middle) * each)
        with np.errstate(invalid="ignore"):
            usable = series.good & (np.abs(away) <= FARTHEST)
        codes = np.where(usable, np.where(usable, away, 0).astype(np.int64), UNKNOWN)
        by_serial = inputs.signal(PART) is not None
        time_us = _parts(inputs) if by_serial else series.time_us
        inside = _within(inputs, time_us, window)
        found = held_codes(inputs, DIMENSION, codes).at(time_us[inside]) if by_serial else codes[inside]
        unusable, deviation = int((found == UNKNOWN).sum()), found[found != UNKNOWN]
    squares = deviation * deviation
    values = {
        "parts": len(deviation), "unusable": unusable, "deviation_sum": int(deviation.sum()), "squares_high": int((squares // HALF).sum()),
        "squares_low": int((squares % HALF).sum()), "conflicts": inputs.conflicts(ROLES),
    }
    return components(indicator, inputs, window, fresh_us(inputs, (DIMENSION,)), values, events=ROLES)


def _parts(inputs: Inputs) -> NDArray[np.int64]:
    """When the serial number became another one: told again it is the same part."""
    _, number, good = inputs.said(PART)
    time_us, number = inputs.series(PART).time_us[good], number[good]
    changed: NDArray[np.int64] = time_us[np.diff(number, prepend=-1) != 0]
    return changed


def _within(inputs: Inputs, time_us: NDArray[np.int64], window: Window) -> NDArray[np.bool_]:
    """Which times lie in the watched time of the piece: that alone, since carried readings were counted before."""
    found = np.zeros(len(time_us), np.bool_)
    for part in inputs.observed:
        clipped = window.clip(part)
        found |= (time_us >= clipped.start_us) & (time_us < clipped.end_us)
    return found


class Station(msgspec.Struct, frozen=True):
    """The dimension of one piece of equipment: exact sums, and the tolerance they are held against."""

    parts: int
    mean: Fraction
    """Deviation from the middle of the tolerance, nm."""
    variance: Fraction
    """s² = (n Σd² − (Σd)²) / (n (n − 1)), nm²."""
    half_width: Fraction
    """Half of the tolerance, nm."""

    @property
    def capability(self) -> Capability:
        """Cp and Cpk with intervals; see `charts.capability`."""
        half = float(self.half_width)
        return capability_of(self.parts, float(self.mean), sqrt(self.variance), -half, half)


def stations(measured: Measured, register: Workshop) -> dict[str, Station]:
    """Every piece of equipment with at least two parts that differ."""
    return stations_of({name: item.values for name, item in measured.by_equipment.items()}, register)


def stations_of(detail: Mapping[str, Mapping[str, int]], register: Workshop) -> dict[str, Station]:
    """The same from the values by equipment, as `Result.detail` has them."""
    found = {}
    for name, values in detail.items():
        equipment = register.find(name)
        signal = equipment.signal(DIMENSION) if equipment else None
        parts = values.get("parts", 0)
        if signal is None or not isinstance(signal.lower, str) or not isinstance(signal.upper, str) or parts < 2:
            continue
        total, squares = values["deviation_sum"], values["squares_high"] * HALF + values["squares_low"]
        variance = Fraction(parts * squares - total * total, parts * (parts - 1))
        width = Fraction(signal.upper) - Fraction(signal.lower)
        if variance > 0:
            found[name] = Station(parts, Fraction(total, parts), variance, width * PER_UNIT.get(signal.unit, 10**6) / 2)
    return found


def cp(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Of the station that is least capable: tolerance / 6 s."""
    found = {name: item.capability for name, item in stations(measured, register).items()}
    return _least(indicator, measured, {name: (item.cp, item.cp_low, item.cp_high) for name, item in found.items()}, "χ²")


def cpk(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Of the station that is least capable: distance of the mean to the nearer limit / 3 s."""
    found = {name: item.capability for name, item in stations(measured, register).items()}
    return _least(indicator, measured, {name: (item.cpk, item.cpk_low, item.cpk_high) for name, item in found.items()}, "Bissell")


def _least(indicator: Indicator, measured: Measured, found: dict[str, tuple[float, float, float]], method: str) -> Result:
    counts = {
        "parts": measured.total("parts"), "unusable": measured.total("unusable"), "stations": len(found), "conflicts": measured.total("conflicts"),
    }
    without = [Exclusion(name, "fewer than two parts that differ") for name in measured.by_equipment if name not in found]
    if not found:
        return conclude(indicator, measured, None, counts, "undefined: no parts that differ are known", excluded=without)
    worst = min(found, key=lambda name: (found[name], name))
    parts = measured.by_equipment[worst].values["parts"]
    value, low, high = (Fraction(item) for item in found[worst])
    each = "; ".join(f"{name} {item[0]:.4f}" for name, item in sorted(found.items()))
    return conclude(
        indicator, measured, value, counts, f"{worst} of {len(found)}, the least capable: {parts} parts" + (f" ({each})" if len(found) > 1 else ""),
        f"fewer than {FEW} parts: the interval holds for a normal distribution alone, which so few do not show" if parts < FEW else "",
        low=low, high=high, method=f"{method} 95 %, normal values", excluded=without,
    )
