"""Share of the ten commonest alarms (ISA-18.2)."""

from analytics.annunciations import SOURCE, measure_by_number, top_ten
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="alarm_top_ten_share",
    version=2,
    title_zh="十大高频报警占比",
    title_en="Share of the ten commonest alarms",
    unit="1",
    roles=("alarm",),
    formula="annunciations of the ten commonest alarms / all annunciations",
    numbers="{top} / {annunciations}",
    notes_zh="报警以设备加报警号区分。参考值:不超过1%至5%(出自二手资料,未见标准原文),只作对照,不作结论。不同报警不超过十种时占比必为1,没有意义,说明中会写明。",
    notes_en=(
        "An alarm is a number on one piece of equipment. The guide value (1 % to 5 % at most) is from secondary texts and "
        "stands beside the figure; it is no verdict. With ten or fewer different alarms the share is 1 by itself and says "
        "nothing: the result says so."
    ),
    source=SOURCE,
    places=6,
    population=has("alarm"),
    measured=measure_by_number,
    evaluated=top_ten,
)
