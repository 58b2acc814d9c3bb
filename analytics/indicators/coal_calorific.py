"""Comprehensive energy, electricity as its calorific value (当量值)."""

from analytics.definition import Definition, has
from analytics.electricity import METER, converted, measure_total
from analytics.factors import COAL_CALORIFIC
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="coal_calorific",
    title_zh="综合能耗(电力当量值)",
    title_en="Comprehensive energy, calorific value",
    unit="kgce",
    roles=(METER,),
    formula="Σ Δ energy_import × 0.1229 kgce/(kW.h)",
    numbers="{energy_mwh} mWh / 1 000 000 × 0.1229",
    notes_zh="当量值与等价值相差约2.5倍,引用时必须注明;仅电力,未含蒸汽、燃气、水。系数、版本与来源随结果给出。",
    notes_en=(
        "The calorific and the equivalent value differ by a factor of 2.5: always say which. Electricity alone, without gas, steam or "
        "water. Coefficient, edition and source stand in the result."
    ),
    source=COAL_CALORIFIC.sentence,
    places=3,
    over_time=True,
    population=has(METER),
    measured=measure_total,
    evaluated=converted(COAL_CALORIFIC),
)
