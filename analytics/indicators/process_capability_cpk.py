"""Process capability Cpk (过程能力指数)."""

from analytics.capability import ROLES, SOURCE, cpk, measure_dimension, toleranced
from analytics.definition import Definition
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="process_capability_cpk",
    title_zh="过程能力指数Cpk",
    title_en="Process capability Cpk",
    unit="1",
    roles=ROLES,
    formula="min(upper − mean, mean − lower) / (3 s), of the least capable station",
    numbers="{parts} parts at {stations} stations, the least",
    notes_zh=(
        "公差写在台账的直径信号上(lower、upper)。s为窗口内全部零件的标准差,含刀具磨损等漂移,即SPC书中的Pp、Ppk口径,不大于组内口径。"
        "区间假定正态且零件独立。不同工位公差不同,不合并,取最差者。有serial信号时每个序列号计一件。过程先要受控(见控制图),否则该值无意义。"
    ),
    notes_en=(
        "The tolerance stands in the register with the diameter (lower, upper). s is that of all parts in the window, drift of tools and all: "
        "what books on SPC call Pp and Ppk, less than with the scatter within subgroups. The interval takes values as normal and independent. "
        "Stations are not pooled: the least capable one counts. With a signal serial, each serial number is one part. Without a process under "
        "control (see the chart) the figure says little."
    ),
    source=SOURCE,
    places=4,
    population=toleranced,
    measured=measure_dimension,
    evaluated=cpk,
)
