"""Mean time to restore a link."""

from analytics.definition import Definition, has
from analytics.indicator import Indicator
from analytics.links import measure_outages, restore

INDICATOR: Indicator = Definition(
    id="time_to_restore",
    title_zh="平均连接恢复时间",
    title_en="Mean time to restore a link",
    unit="s",
    roles=("link_state",),
    formula="Σ time down / number of outages, in the watched time",
    numbers="{down_s} s / {outages}",
    notes_zh="中断:连接状态为断开的最长连续段,跨小时只计一次;状态未知的时间不是中断,只降低覆盖率。窗口开始时已存在的中断从窗口开始计时,结果偏短。",
    notes_en=(
        "An outage is a run of the state down; one over the border of an hour counts once. Unknown time is no outage and lowers the "
        "coverage. An outage that was there at the window's start, or is there at its end, is cut, so that the mean is a little short."
    ),
    source="Own definition, after MTTR of ISO 22400-2",
    places=3,
    population=has("link_state"),
    measured=measure_outages,
    evaluated=restore,
)
