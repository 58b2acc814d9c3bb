"""Rate of numerically controlled equipment (设备数控化率), from the register."""

from analytics.census import count, measure_nothing, nobody_is_measured
from analytics.definition import Definition
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="numerical_control_rate",
    title_zh="设备数控化率",
    title_en="Rate of numerically controlled equipment",
    unit="1",
    roles=(),
    formula="numerically controlled equipment / all equipment in the register in service",
    numbers="{controlled} / {all}",
    notes_zh="按设备台数计,不同于按工序计的关键工序数控化率。未见官方定义;分母含辅助设备。提升X个百分点指差值,不是比值。",
    notes_en=(
        "Counts machines; the rate of key processes counts processes. No official definition was seen; auxiliary equipment is in the "
        "denominator. A rise by percentage points is a difference, never a ratio."
    ),
    source="Policy term; no official definition seen",
    population=nobody_is_measured,
    measured=measure_nothing,
    evaluated=count(lambda item: item.numerically_controlled, "controlled", "not numerically controlled in the register"),
)
