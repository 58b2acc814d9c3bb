"""Availability (ISO 22400-2): actual production time over planned busy time."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, availability, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="availability",
    version=2,
    title_zh="设备可用率",
    title_en="Availability",
    unit="1",
    roles=STATE_ROLES,
    formula="APT / PBT (PBT: its known part)",
    numbers="{apt_s} s / {pbt_known_s} s",
    notes_zh=(
        "计划工作时间内的调整与等待计为损失。状态未知的时间(含缺数之后至下一读数)不计入PBT并降低覆盖率;"
        "区间把未知时间全部计为停机或全部计为生产。"
    ),
    notes_en=(
        "Setup and waiting within planned time are losses. Time with unknown state, from a hole in the data to the next reading too, is "
        "left out of PBT and lowers the coverage; the interval "
        "counts all of it as lost, or all of it as production."
    ),
    source=SOURCE,
    places=6,
    population=makes_parts,
    measured=measure_production,
    evaluated=availability,
)
