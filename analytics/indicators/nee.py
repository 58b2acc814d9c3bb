"""NEE index (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import nee
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="nee",
    title_zh="净设备效率(NEE)",
    title_en="NEE index",
    unit="1",
    roles=(*STATE_ROLES, "produced_count", "good_count"),
    formula="(AUPT / PBT) × (PRI × PQ / APT) × (GQ / PQ) (PBT: its known part)",
    numbers="({apt_s} + {aust_s}) s / {pbt_known_s} s × {ideal_s} s / {apt_s} s × {good} / {produced}",
    notes_zh="与OEE的区别:调整时间算作有效时间。多台设备先求和再相除;性能率大于1时说明而不截断。",
    notes_en=(
        "Unlike OEE it counts setup as used time. Of a group: sums divided, never a mean. Effectiveness above 1 is said, never clamped."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=nee,
)
