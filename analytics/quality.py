"""Quality beyond the share of bad parts: how much of the production was looked at at all, and defects per opportunity."""

from fractions import Fraction

import msgspec

from analytics.counts import measure_counts
from analytics.definition import conclude, left_out, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result, decimal_of
from analytics.measured import Measured
from analytics.production import counter_notes
from analytics.series import Inputs
from analytics.statistics import CLOPPER_PEARSON, WILSON, clopper_pearson, wilson
from workshop.register import Equipment, Workshop
from workshop.window import Window

FEW = Fraction(9, 10)
"""With a smaller share inspected, what was not inspected could change the defect rate: said, never decided by."""
_NOTES = ("resets", "beginnings", "conflicts")


def inspected_of_produced(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Σ min(good + scrap, produced) over Σ produced, machine by machine, so that what one counted twice does not hide what another left out.

    The sentence says between which bounds the defect rate of all that was produced lies: nothing of what was not inspected defective … all of it.
    """
    produced, scrap = measured.total("produced"), measured.total("scrap")
    by_machine = {name: (_inspected(item), item.values.get("produced", 0)) for name, item in measured.by_equipment.items()}
    more = [name for name, (looked_at, made) in by_machine.items() if looked_at > made]
    inspected = sum(min(pair) for pair in by_machine.values())
    left, known = produced - inspected, bool(produced and measured.covered_us)
    value = quotient(inspected, produced if known else 0)
    counts = {
        "inspected": inspected, "produced": produced, "not_inspected": left, "good": measured.total("good"), "scrap": scrap,
        **counter_notes(measured, _NOTES),
    }
    bound = [decimal_of(Fraction(min(count, produced), produced), indicator.places) for count in (scrap, scrap + left)] if known else []
    bounds = f"the defect rate of all parts produced lies between {bound[0]} and {bound[1]}, whatever the parts not inspected were" if known else ""
    few = [name for name, (looked_at, made) in by_machine.items() if made and Fraction(looked_at, made) < FEW]
    return conclude(
        indicator, measured, value, counts,
        f"{inspected} inspected of {produced} produced" if known else "undefined: nothing is known to have been produced",
        bounds if left else "",
        left_out(few, f"less than {FEW} inspected"), left_out(more, "more inspected than produced, so the counters do not count the same parts"),
        excluded=[Exclusion(name, "more inspected than produced") for name in more], summed=True,
    )


def _inspected(item: Components) -> int:
    return item.values.get("good", 0) + item.values.get("scrap", 0)


def has_opportunities(equipment: Equipment) -> bool:
    """Whether the register says how many opportunities for a defect a part has here, and parts and defects are counted."""
    return isinstance(equipment.opportunities, int) and all(equipment.signal(role) for role in ("inspected_count", "defect_count"))


def measure_opportunities(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """As `measure_counts`, with the opportunities of the parts inspected, so that stations with different parts add up."""
    found = measure_counts(indicator, inputs, window)
    each = inputs.equipment.opportunities
    opportunities = found.values["inspected"] * (each if isinstance(each, int) else 0)
    return msgspec.structs.replace(found, values={**found.values, "opportunities": opportunities})


def per_opportunity(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Σ defects over Σ inspected × opportunities."""
    defects, opportunities = measured.total("defect"), measured.total("opportunities")
    known = bool(opportunities and measured.covered_us)
    possible = known and defects <= opportunities
    more = [name for name, item in measured.by_equipment.items() if item.values.get("defect", 0) > item.values.get("opportunities", 0)]
    counts = {
        "defects": defects, "inspected": measured.total("inspected"), "opportunities": opportunities, **counter_notes(measured, _NOTES),
    }
    result = conclude(
        indicator, measured, quotient(defects, opportunities if known else 0), counts,
        f"{defects} defects in {opportunities} opportunities" if known else "undefined: no parts are known to have been inspected",
        left_out(more, "more defects than opportunities, so the number in the register is too small"),
        method=CLOPPER_PEARSON if possible else "none: no share", excluded=[Exclusion(name, "more defects than opportunities") for name in more],
        summed=True,
    )
    if not possible:
        return result
    low, high = clopper_pearson(defects, opportunities, indicator.places)
    display_low, display_high = wilson(defects, opportunities, indicator.places)
    return msgspec.structs.replace(result, low=low, high=high, display_low=display_low, display_high=display_high, display_method=WILSON)
