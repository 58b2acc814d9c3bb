"""Networking rate (设备联网率), definition A: networked equipment over all equipment in the register."""

from analytics.definition import Definition, everything
from analytics.indicator import Indicator
from analytics.networking import ROLES, SOURCE, measure_link, of_all

INDICATOR: Indicator = Definition(
    id="networking_rate_all",
    version=2,
    title_zh="设备联网率(联网设备/全部设备)",
    title_en="Networking rate (networked / all equipment)",
    unit="1",
    roles=ROLES,
    formula="networked equipment / all equipment in the register in service",
    numbers="{networked} / {total}",
    notes_zh="联网:计划工作时间的90%以上连接正常且收到设备自身的有效读数。未知时间不计为联网;其归属影响结论的设备为未定。无信号的设备计入分母。",
    notes_en=(
        "Networked: for at least 90 % of the watched time the link was up and the machine itself had given a good reading within its "
        "maximum age. Unknown time is not connected; a machine for which it decides is undetermined. "
        "Equipment without signals stays in the denominator."
    ),
    source=SOURCE,
    places=6,
    population=everything,
    measured=measure_link,
    evaluated=of_all,
)
