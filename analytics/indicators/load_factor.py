"""Load factor: mean demand over peak demand (负荷率)."""

from analytics.definition import Definition, has
from analytics.electricity import METER, load_factor, measure_demand
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="load_factor",
    title_zh="负荷率(15分钟)",
    title_en="Load factor, 15 minutes",
    unit="1",
    roles=(METER,),
    formula="mean over known quarter hours of Σ Δ energy_import / the greatest of them",
    numbers="{known_mwh} / ({peak_mwh} × {quarters_known})",
    notes_zh="平均负荷与最大负荷之比,所有电表先相加;已知不足九成的刻钟不参与。窗口含停产日时变低,比较时窗口须相同。",
    notes_en=(
        "All meters together first. A quarter hour known for less than nine tenths does not count. Days off lower it: compare windows alike. "
        "What arrived after a silence is in no quarter hour."
    ),
    source="Mean load over peak load, fixed 15 min demand",
    places=6,
    population=has(METER),
    measured=measure_demand,
    evaluated=load_factor,
)
