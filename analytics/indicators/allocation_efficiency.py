"""Allocation efficiency (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import AUBT, time_ratio
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="allocation_efficiency",
    title_zh="设备分配效率",
    title_en="Allocation efficiency",
    unit="1",
    roles=STATE_ROLES,
    formula="AUBT / PBT (PBT: its known part)",
    numbers="({apt_s} + {aust_s} + {adet_s}) s / {pbt_known_s} s",
    notes_zh="计划工作时间中设备忙于订单(生产、调整、延误)的部分;故障延误也算占用,因此高值不一定是好事。",
    notes_en=(
        "The share of planned busy time in which the machine was busy with orders, delays by faults included: a high value is not "
        "always a good one."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=time_ratio(AUBT, ()),
)
