"""Ratios of two counters that count parts, on the equipment that has both."""

from collections.abc import Callable, Sequence

import msgspec

from analytics.definition import components, conclude, left_out, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result, ratio, sentences
from analytics.measured import Measured, doubts
from analytics.production import counter_notes
from analytics.series import Inputs
from analytics.statistics import CLOPPER_PEARSON, WILSON, clopper_pearson, wilson
from analytics.steps import fresh_us, increases
from workshop.register import Workshop
from workshop.window import Window


def measure_counts(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Increases of every counter of the indicator, resets, and the watched time in which all of them were fresh, µs."""
    grown = {role: increases(inputs, role, window) for role in indicator.roles}
    values = {role.removesuffix("_count"): item.total for role, item in grown.items()}
    values["resets"] = sum(item.resets for item in grown.values())
    values["beginnings"] = sum(item.beginnings for item in grown.values())
    values["conflicts"] = inputs.conflicts(indicator.roles)
    return components(indicator, inputs, window, fresh_us(inputs, indicator.roles), values, counters=indicator.roles)


def share_of_counts(part: Sequence[str], minus: Sequence[str], whole: str) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """(Σ part − Σ minus) / whole with intervals, if the counts can be a share; a share that cannot be is said, never clamped."""
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        counted = sum(measured.total(name) for name in part) - sum(measured.total(name) for name in minus)
        total = measured.total(whole)
        names = [*part, *minus, whole, "resets", "beginnings", "conflicts"]
        counts = {"counted": counted, "of": total, **{name: measured.total(name) for name in names}}
        odd = [
            name for name, item in measured.by_equipment.items()
            if any(item.values.get(key, 0) > item.values.get(whole, 0) for key in (*part, *minus))
        ]
        known = bool(total and measured.covered_us)  # a counter that nobody heard did not stand still
        possible = known and 0 <= counted <= total
        result = conclude(
            indicator, measured, quotient(counted, total if known else 0), counts,
            f"{counted} of {total}" if total else f"undefined: '{whole}' did not grow in the window",
            left_out(odd, f"more counted than '{whole}', so the counters do not count the same parts"),
            method=CLOPPER_PEARSON if possible else "none: no share", excluded=[Exclusion(name, "counters disagree") for name in odd],
            summed=True,
        )
        if not possible:
            return result
        low, high = clopper_pearson(counted, total, indicator.places)
        display_low, display_high = wilson(counted, total, indicator.places)
        return msgspec.structs.replace(result, low=low, high=high, display_low=display_low, display_high=display_high, display_method=WILSON)

    return evaluate


def defects(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Scrap over inspected, over all equipment together; None when nothing was inspected."""
    scrap, good = measured.total("scrap"), measured.total("good")
    inspected = scrap + good
    low, high = clopper_pearson(scrap, inspected, indicator.places) if inspected else (None, None)
    display_low, display_high = wilson(scrap, inspected, indicator.places) if inspected else (None, None)
    counts = {"defective": scrap, "inspected": inspected, "good": good, **counter_notes(measured, ("resets", "beginnings", "conflicts"))}
    why = sentences(
        f"{scrap} defective of {inspected} inspected" if inspected else "undefined: no parts inspected in the window",
        f"{WILSON}: {display_low} … {display_high}" if inspected else "",
        doubts(indicator, measured),
    )
    return Result(
        indicator.id, indicator.version, ratio(scrap, inspected, indicator.places), low, high, CLOPPER_PEARSON, indicator.unit, measured.coverage,
        counts, [], why, display_low, display_high, WILSON, measured.detail, measured.least, measured.lost_us,
    )
