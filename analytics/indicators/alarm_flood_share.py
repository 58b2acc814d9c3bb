"""Share of time in alarm flood (ISA-18.2)."""

from analytics.alarms import flood, measure_alarms
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="alarm_flood_share",
    title_zh="报警泛滥时间占比",
    title_en="Share of time in alarm flood",
    unit="1",
    roles=("alarm",),
    formula="slots of 10 min with more than 10 annunciations / slots of known time",
    numbers="{floods} / {slots}",
    notes_zh="固定十分钟时段,多于10个新报警为泛滥;滑窗会多报。跨小时的时段合并后再判定。整个车间视为一个操作台。",
    notes_en=(
        "Fixed slots of ten minutes, a flood with more than ten new annunciations; sliding windows would find more. A slot that an "
        "hour's border cuts is judged as a whole. The workshop is one console."
    ),
    source="ISA-18.2-2016, alarm flood",
    population=has("alarm"),
    measured=measure_alarms,
    evaluated=flood,
)
