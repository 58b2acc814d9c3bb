"""The longest exceedance of a safety limit."""

from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.limits import ROLES, SOURCE, limited, longest_outside, measure_limits

INDICATOR: Indicator = Definition(
    id="limit_longest",
    title_zh="最长超限时间",
    title_en="Longest exceedance of a safety limit",
    unit="s",
    roles=ROLES,
    formula="longest time without a break in which one machine is outside of its limits",
    numbers="{longest_s} s",
    notes_zh="班次之外也计。只算窗口内的长度;未知时间即中断,不猜测延续,因此有缺失时无法判定。",
    notes_en=(
        "In shifts and out of them. Only what lies in the window counts; unknown time is a break, nothing is taken to go on, "
        "and no verdict rests on missing readings."
    ),
    source=SOURCE,
    places=3,
    population=limited,
    measured=measure_limits,
    evaluated=longest_outside,
)
