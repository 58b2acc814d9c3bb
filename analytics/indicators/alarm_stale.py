"""Number of stale alarms (ISA-18.2)."""

from analytics.annunciations import SOURCE, measure_standing, stale
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="alarm_stale",
    title_zh="长期未消除报警数",
    title_en="Stale alarms",
    unit="{alarm}",
    roles=("alarm",),
    formula="alarms that stand for 24 h or more without a break",
    numbers="{stale}",
    notes_zh="同一报警号连续保持24小时及以上。班次之外也计。读数缺失处报警中断,不猜测其延续,因此有缺失时结论为无法判定。窗口边界上的报警只算窗口内的长度。窗口短于一天则无定义。参考值:任何一天少于5个(二手资料)。",
    notes_en=(
        "The same number for 24 h or more without a break, in shifts and out of them. Where readings are missing an alarm is "
        "not taken to go on, and no verdict rests on it. At the border of the window only what lies inside counts. Undefined in "
        "a window shorter than a day. Guide value: fewer than 5 on any day (from secondary texts)."
    ),
    source=SOURCE,
    places=2,
    population=has("alarm"),
    measured=measure_standing,
    evaluated=stale,
)
