"""Mean time to repair, divided by failures + 1 as ISO 22400-2 is remembered."""

from analytics.definition import Definition, has
from analytics.elements import measure_failures, per_failure
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="mttr_iso",
    title_zh="平均修复时间(除以故障数+1)",
    title_en="Mean time to repair, by failures + 1",
    unit="h",
    roles=("item_state",),
    formula="Σ time out of service / Σ over machines (failures + 1)",
    numbers="{down_s} s / ({failures} + {machines}) / 3600",
    notes_zh="与mttr只差分母,因此总是更小;比较时必须用同一公式。标准条文未见原文。",
    notes_en=(
        "Differs from mttr in its denominator alone, and is always smaller: compare like with like. The text of the standard was not "
        "seen."
    ),
    source="ISO 22400-2, MTTR = Σ TTR / (FE + 1), from memory",
    places=4,
    population=has("item_state"),
    measured=measure_failures,
    evaluated=per_failure("down", 1),
)
