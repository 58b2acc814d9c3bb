"""Networking rate (设备联网率), definition A: networked equipment over all equipment in the register."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.indicator import Components, Indicator, Result
from analytics.measured import gather
from analytics.networking import ROLES, SOURCE, measure_link, rate
from analytics.series import Inputs
from workshop.register import Equipment, Workshop
from workshop.window import Window


class NetworkingRateAll:
    """k networked of N in service, digital or not; a census of the register."""

    id = "networking_rate_all"
    version = 2
    title_zh = "设备联网率(联网设备/全部设备)"
    title_en = "Networking rate (networked / all equipment)"
    unit = "1"
    roles: tuple[str, ...] = ROLES
    formula = "networked equipment / all equipment in the register in service"
    notes_zh = "联网:计划工作时间的90%以上连接正常且收到设备自身的有效读数。未知时间不计为联网;其归属影响结论的设备为未定。无信号的设备计入分母。"
    notes_en = (
        "Networked: for at least 90 % of the watched time the link was up and the machine itself had given a good reading within its "
        "maximum age. Unknown time is not connected; a machine for which it decides is undetermined. "
        "Equipment without signals stays in the denominator."
    )
    source = SOURCE
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """All equipment: it is the denominator."""
        return True

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Known and connected time, µs."""
        return measure_link(self, inputs, window)

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """k / N over all equipment in service."""
        measured = gather(self, components, register, window)
        return rate(self, measured, register, list(measured.by_equipment), "none in service in the window")


INDICATOR: Indicator = NetworkingRateAll()
