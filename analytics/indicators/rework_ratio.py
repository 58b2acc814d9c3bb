"""Rework ratio (ISO 22400-2)."""

from analytics.counts import measure_counts, share_of_counts
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="rework_ratio",
    title_zh="返工率",
    title_en="Rework ratio",
    unit="1",
    roles=("rework_count", "produced_count"),
    formula="RQ / PQ",
    numbers="{rework} / {produced}",
    notes_zh="RQ为返工数,PQ为产量,取自同一设备的计数器。同一零件多次返工计多次;返工合格品在质量率中算合格,因此要与质量率并列。",
    notes_en=(
        "RQ and PQ from counters of the same machine. A part reworked twice counts twice; reworked parts are good in the quality ratio, "
        "so read the two together."
    ),
    source="ISO 22400-2, rework ratio",
    population=has("rework_count", "produced_count"),
    measured=measure_counts,
    evaluated=share_of_counts(("rework",), (), "produced"),
)
