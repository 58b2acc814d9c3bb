"""Alarm rate (ISA-18.2): annunciations per ten minutes on one console."""

from analytics.alarms import measure_alarms, rate
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="alarm_rate",
    title_zh="报警率",
    title_en="Alarm rate",
    unit="/(10.min)",
    roles=("alarm",),
    formula="annunciations × 10 min / known time of the console",
    numbers="{annunciations} × 600 s / ({known_s} s / {machines})",
    notes_zh="只计新报警(报警号变为另一个非零值),不计确认与系统事件。整个车间视为一个操作台。标准要求至少30天数据;窗口短时仅供参考。",
    notes_en=(
        "New annunciations alone (the number changes to another one than 0), no acknowledgements or system events. The workshop is one "
        "console. At least 30 days of data are asked for: a short window is a glimpse."
    ),
    source="ISA-18.2-2016, average alarm rate (guide values from memory)",
    population=has("alarm"),
    measured=measure_alarms,
    evaluated=rate,
)
