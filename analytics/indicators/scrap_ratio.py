"""Scrap ratio (ISO 22400-2)."""

from analytics.counts import measure_counts, share_of_counts
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="scrap_ratio",
    title_zh="废品率",
    title_en="Scrap ratio",
    unit="1",
    roles=("scrap_count", "produced_count"),
    formula="SQ / PQ",
    numbers="{scrap} / {produced}",
    notes_zh="分母为产量PQ,不是检验数;不良品率的分母为合格数加不合格数。两者不同时,说明有零件未判定。",
    notes_en=(
        "The denominator is all that was produced; that of the defect rate is good plus scrap. Where the two differ, parts were made "
        "and not judged."
    ),
    source="ISO 22400-2, scrap ratio",
    population=has("scrap_count", "produced_count"),
    measured=measure_counts,
    evaluated=share_of_counts(("scrap",), (), "produced"),
)
