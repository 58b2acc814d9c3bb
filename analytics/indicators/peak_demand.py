"""Peak demand: the greatest quarter hour over all meters together."""

from analytics.definition import Definition, has
from analytics.electricity import METER, measure_demand, peak
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="peak_demand",
    title_zh="最大需量(15分钟)",
    title_en="Peak demand, 15 minutes",
    unit="kW",
    roles=(METER,),
    formula="max over quarter hours of Σ Δ energy_import / 0.25 h",
    numbers="greatest of {quarters_known} known quarter hours of {quarters}, from {peak_from_us} µs on, × 4",
    notes_zh="同一刻钟内所有电表相加后取最大,不是各表最大值之和。刻钟按整点对齐,滑窗需量会更高。已知时间不足九成的刻钟不参与。",
    notes_en=(
        "All meters together first, then the greatest: never the sum of each one's greatest. Quarter hours begin at :00, :15, :30 and "
        ":45; a sliding demand can be higher. A quarter hour known for less than nine tenths does not count."
    ),
    source="Fixed 15 min demand, as billed",
    places=3,
    population=has(METER),
    measured=measure_demand,
    evaluated=peak,
)
