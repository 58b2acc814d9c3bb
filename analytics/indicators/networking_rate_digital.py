"""Networking rate (设备联网率), definition B: networked digital equipment over all digital equipment in the register."""

from analytics.definition import Definition, everything
from analytics.indicator import Indicator
from analytics.networking import ROLES, SOURCE, measure_link, of_digital

INDICATOR: Indicator = Definition(
    id="networking_rate_digital",
    version=2,
    title_zh="设备联网率(联网设备/数字化设备)",
    title_en="Networking rate (networked / digital equipment)",
    unit="1",
    roles=ROLES,
    formula="networked digital equipment / digital equipment in the register in service",
    numbers="{networked} / {total}",
    notes_zh="联网的判定同定义A;台账中未标为数字化的联网设备不计入分子,并在说明中列出。",
    notes_en=(
        "Networked as in definition A. Networked equipment that the register does not call digital is not counted in the numerator, and is "
        "named."
    ),
    source=SOURCE,
    places=6,
    population=everything,
    measured=measure_link,
    evaluated=of_digital,
)
