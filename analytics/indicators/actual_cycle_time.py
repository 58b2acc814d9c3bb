"""Actual cycle time, to be held against the ideal one of the register."""

from analytics.changeovers import cycle_time
from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="actual_cycle_time",
    title_zh="实际节拍(每件生产时间)",
    title_en="Actual cycle time, production time per part",
    unit="s",
    roles=(*STATE_ROLES, "produced_count"),
    formula="APT / PQ",
    numbers="{apt_s} s / {parts_in_known_time}",
    notes_zh="只计生产状态的时间与已知时间内看到的零件;等待、调整与停机不在其中。多台设备为合计之比。理想节拍取自台账,短于它说明台账不是真正的最小值。",
    notes_en=(
        "Time in production alone, and the parts seen in known time: no waiting, setup or failure. Of a group: sums divided. The register's ideal "
        "cycle stands beside it; a shorter actual one means that the register's is not the true minimum."
    ),
    source=SOURCE,
    places=3,
    population=makes_parts,
    measured=measure_production,
    evaluated=cycle_time,
)
