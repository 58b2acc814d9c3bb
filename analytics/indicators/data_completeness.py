"""Data completeness: what the machines said of what they should have said, while an edge listened."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.links import completeness, machine_signals, measure_completeness
from analytics.series import MACHINE

INDICATOR: Indicator = Definition(
    id="data_completeness",
    title_zh="数据完整率",
    title_en="Data completeness",
    unit="1",
    roles=("link_state", MACHINE),
    formula="Σ fresh signal time / Σ expected signal time, while the link's state is known",
    numbers="{fresh_s} s / {expected_s} s",
    notes_zh="每个设备信号单独计时:读数有效且不超过最大时效为完整。只统计边缘代理在听的时间(连接状态已知),其余时间降低覆盖率。最大时效在台账中声明,放宽时效会提高结果。",
    notes_en=(
        "Each signal of a machine for itself: complete while its last reading is good and within its maximum age. Counted is time in "
        "which the edge listened (link state known); other time lowers the coverage. The maximum age is declared in the register: a "
        "longer one raises the figure."
    ),
    source="Own definition; coverage of readings by maximum age",
    population=machine_signals,
    measured=measure_completeness,
    evaluated=completeness,
)
