"""Inspection pass rate: parts that an inspection station let pass."""

from analytics.counts import measure_counts, share_of_counts
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="inspection_pass_rate",
    title_zh="检验合格率",
    title_en="Inspection pass rate",
    unit="1",
    roles=("inspected_count", "rejected_count"),
    formula="(inspected − rejected) / inspected",
    numbers="({inspected} − {rejected}) / {inspected}",
    notes_zh="总体为送检次数:返工后再检的零件计两次,因此不是一次合格率。只看被检零件,抽检比例低时不代表全部产量。",
    notes_en=(
        "The population are inspections: a part that comes back after rework counts again, so this is no first pass yield. It speaks of "
        "inspected parts alone; with few inspected it says little about all that was made."
    ),
    source="Policy term, complement of the defect rate at inspection; intervals: Clopper and Pearson 1934, Wilson 1927",
    population=has("inspected_count", "rejected_count"),
    measured=measure_counts,
    evaluated=share_of_counts(("inspected",), ("rejected",), "inspected"),
)
