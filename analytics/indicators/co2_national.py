"""Carbon dioxide of the electricity, grid factor: national average."""

from analytics.definition import Definition, has
from analytics.electricity import METER, carbon, measure_total
from analytics.factors import GRID_CO2
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="co2_national",
    title_zh="用电二氧化碳排放(全国平均电网因子)",
    title_en="CO2 of electricity, national average grid",
    unit="kg",
    roles=(METER,),
    formula="Σ by local year of Δ energy_import × factor of that year",
    numbers="{energy_mwh} mWh / 1 000 000 × factor of the year",
    notes_zh="按本地年份分段乘以该年因子(全国平均);当年未公布时用此前最新值并说明。平均因子与碳市场因子不同,不可混用;自发绿电未扣除。",
    notes_en=(
        "Energy of each local year times that year's factor (national average); where none is published yet, the newest before it, and "
        "said. The average factor is not that of emission trading; own green electricity is not deducted."
    ),
    source="; ".join(factor.sentence for factor in GRID_CO2["national"]),
    places=3,
    over_time=True,
    population=has(METER),
    measured=measure_total,
    evaluated=carbon(GRID_CO2["national"]),
)
