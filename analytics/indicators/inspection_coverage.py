"""Inspection coverage (检验覆盖率): inspected over produced."""

from analytics.counts import measure_counts
from analytics.definition import Definition, has
from analytics.indicator import Indicator
from analytics.quality import inspected_of_produced

INDICATOR: Indicator = Definition(
    id="inspection_coverage",
    title_zh="检验覆盖率",
    title_en="Inspection coverage",
    unit="1",
    roles=("produced_count", "good_count", "scrap_count"),
    formula="Σ min(good + scrap, produced) / Σ produced, by machine",
    numbers="{inspected} / {produced}",
    notes_zh=(
        "不良品率只说明被检零件;抽检少则不良品率可能偏低,因此两者并列。逐台计算:一台多计不能弥补另一台漏检。"
        "另给出全部产量不良品率的上下界(未检零件全好…全坏)。计数器不一致时写明,不静默截断。"
    ),
    notes_en=(
        "The defect rate speaks of inspected parts alone, and is low easily where few are inspected: read the two together. Machine by "
        "machine: what one counted twice does not make up for what another left out, and machines that count more inspected than produced are "
        "named. The bounds of the defect rate of all parts (the others all good … all bad) stand beside it."
    ),
    source="Arithmetic on the counters of ISO 22400-2 (inspected part IP over produced quantity PQ)",
    population=has("produced_count", "good_count", "scrap_count"),
    measured=measure_counts,
    evaluated=inspected_of_produced,
)
