"""Networking rate as the register declares it: equipment with a link and signals of its own; nothing is observed."""

from analytics.census import count, measure_nothing, nobody_is_measured
from analytics.definition import Definition
from analytics.indicator import Indicator
from analytics.links import machine_signals

INDICATOR: Indicator = Definition(
    id="networking_rate_declared",
    title_zh="设备联网率(台账声明)",
    title_en="Networking rate as declared",
    unit="1",
    roles=(),
    formula="equipment with link state and own signals in the register / all equipment in service",
    numbers="{declared} / {all}",
    notes_zh="仅看台账:登记了连接状态和设备自身信号即计为联网,不代表实际在线。应与实测联网率并列;二者之差就是声明与实际的差距。联网不等于上云。",
    notes_en=(
        "From the register alone: a machine with a link state and signals of its own is declared as networked, whether it was ever "
        "heard or not. Read it beside the observed rate: the difference is what was declared and not shown. Networked is not connected "
        "to a cloud."
    ),
    source="Policy term without an official definition seen; questionnaires for small and medium enterprises",
    population=nobody_is_measured,
    measured=measure_nothing,
    evaluated=count(machine_signals, "declared", "no link or no signals in the register"),
)
