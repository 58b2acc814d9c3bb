"""Electricity while switched off or saving energy."""

from analytics.definition import Definition, has
from analytics.electricity import METER, in_state, measure_by_state
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="energy_standby",
    title_zh="待机用电量",
    title_en="Electricity in standby",
    unit="kW.h",
    roles=(METER, "item_state"),
    formula="Σ Δ energy_import while NotAvailable",
    numbers="{standby_mwh} mWh / 1 000 000, {unknown_mwh} + {unplaced_mwh} mWh without a known state",
    notes_zh="状态“不可用”表示关机或节能;很多设备此时控制器断电,状态未知,电量计入未知并放入区间上界。",
    notes_en=(
        "NotAvailable is switched off or saving energy. Many machines then say nothing at all: the state is unknown, and the energy "
        "widens the interval."
    ),
    source="Own definition on states of OPC 40001-1",
    places=3,
    over_time=True,
    population=has(METER, "item_state"),
    measured=measure_by_state,
    evaluated=in_state("standby"),
)
