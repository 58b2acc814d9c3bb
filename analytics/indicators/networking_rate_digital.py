"""Networking rate (设备联网率), definition B: networked digital equipment over all digital equipment in the register."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.indicator import Components, Indicator, Result
from analytics.measured import gather
from analytics.networking import ROLES, SOURCE, measure_link, rate
from analytics.series import Inputs
from workshop.register import Equipment, Workshop
from workshop.window import Window


class NetworkingRateDigital:
    """k networked of N digital; a census. What is networked but not digital is named, and not counted."""

    id = "networking_rate_digital"
    version = 2
    title_zh = "设备联网率(联网设备/数字化设备)"
    title_en = "Networking rate (networked / digital equipment)"
    unit = "1"
    roles: tuple[str, ...] = ROLES
    formula = "networked digital equipment / digital equipment in the register in service"
    notes_zh = "联网的判定同定义A;台账中未标为数字化的联网设备不计入分子,并在说明中列出。"
    notes_en = (
        "Networked as in definition A. Networked equipment that the register does not call digital is not counted in the numerator, and is "
        "named."
    )
    source = SOURCE
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """All equipment: what is networked without being digital must be seen too."""
        return True

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Known and connected time, µs."""
        return measure_link(self, inputs, window)

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """k / N over the digital equipment in service."""
        measured = gather(self, components, register, window)
        digital = [item.id for item in register.equipment if item.digital and item.id in measured.by_equipment]
        return rate(self, measured, register, digital, "none that is digital in service in the window")


INDICATOR: Indicator = NetworkingRateDigital()
