"""Number of chattering alarms (ISA-18.2)."""

from analytics.annunciations import SOURCE, chattering, measure_by_number
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="alarm_chattering",
    version=2,
    title_zh="抖动报警数",
    title_en="Chattering alarms",
    unit="{alarm}",
    roles=("alarm",),
    formula="alarms with three annunciations or more in one minute",
    numbers="{chattering}",
    notes_zh="同一设备的同一报警号在一个固定分钟内出现三次及以上即为抖动;滑窗会多报。被小时边界切开的分钟合并后再判定。参考值:零(二手资料)。",
    notes_en=(
        "The same number of the same equipment three times or more in one fixed minute; sliding minutes would find more. A "
        "minute that a border cuts is judged as a whole. Guide value: none (from secondary texts)."
    ),
    source=SOURCE,
    places=2,
    population=has("alarm"),
    measured=measure_by_number,
    evaluated=chattering,
)
