"""Cost of electricity by time of use (尖峰平谷)."""

from analytics.definition import Definition, has
from analytics.electricity import METER, cost, measure_by_price
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="electricity_cost",
    title_zh="分时电费",
    title_en="Electricity cost by time of use",
    unit="{currency}",
    roles=(METER,),
    formula="Σ Δ energy_import × price of its period",
    numbers="Σ energy by period × price; {energy_mwh} mWh in all, {untariffed_mwh} mWh without a price",
    notes_zh="电价与时段取自台账,本地时间,半开区间;只含电度电价,不含基本电费、力调与税费。无电价时段的用电使结果无定义。台账修订后按新价计算。",
    notes_en=(
        "Prices and periods from the register, local time, half-open. The price of energy alone: no charge for demand or power factor, "
        "no taxes. Energy at a time without a price makes it undefined."
    ),
    source="Register (tariff); time of use after 发改价格〔2021〕1093号",
    places=2,
    over_time=True,
    population=has(METER),
    measured=measure_by_price,
    evaluated=cost,
)
