"""Mean time to repair, divided by the failures."""

from analytics.definition import Definition, has
from analytics.elements import measure_failures, per_failure
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="mttr",
    title_zh="平均修复时间(除以故障数)",
    title_en="Mean time to repair, by failures",
    unit="h",
    roles=("item_state",),
    formula="Σ time out of service / failures",
    numbers="{down_s} s / {failures} / 3600",
    notes_zh="从设备报告停止服务到离开该状态,含等待维修;窗口边上的故障被截断。状态未知的时间不计。",
    notes_en=(
        "From the report of out of service to its end, waiting for repair included; a failure at the window's border is cut. Unknown "
        "time does not count, so look at the coverage."
    ),
    source="Plain mean; states of OPC 40001-1",
    places=4,
    population=has("item_state"),
    measured=measure_failures,
    evaluated=per_failure("down", 0),
)
