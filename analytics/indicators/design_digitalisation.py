"""Digitalisation of research and design, declared."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, alone, from_declared, measure_nothing, no_equipment
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="design_digitalisation",
    title_zh="研发设计数字化程度(申报)",
    title_en="Digitalisation of research and design, declared",
    unit="1",
    roles=(),
    facts=("design_digitalisation",),
    formula="share of research and design done with digital tools, as declared",
    numbers="{design_digitalisation_milli} / 1000",
    notes_zh="申报值,非测量:须对整个窗口申报,并附文件;结论中写明申报人、日期与附件摘要。与工具普及率(一家企业计 1 或 0)不是同一指标。",
    notes_en=(
        "Declared, not measured: for the whole window, with a document. A verdict names who declared it, when, and the document's digest. "
        "Not the share of enterprises with digital design tools, to which one enterprise contributes 1 or 0."
    ),
    source="declared; self-assessment of digitalisation",
    places=4,
    min_coverage=ALL_DECLARED,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(alone("design_digitalisation")),
)
