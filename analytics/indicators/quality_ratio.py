"""Quality ratio (ISO 22400-2): good quantity over produced quantity."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.production import SOURCE, makes_parts, measure_production, quality_ratio

INDICATOR: Indicator = Definition(
    id="quality_ratio",
    version=2,
    title_zh="合格率",
    title_en="Quality ratio",
    unit="1",
    roles=("produced_count", "good_count"),
    formula="GQ / PQ",
    numbers="{good} / {produced}",
    notes_zh=(
        "不是一次合格率:返工后合格也计为合格。仅计划工作时间内的零件;"
        "缺数前后均有读数即增量已知,每台设备增量已知的时间均须足够;大于1说明计数器不一致,予以说明而不截断。"
    ),
    notes_en=(
        "Not the first pass yield: reworked parts count as good. Parts in planned busy time. What a counter grew by between two "
        "good readings is known whatever is missing between them; of every single machine this must be known for enough of the time. "
        "Above 1 the two counters disagree: flagged, "
        "never clamped."
    ),
    source=SOURCE,
    places=6,
    population=makes_parts,
    measured=measure_production,
    evaluated=quality_ratio,
)
