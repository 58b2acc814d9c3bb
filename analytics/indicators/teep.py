"""Total effective equipment performance: OEE against all calendar time."""

from analytics.definition import Definition
from analytics.elements import teep
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="teep",
    title_zh="总有效设备效能(TEEP)",
    title_en="TEEP",
    unit="1",
    roles=(*STATE_ROLES, "produced_count", "good_count"),
    formula="OEE × PBT / calendar time in service",
    numbers="{apt_s} s / {pbt_known_s} s × {ideal_s} s / {apt_s} s × {good} / {produced} × {pbt_s} s / {calendar_s} s",
    notes_zh="分母为在用的全部日历时间,含未排班时间。不是ISO 22400的指标;排班少的车间此值低,并不说明设备差。",
    notes_en=(
        "Against all calendar time in service, planned or not. Not an index of ISO 22400; a workshop with one shift has a low value "
        "without any fault of its machines."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=teep,
)
