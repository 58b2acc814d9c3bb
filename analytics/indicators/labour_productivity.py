"""Labour productivity: value added per person (全员劳动生产率)."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, from_declared, measure_nothing, no_equipment, over
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="labour_productivity",
    title_zh="全员劳动生产率(窗口内)",
    title_en="Labour productivity, value added per person in the window",
    unit="{currency}/{person}",
    roles=(),
    facts=("value_added", "headcount"),
    formula="value added in the window / mean headcount",
    numbers="{value_added_milli} / {headcount_milli}, each in thousandths",
    notes_zh="全部为申报值:增加值按申报期间均摊到窗口,人数按时间加权平均。不折算为年度;与年度指标比较时窗口须为一整年。",
    notes_en=(
        "Declared throughout: value added is shared out evenly over the time it was declared for, headcount is the mean over time. Not made "
        "annual: compare with a yearly target over a window of a year."
    ),
    source="全员劳动生产率 as policies use it; value added and headcount from the books",
    places=2,
    min_coverage=ALL_DECLARED,
    over_time=True,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(over("value_added", "headcount")),
)
