"""Effectiveness (ISO 22400-2): planned run time of the parts made over actual production time."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, effectiveness, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="effectiveness",
    version=2,
    title_zh="设备性能率",
    title_en="Effectiveness",
    unit="1",
    roles=(*STATE_ROLES, "produced_count"),
    formula="PRI × PQ / APT",
    numbers="{ideal_s} s / {apt_s} s",
    notes_zh=(
        "PRI取台账中的理想节拍。仅计入状态与计数器均已知时间内的零件;"
        "区间把未知时间全部计为无产出的生产或全部计为理想生产;大于1说明理想节拍不是真实最小值,予以说明而不截断。"
    ),
    notes_en=(
        "PRI is the ideal cycle in the register. Only parts made in time in which states and counter are known are set against that time; "
        "the interval counts all unknown time as production without a part, or at the ideal cycle. A value above 1 means that PRI is not the "
        "true minimum: flagged, never clamped."
    ),
    source=SOURCE,
    places=6,
    population=makes_parts,
    measured=measure_production,
    evaluated=effectiveness,
)
