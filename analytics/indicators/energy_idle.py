"""Electricity while idle: not executing or out of service."""

from analytics.definition import Definition, has
from analytics.electricity import METER, in_state, measure_by_state
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="energy_idle",
    title_zh="空转用电量",
    title_en="Electricity while idle",
    unit="kW.h",
    roles=(METER, "item_state"),
    formula="Σ Δ energy_import while NotExecuting or OutOfService",
    numbers="{idle_mwh} mWh / 1 000 000, {unknown_mwh} + {unplaced_mwh} mWh without a known state",
    notes_zh="读数增量归于读数前一刻的状态;静默超过最大时效后的增量无法归类,放入区间上界。冷却、液压等必要保持用电也在内,不全是可节省的。",
    notes_en=(
        "An increase belongs to the state just before its reading; one after a longer silence belongs to nobody and widens the "
        "interval. Coolant and hydraulics that must stay on are in it: not all of it can be saved."
    ),
    source="Own definition on states of OPC 40001-1",
    places=3,
    over_time=True,
    population=has(METER, "item_state"),
    measured=measure_by_state,
    evaluated=in_state("idle"),
)
