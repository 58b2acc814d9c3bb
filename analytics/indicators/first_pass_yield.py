"""First pass yield (ISO 22400-2): good without rework over inspected."""

from analytics.counts import measure_counts, share_of_counts
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="first_pass_yield",
    title_zh="一次合格率",
    title_en="First pass yield",
    unit="1",
    roles=("first_pass_good_count", "inspected_count"),
    formula="GP / IP",
    numbers="{first_pass_good} / {inspected}",
    notes_zh="GP为未经返工即合格的零件,需按序列号识别;返工后合格不计入。不同于质量率GQ/PQ(返工后合格也算合格)。没有该计数器的台账得不出结果。",
    notes_en=(
        "GP counts parts that were good without rework, which takes serial numbers to know. It is not the quality ratio GQ / PQ, where "
        "reworked parts are good. A register without such a counter gives no value."
    ),
    source="ISO 22400-2, first pass yield",
    population=has("first_pass_good_count", "inspected_count"),
    measured=measure_counts,
    evaluated=share_of_counts(("first_pass_good",), (), "inspected"),
)
