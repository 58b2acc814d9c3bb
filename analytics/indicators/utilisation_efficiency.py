"""Utilisation efficiency (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import AUBT, time_ratio
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="utilisation_efficiency",
    title_zh="设备利用效率",
    title_en="Utilisation efficiency",
    unit="1",
    roles=STATE_ROLES,
    formula="APT / AUBT, AUBT = APT + AUST + ADET",
    numbers="{apt_s} s / ({apt_s} + {aust_s} + {adet_s}) s",
    notes_zh="AUBT取生产、调整与延误时间之和,不含等待;只计计划工作时间内状态已知的部分。不是可用率:分母中没有等待与停机。",
    notes_en=(
        "AUBT is production, setup and delay, without waiting, in known planned busy time. It is no availability: waiting is not in the "
        "denominator, so that an idle machine does not lower it."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=time_ratio(("apt",), AUBT),
)
