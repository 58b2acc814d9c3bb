"""Electricity per part produced (ISO 22400-2, comprehensive energy consumption)."""

from analytics.definition import Definition, has_any
from analytics.electricity import METER, measure_total, per_part
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="energy_per_part",
    title_zh="单位产品电耗",
    title_en="Electricity per part",
    unit="kW.h/{part}",
    roles=(METER, "produced_count"),
    formula="Σ Δ energy_import / Σ PQ",
    numbers="{energy_mwh} mWh / 1 000 000 / {produced}",
    notes_zh="分母为产量(含不合格品);按合格品计见energy_per_good_part。不同产品与工序的件数混在一起,产品结构变化会改变结果。仅电能。",
    notes_en=(
        "Per part produced, scrap included; per good part is another indicator. Parts of all products and operations are added up, so "
        "another mix changes the figure. Electricity alone."
    ),
    source="ISO 22400-2, comprehensive energy consumption",
    places=4,
    population=has_any(METER, "produced_count"),
    measured=measure_total,
    evaluated=per_part,
)
