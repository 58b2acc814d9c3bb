"""Networking rate to the platform (设备联网上云率): equipment whose data reach a platform beyond the workshop."""

from analytics.definition import Definition, has
from analytics.indicator import Indicator
from analytics.links import measure_platform, platform

INDICATOR: Indicator = Definition(
    id="networking_rate_platform",
    title_zh="设备上云率(联网上云)",
    title_en="Networking rate to the platform",
    unit="1",
    roles=("platform_link_state",),
    formula="equipment whose platform link is up for 90 % of the known time / all equipment in service",
    numbers="{connected} / {all}",
    notes_zh="联网上云不等于联网:须有角色为platform_link_state的信号报告数据已到达平台。没有该信号的设备计入分母;全部设备都没有时无定义,不按0计。未知时间降低覆盖率。",
    notes_en=(
        "Networked to a platform is not networked: a signal of the role platform_link_state must say that data arrive there. Equipment "
        "without it stays in the denominator; where none has it the rate is undefined, not 0. Unknown time lowers the coverage."
    ),
    source="Policy term (联网上云), without an official time criterion",
    population=has("platform_link_state"),
    measured=measure_platform,
    evaluated=platform,
)
