"""Share of time moving with an open door."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.limits import DOOR_ROLES, SOURCE, guarded, measure_door, share_outside

INDICATOR: Indicator = Definition(
    id="door_open_moving_share",
    title_zh="开门运动时间占比",
    title_en="Share of time moving with an open door",
    unit="1",
    roles=DOOR_ROLES,
    formula="time with the door open and something moving / known time",
    numbers="{over_s} s / {known_s} s",
    notes_zh="门未关(door_closed为0)且主轴或关节速度不为零。不知道门的状态时不算安全,计入区间上界。门开关信号由控制器给出,不能替代安全回路的验证。",
    notes_en=(
        "The door is open (door_closed is 0) while a spindle or joint moves. What is not known of the door is not taken for "
        "safe; it widens the interval upwards. The controller says it: this does not stand in for the proof of a safety "
        "circuit."
    ),
    source=SOURCE,
    places=6,
    population=guarded,
    measured=measure_door,
    evaluated=share_outside,
)
