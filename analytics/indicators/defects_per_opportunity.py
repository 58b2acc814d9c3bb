"""Defects per opportunity (DPO, 每机会缺陷数)."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.quality import has_opportunities, measure_opportunities, per_opportunity

INDICATOR: Indicator = Definition(
    id="defects_per_opportunity",
    title_zh="每机会缺陷数",
    title_en="Defects per opportunity",
    unit="1",
    roles=("inspected_count", "defect_count"),
    formula="defects / Σ (inspected × opportunities per part)",
    numbers="{defects} / {opportunities}",
    notes_zh=(
        "每件的机会数写在台账的设备上(opportunities),窗口前须定好:机会数取大会使结果变小。乘以10^6即DPMO。一件可有多个缺陷,须用缺陷计数器(defect_count),"
        "不能用不合格件数代替。缺陷之间视为独立,实际往往成簇。"
    ),
    notes_en=(
        "Opportunities per part stand with the equipment in the register and have to be fixed beforehand: more of them make a better figure. "
        "Times 10^6 it is the DPMO. A part may have several defects, so they need a counter of their own (defect_count); rejected parts are no "
        "substitute. Defects are taken as independent; they often come in clusters."
    ),
    source="ISO 13053-1, defects per (million) opportunities; intervals: Clopper and Pearson 1934, Wilson 1927",
    places=9,
    population=has_opportunities,
    measured=measure_opportunities,
    evaluated=per_opportunity,
)
