"""Mean time of a changeover (flexible manufacturing)."""

from analytics.changeovers import MODE, changeover_time, measure_changeovers
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="changeover_time",
    title_zh="平均换型时间",
    title_en="Mean changeover time",
    unit="min",
    roles=(MODE,),
    formula="Σ time in mode setup / changeovers",
    numbers="{setup_s} s / {changeovers} / 60",
    notes_zh="换型:运行方式为“设置”的最长连续段,不论设备状态,跨小时只计一次;窗口边上的换型被截断。设备不报告设置方式的准备工作不在其中。缺数可能掩盖换型,结论未定。",
    notes_en=(
        "A changeover is a run of the operation mode setup, whatever the state; one over the border of an hour counts once, one at the window's "
        "border is cut. Preparation in which the machine does not report setup is not in it. A loss may hide a changeover: undetermined."
    ),
    source="Plain mean; modes of OPC 40001-1",
    places=3,
    population=has(MODE),
    measured=measure_changeovers,
    evaluated=changeover_time,
)
