"""Allocation ratio (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import AOET, AUBT, time_ratio
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="allocation_ratio",
    title_zh="设备分配率",
    title_en="Allocation ratio",
    unit="1",
    roles=STATE_ROLES,
    formula="AUBT / AOET, AUBT = APT + AUST + ADET, AOET = AUBT + ADOT",
    numbers="({apt_s} + {aust_s} + {adet_s}) s / ({apt_s} + {aust_s} + {adet_s} + {adot_s}) s",
    notes_zh=(
        "AOET按OPC 40501-1取各时间要素之和,不含机器不报告的运输与排队,故高于标准所指之值;只计计划工作时间内状态已知的部分。"
        "运输与排队见logistics_time。"
    ),
    notes_en=(
        "AOET is the sum of the time elements by OPC 40501-1, without transport and queue, which no machine tells: higher than what the standard "
        "means. Known planned busy time alone. Transport and queue: logistics_time."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=time_ratio(AUBT, AOET),
)
