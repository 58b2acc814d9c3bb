"""OEE index (ISO 22400-2): availability × effectiveness × quality ratio."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production, oee

INDICATOR: Indicator = Definition(
    id="oee",
    version=2,
    title_zh="设备综合效率(OEE)",
    title_en="OEE index",
    unit="1",
    roles=(*STATE_ROLES, "produced_count", "good_count"),
    formula="(APT / PBT) × (PRI × PQ / APT) × (GQ / PQ) (PBT: its known part)",
    numbers="{apt_s} s / {pbt_known_s} s × {ideal_s} s / {apt_s} s × {good} / {produced}",
    notes_zh=(
        "多台设备先分别求和再相除,不取平均。"
        "已知时间指状态与计数器均已知,缺数之后至下一读数为未知;区间把未知时间全部计为损失或全部计为理想生产。"
    ),
    notes_en=(
        "Of a group: sums divided, never a mean of OEEs. Known is time in which states and counters are known, which they are not "
        "from a hole in the data to the next reading; the interval counts all unknown time as lost, or all of it as ideal production."
    ),
    source=SOURCE,
    places=6,
    population=makes_parts,
    measured=measure_production,
    evaluated=oee,
)
