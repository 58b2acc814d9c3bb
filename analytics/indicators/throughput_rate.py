"""Throughput rate (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import throughput
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="throughput_rate",
    title_zh="产出率",
    title_en="Throughput rate",
    unit="{part}/h",
    roles=(*STATE_ROLES, "produced_count"),
    formula="PQ / AOET, AOET = APT + AUST + ADET + ADOT",
    numbers="{parts_in_known_time} × 3600 / ({apt_s} + {aust_s} + {adet_s} + {adot_s}) s",
    notes_zh="每台设备每小时件数;AOET不含运输与排队,因为设备不报告。只计已知时间内看到的零件。不同产品的件数不可直接比较。",
    notes_en=(
        "Parts per hour of one machine. AOET is without transport and queue, which no machine reports. Only parts seen in known time "
        "count. Parts of different products do not compare."
    ),
    source=SOURCE,
    places=4,
    population=makes_parts,
    measured=measure_production,
    evaluated=throughput,
)
