"""Electricity of all meters."""

from analytics.definition import Definition, has
from analytics.electricity import METER, measure_total, total
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="energy_total",
    title_zh="用电量",
    title_en="Electricity",
    unit="kW.h",
    roles=(METER,),
    formula="Σ Δ energy_import",
    numbers="{energy_mwh} mWh / 1 000 000",
    notes_zh="台账中所有电表之和;若同时登记了总表与分表会重复计算。计数器复位按正增量分段,复位前后之间的电量丢失并说明。无电表的设备列出。",
    notes_en=(
        "The sum of all meters in the register: a main meter beside those below it would count twice. A decrease begins a new segment; "
        "what flowed between is lost and said. Equipment without a meter is named."
    ),
    source="Sum of positive increases of counters",
    places=3,
    over_time=True,
    population=has(METER),
    measured=measure_total,
    evaluated=total,
)
