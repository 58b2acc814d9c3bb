"""Figures of which people declared at least one part: productivity, output of land, costs. A declared part is named as such, and has no interval.

An input that is not declared for the whole window leaves the figure without a value: half a year's bills are not a year's.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec

from analytics.declared_figures import CATALOGUE
from analytics.definition import MEASURED
from analytics.electricity import cost
from analytics.facts import Facts, Told
from analytics.indicator import Components, Indicator, Result, decimal_of, sentences, share
from analytics.measured import Measured, doubts
from analytics.series import Inputs
from workshop.calendar import local_hour, zone_of
from workshop.register import Equipment, Workshop
from workshop.window import Window

DECLARED = "declared, no interval"
MIXED = "declared and measured, no interval"
SCALE = 1000
"""Declared figures stand in the counts in thousandths, since counts are integers; rounded half to even."""
Values = Mapping[str, Fraction]
Formula = Callable[[Values], Fraction | None]


def no_equipment(equipment: Equipment) -> bool:
    """None: nothing is measured."""
    return False


def measure_nothing(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Nothing but the time."""
    hour_us = local_hour(window.start_us, zone_of(inputs.register))
    return Components(
        indicator.id, indicator.version, inputs.equipment.id, hour_us, window.start_us, window.end_us, window.length_us, window.length_us, {}
    )


def from_declared(formula: Formula) -> Callable[[Indicator, Measured, Workshop, Window, Facts], Result]:
    """Evaluation of an indicator of declared figures alone: the formula of their values in base units."""
    def inform(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
        return conclude_declared(indicator, window, {name: facts.told(name, window) for name in indicator.facts}, formula)

    return inform


def conclude_declared(
    indicator: Indicator, window: Window, told: Mapping[str, Told], formula: Formula, *, measured: Measured | None = None,
    quantities: Mapping[str, int] | None = None,
) -> Result:
    """The result from declared figures, and from what was counted where there is something.

    Args:
        quantities: what was measured, by its name in the formula.
    """
    counts, lacking = dict(quantities or {}), []
    covered = [item.covered_us for item in told.values()]
    coverage = share(min(covered, default=0), window.length_us)
    for name, item in told.items():
        if item.covered_us < window.length_us or not window.length_us:
            lacking.append(f"{name} ({CATALOGUE[name].zh}) is declared for {share(item.covered_us, window.length_us)} of the window")
        if item.value is not None:
            counts[f"{name}_milli"] = round(item.value * SCALE)
    value = None
    why = f"undefined: {', '.join(lacking)}" if lacking else ""
    if not lacking:
        value = formula({name: item.value for name, item in told.items() if item.value is not None} | {
            name: Fraction(number) for name, number in (quantities or {}).items()
        })
        why = "undefined: nothing to divide by" if value is None else ""
    for name in told:
        counts.setdefault(f"{name}_milli", 0)
    rounded = None if value is None else decimal_of(value, indicator.places)
    inputs = tuple(entry for item in told.values() for entry in item.inputs)
    names = ", ".join(dict.fromkeys(item.name for item in inputs))
    said = sentences(why, f"declared, not measured: {names}" if names else "")
    if measured is None:
        return Result(
            indicator.id, indicator.version, rounded, rounded, rounded, DECLARED, indicator.unit, coverage, counts, [], said or "nothing is declared",
            declared=inputs,
        )
    return Result(
        indicator.id, indicator.version, rounded, rounded, rounded, MIXED if inputs else MEASURED, indicator.unit, min(coverage, measured.coverage),
        counts, [], sentences(said, doubts(indicator, measured)), detail=measured.detail, least_coverage=measured.least, lost_us=measured.lost_us,
        declared=inputs,
    )


def over(part: str, whole: str) -> Formula:
    """One figure divided by another; None where that is 0."""
    return lambda values: values[part] / values[whole] if values[whole] else None


def sum_of(*names: str) -> Formula:
    """The figures together."""
    return lambda values: sum((values[name] for name in names), Fraction(0))


def mean_of(*names: str) -> Formula:
    """How much of it is so: the mean of figures that are 0 or 1."""
    return lambda values: sum((values[name] for name in names), Fraction(0)) / len(names)


def alone(name: str) -> Formula:
    """The figure itself."""
    return lambda values: values[name]


def counted_times(counter: str, price: str) -> Callable[[Indicator, Measured, Workshop, Window, Facts], Result]:
    """What a counter grew by, times a declared price. Components as of `counts.measure_counts`."""
    def inform(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
        told = {price: facts.told(price, window)}
        heard = bool(measured.covered_us)
        return conclude_declared(
            indicator, window, told, lambda values: values[counter] * values[price] if heard else None, measured=measured,
            quantities={counter: measured.total(counter)},
        )

    return inform


def operating_cost(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
    """Electricity at the tariff's prices, with its bounds, and the declared items."""
    electricity = cost(indicator, measured, register, window)
    known = electricity.value is not None
    milli = round(Fraction(electricity.value or 0) * SCALE)
    told = {name: facts.told(name, window) for name in indicator.facts}

    def formula(values: Values) -> Fraction | None:
        return Fraction(electricity.value or 0) + sum((values[name] for name in indicator.facts), Fraction(0)) if known else None

    found = conclude_declared(
        indicator, window, told, formula, measured=measured, quantities={"electricity_measured_milli": milli},
    )
    if found.value is None or electricity.value is None or electricity.low is None or electricity.high is None:
        return msgspec.structs.replace(found, why=sentences(found.why, electricity.why))
    return msgspec.structs.replace(
        found, low=found.value - electricity.value + electricity.low, high=found.value - electricity.value + electricity.high,
        why=sentences("electricity measured", found.why, f"electricity {electricity.why}"),
    )


ALL_DECLARED = Decimal(1)
"""Minimum coverage of figures that are declared: the whole window."""
