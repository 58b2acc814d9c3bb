"""Effectiveness (ISO 22400-2): planned run time of the parts made over actual production time."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.indicator import Components, Exclusion, Indicator, Result, listed, ratio, sentences
from analytics.measured import gather, shortage
from analytics.production import SOURCE, STATE_ROLES, calendar_note, counter_notes, makes_parts, measure_production
from analytics.series import Inputs
from workshop.register import Equipment, Workshop
from workshop.states import STATE_MAPPING
from workshop.window import Window


class Effectiveness:
    """PRI × PQ / APT. Above 1 the ideal cycle in the register is not the true minimum: that is said, never clamped."""

    id = "effectiveness"
    version = 2
    title_zh = "设备性能率"
    title_en = "Effectiveness"
    unit = "1"
    roles: tuple[str, ...] = (*STATE_ROLES, "produced_count")
    formula = "PRI × PQ / APT"
    notes_zh = (
        "PRI取台账中的理想节拍。仅计入状态与计数器均已知时间内的零件;"
        "区间把未知时间全部计为无产出的生产或全部计为理想生产;大于1说明理想节拍不是真实最小值,予以说明而不截断。"
    )
    notes_en = (
        "PRI is the ideal cycle in the register. Only parts made in time in which states and counter are known are set against that time; "
        "the interval counts all unknown time as production without a part, or at the ideal cycle. A value above 1 means that PRI is not the "
        "true minimum: flagged, never clamped."
    )
    source = SOURCE
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """Equipment with an ideal cycle and an item state."""
        return makes_parts(equipment)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Time elements, µs, parts, and PRI × PQ, µs."""
        return measure_production(self, inputs, window)

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """Sum of PRI × PQ over sum of APT; None when APT is 0."""
        measured = gather(self, components, register, window)
        ideal_us, apt_us = measured.total("ideal_us"), measured.total("apt_us")
        value = ratio(ideal_us, apt_us, self.places)
        unknown_us = measured.expected_us - measured.covered_us if register.shifts else 0
        low = ratio(ideal_us, apt_us + unknown_us, self.places) if apt_us else None
        high = ratio(ideal_us * apt_us + max(ideal_us, apt_us) * unknown_us, apt_us * (apt_us + unknown_us), self.places) if apt_us else None
        fast = [name for name, item in measured.by_equipment.items() if item.values.get("ideal_us", 0) > item.values.get("apt_us", 0)]
        counts = {"produced": measured.total("produced"), "apt_s": apt_us // 1_000_000, "ideal_s": ideal_us // 1_000_000, **counter_notes(measured)}
        why = sentences(
            calendar_note(bool(register.shifts and measured.expected_us)), "" if apt_us else "undefined: APT is 0",
            f"above 1, so the ideal cycle in the register is not the true minimum: {listed(fast)}" if fast else "",
            f"states mapped by {STATE_MAPPING}", shortage(self, measured.coverage),
        )
        return Result(
            self.id, self.version, value, low, high, "bounds: unknown time all production without a part … at the ideal cycle", self.unit,
            measured.coverage, counts, [Exclusion(name, "effectiveness above 1") for name in fast], why, detail=measured.detail,
        )


INDICATOR: Indicator = Effectiveness()
