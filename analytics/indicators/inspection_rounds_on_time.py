"""Share of inspection rounds that were made on time."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.rounds import ROLES, SOURCE, due_here, measure_rounds, on_time

INDICATOR: Indicator = Definition(
    id="inspection_rounds_on_time",
    version=3,
    title_zh="巡检按时完成率",
    title_en="Inspection rounds on time",
    unit="1",
    roles=ROLES,
    formula="rounds with a record within the tolerance / rounds due by the register",
    numbers="{on_time} / {due}",
    notes_zh="应巡检次数出自台账(rounds),允许偏差内有记录即为按时。没有记录就是没有完成。一条记录说明有人到过,不说明检查了什么。采集端不在线的时间降低覆盖率。",
    notes_en=(
        "What is due stands in the register (rounds); a record within the tolerance is on time, no record is no round. A record shows that "
        "somebody came, not what was looked at. Time in which no edge listened lowers the coverage; rounds cut by the border do not count."
    ),
    source=SOURCE,
    population=due_here,
    measured=measure_rounds,
    evaluated=on_time,
)
