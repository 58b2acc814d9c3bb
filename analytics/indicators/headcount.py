"""People employed in the workshop, declared."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, alone, from_declared, measure_nothing, no_equipment
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="headcount",
    title_zh="从业人员数(申报)",
    title_en="Headcount, declared",
    unit="{person}",
    roles=(),
    facts=("headcount",),
    formula="mean over time of the headcount declared",
    numbers="{headcount_milli} / 1000",
    notes_zh="申报值,非测量:须对整个窗口申报,并附文件;结论中写明申报人、日期与附件摘要。按时间加权平均。",
    notes_en=(
        "Declared, not measured: for the whole window, with a document. A verdict names who declared it, when, and the document's digest. "
        "A mean over time."
    ),
    source="declared; payroll or statistics",
    places=2,
    min_coverage=ALL_DECLARED,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(alone("headcount")),
)
