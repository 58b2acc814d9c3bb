"""Power factor as a bill averages it (功率因数)."""

from analytics.definition import Definition, has, has_any
from analytics.indicator import Indicator
from analytics.power import ACTIVE, APPARENT, REACTIVE, measure_power_factor, power_factor

INDICATOR: Indicator = Definition(
    id="power_factor",
    title_zh="加权平均功率因数",
    title_en="Power factor, weighted by energy",
    unit="1",
    roles=(ACTIVE, REACTIVE, APPARENT),
    formula="Σ∫P dt / √((Σ∫P dt)² + (Σ∫Q dt)²); Q = √(S² − P²) where a machine tells S alone",
    numbers="{active_mj} / √({active_mj}² + {reactive_mj}²)",
    notes_zh="按电量加权,不是读数的平均。需有功与无功(或视在)功率;只有有功功率的设备不计入并列出,都没有则无定义。含谐波时由视在功率推得的值更低。",
    notes_en=(
        "Weighted by energy, as for the adjustment of a bill, never the mean of readings. Machines that tell active power alone are named and not "
        "counted; with none left it is undefined. From apparent power it holds harmonics too, and is lower."
    ),
    source="cos φ from active and reactive energy, 功率因数调整电费办法 (1983), remembered",
    places=4,
    population=lambda equipment: has(ACTIVE)(equipment) and has_any(REACTIVE, APPARENT)(equipment),
    measured=measure_power_factor,
    evaluated=power_factor,
)
