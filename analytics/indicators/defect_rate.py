"""Defect rate (不良品率): scrap over inspected parts."""

from analytics.counts import defects, measure_counts
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="defect_rate",
    version=2,
    title_zh="不良品率",
    title_en="Defect rate",
    unit="1",
    roles=("good_count", "scrap_count"),
    formula="scrap / (good + scrap)",
    numbers="{defective} / {inspected}",
    notes_zh=(
        "总体:同时有合格数与不合格数计数器的设备所产零件。"
        "缺数前后均有读数即增量已知;每台设备增量已知的时间均须足够。声明用Clopper-Pearson 95%区间,展示用Wilson 95%区间。同批零件并不独立。"
    ),
    notes_en=(
        "Population: parts from equipment that counts both good and scrap. What a counter grew by between two good readings is "
        "known whatever is missing between them; of every single machine this must be known for enough of the time. "
        "Clopper-Pearson 95 % for a claim, Wilson 95 % for showing. "
        "Both take parts as independent; parts of one batch are not quite."
    ),
    source="Policy term; intervals: Clopper and Pearson 1934, Wilson 1927",
    places=6,
    beside=("inspection_coverage",),
    population=has("good_count", "scrap_count"),
    measured=measure_counts,
    evaluated=defects,
)
