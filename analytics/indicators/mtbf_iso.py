"""Mean time between failures, divided by failures + 1 as ISO 22400-2 is remembered."""

from analytics.definition import Definition, has
from analytics.elements import measure_failures, per_failure
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="mtbf_iso",
    title_zh="平均故障间隔时间(除以故障数+1)",
    title_en="Mean time between failures, by failures + 1",
    unit="h",
    roles=("item_state",),
    formula="Σ known planned time not out of service / Σ over machines (failures + 1)",
    numbers="{up_s} s / ({failures} + {machines}) / 3600",
    notes_zh="与mtbf只差分母;没有故障时等于观察到的运行时间,是下界而非估计。标准条文未见原文。",
    notes_en=(
        "Differs from mtbf in its denominator alone. Without a failure it is the observed time, a bound and no estimate. The text of "
        "the standard was not seen."
    ),
    source="ISO 22400-2, MTBF = Σ TBF / (FE + 1), from memory",
    places=4,
    population=has("item_state"),
    measured=measure_failures,
    evaluated=per_failure("up", 1),
)
