"""Comprehensive energy of all carriers, calorific value (当量值)."""

from analytics.carriers import BURNT, comprehensive
from analytics.definition import Definition, has
from analytics.electricity import METER, measure_total
from analytics.factors import COAL_CALORIFIC
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="comprehensive_energy_calorific",
    title_zh="综合能耗(全部能源,当量值)",
    title_en="Comprehensive energy of all carriers, calorific value",
    unit="kgce",
    roles=(METER,),
    facts=("gas_bill", "steam_bill", "diesel_bill"),
    formula="Σ Δ energy_import × 0.1229 + gas × 1.2143 + steam × 128.6 + diesel × 1.4571",
    numbers=(
        "{energy_mwh} mWh / 1 000 000 × 0.1229 + {gas_bill_milli} × 0.0012143 + {steam_bill_milli} × 0.1286 + {diesel_bill_milli} × 0.0014571"
        ""
    ),
    notes_zh="电力为实测,天然气、蒸汽、柴油为申报(没有的须申报0)。系数与版本随结果给出,天然气、蒸汽的来源不一致,有实测热值应以实测为准。新水无热值,只计入等价值。",
    notes_en=(
        "Electricity is measured, the other carriers are declared, 0 where there is none. Texts disagree on the coefficients of gas and steam: "
        "a measured calorific value goes before them. Water has no calorific value and is in the equivalent one alone."
    ),
    source="GB/T 2589-2020, E = Σ e · ρ; coefficients with their marks in the result",
    places=3,
    over_time=True,
    population=has(METER),
    measured=measure_total,
    informed=comprehensive(COAL_CALORIFIC, BURNT),
)
