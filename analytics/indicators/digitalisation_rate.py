"""Digitalisation rate of equipment (生产设备数字化率), from the register."""

from analytics.census import count, measure_nothing, nobody_is_measured
from analytics.definition import Definition
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="digitalisation_rate",
    title_zh="生产设备数字化率",
    title_en="Digitalisation rate of equipment",
    unit="1",
    roles=(),
    formula="digital equipment / all equipment in the register in service",
    numbers="{digital} / {all}",
    notes_zh="数字化设备:自带或改造后具备数字接口。分母为台账中全部在用设备,漏登设备会虚增结果,应抽样现场核对。数字化不等于联网。",
    notes_en=(
        "Digital: with a digital interface, built in or retrofitted. The denominator is all equipment in service; what is left out of "
        "the register raises the rate, so inspect a sample on site. Digital is not networked."
    ),
    source="Policy term without an official definition seen; questionnaires for small and medium enterprises",
    population=nobody_is_measured,
    measured=measure_nothing,
    evaluated=count(lambda item: item.digital, "digital", "not digital in the register"),
)
