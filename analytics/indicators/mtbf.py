"""Mean time between failures, divided by the failures."""

from analytics.definition import Definition, has
from analytics.elements import measure_failures, per_failure
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="mtbf",
    title_zh="平均故障间隔时间(除以故障数)",
    title_en="Mean time between failures, by failures",
    unit="h",
    roles=("item_state",),
    formula="Σ known planned time not out of service / failures",
    numbers="{up_s} s / {failures} / 3600",
    notes_zh="故障:状态为“停止服务”的最长连续段,跨小时只计一次。分母为故障数n;标准按记忆为n+1,见mtbf_iso。没有故障时无定义,不是无穷大。",
    notes_en=(
        "A failure is a run of the state out of service; one over the border of an hour counts once. Divided by the number of failures; "
        "the standard is remembered with one more, which is mtbf_iso. Without a failure it is undefined, not infinite. Waiting counts "
        "as up."
    ),
    source="Plain mean; states of OPC 40001-1",
    places=4,
    population=has("item_state"),
    measured=measure_failures,
    evaluated=per_failure("up", 0),
)
