"""Comprehensive energy (综合能耗) of all carriers: electricity measured, the others declared, each with its coefficient.

E = Σ eᵢ · ρᵢ (GB/T 2589). Every carrier must be declared for the whole window, with 0 where there is none: one left out would make the figure better.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction

import msgspec

from analytics.economics import conclude_declared
from analytics.electricity import KWH
from analytics.factors import DIESEL, NATURAL_GAS, STEAM, WATER, Factor
from analytics.facts import Facts
from analytics.indicator import Indicator, Result, sentences
from analytics.measured import Measured
from workshop.register import Workshop
from workshop.window import Window

BURNT: dict[str, Factor] = {"gas_bill": NATURAL_GAS, "steam_bill": STEAM, "diesel_bill": DIESEL}
"""By declared figure, in its base unit."""
WITH_MEDIA: dict[str, Factor] = {**BURNT, "water_bill": WATER}
"""Water has no calorific value: what its supply takes enters the equivalent value alone."""


def comprehensive(electricity: Factor, others: Mapping[str, Factor]) -> Callable[[Indicator, Measured, Workshop, Window, Facts], Result]:
    """Evaluation: measured electricity and declared carriers, kgce."""
    def inform(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
        energy_mwh = measured.total("energy_mwh")
        known = bool(measured.covered_us or energy_mwh)

        def formula(values: Mapping[str, Fraction]) -> Fraction | None:
            burnt = sum((values[name] * Fraction(factor.value) for name, factor in others.items()), Fraction(0))
            return values["energy_mwh"] / KWH * Fraction(electricity.value) + burnt if known else None

        told = {name: facts.told(name, window) for name in others}
        result = conclude_declared(indicator, window, told, formula, measured=measured, quantities={"energy_mwh": energy_mwh})
        unmetered = [item.id for item in register.equipment if item.id not in measured.by_equipment]
        said = sentences(
            result.why, "" if known else "no electricity is known", *(factor.sentence for factor in (electricity, *others.values())),
            f"without a meter, so their electricity is not counted: {len(unmetered)} of {len(register.equipment)}" if unmetered else "",
        )
        return msgspec.structs.replace(result, why=said)

    return inform
