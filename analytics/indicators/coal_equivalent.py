"""Comprehensive energy, electricity as the coal burnt for it (等价值)."""

from analytics.definition import Definition, has
from analytics.electricity import METER, converted, measure_total
from analytics.factors import COAL_EQUIVALENT
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="coal_equivalent",
    title_zh="综合能耗(电力等价值)",
    title_en="Comprehensive energy, equivalent value",
    unit="kgce",
    roles=(METER,),
    formula="Σ Δ energy_import × 0.31 kgce/(kW.h)",
    numbers="{energy_mwh} mWh / 1 000 000 × 0.31",
    notes_zh="等价系数随年份变化(约0.29–0.31),此处用一个文本中的0.31;正式填报须用当年公布值。不可与当量值比较。",
    notes_en=(
        "The coefficient changes from year to year (about 0.29 to 0.31); 0.31 is that of one text: a report needs the year's published "
        "value. Never compare it with the calorific value."
    ),
    source=COAL_EQUIVALENT.sentence,
    places=3,
    over_time=True,
    population=has(METER),
    measured=measure_total,
    evaluated=converted(COAL_EQUIVALENT),
)
