"""OEE index (ISO 22400-2): availability × effectiveness × quality ratio."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from analytics.indicator import Components, Exclusion, Indicator, Result, decimal_of, listed, sentences
from analytics.measured import gather, growth_doubt, shortage
from analytics.production import SOURCE, STATE_ROLES, calendar_note, counter_notes, makes_parts, measure_production
from analytics.series import Inputs
from workshop.register import Equipment, Workshop
from workshop.states import STATE_MAPPING
from workshop.window import Window


class Oee:
    """The product of the three, from sums over all equipment and rounded once."""

    id = "oee"
    version = 2
    title_zh = "设备综合效率(OEE)"
    title_en = "OEE index"
    unit = "1"
    roles: tuple[str, ...] = (*STATE_ROLES, "produced_count", "good_count")
    formula = "(APT / PBT) × (PRI × PQ / APT) × (GQ / PQ) (PBT: its known part)"
    notes_zh = (
        "多台设备先分别求和再相除,不取平均。"
        "已知时间指状态与计数器均已知,缺数之后至下一读数为未知;区间把未知时间全部计为损失或全部计为理想生产。"
    )
    notes_en = (
        "Of a group: sums divided, never a mean of OEEs. Known is time in which states and counters are known, which they are not "
        "from a hole in the data to the next reading; the interval counts all unknown time as lost, or all of it as ideal production."
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
        """The product; None when one of the three is undefined."""
        measured = gather(self, components, register, window)
        known_us, planned_us = measured.covered_us, measured.expected_us if register.shifts else 0
        apt_us, ideal_us, produced, good = (measured.total(name) for name in ("apt_us", "ideal_us", "produced", "good"))
        fast = [name for name, item in measured.by_equipment.items() if item.values.get("ideal_us", 0) > item.values.get("apt_us", 0)]
        value = low = high = None
        if known_us and apt_us and produced:
            # PRI × PQ is known to follow APT, therefore APT cancels.
            exact = Fraction(ideal_us, known_us) * Fraction(good, produced)
            value = decimal_of(exact, self.places)
            low = decimal_of(exact * Fraction(known_us, planned_us), self.places)
            high = decimal_of((exact * known_us + max(Fraction(1), exact) * (planned_us - known_us)) / planned_us, self.places)
        undefined = [name for name, denominator in (("known PBT", known_us), ("APT", apt_us), ("PQ", produced)) if not denominator]
        counts = {
            "good": good, "produced": produced, "apt_s": apt_us // 1_000_000, "ideal_s": ideal_us // 1_000_000, "pbt_known_s": known_us // 1_000_000,
            "pbt_s": planned_us // 1_000_000, **counter_notes(measured),
        }
        why = sentences(
            calendar_note(bool(planned_us)), f"undefined: {' and '.join(undefined)} is 0" if undefined else "",
            f"effectiveness above 1, so the ideal cycle in the register is not the true minimum: {listed(fast)}" if fast else "",
            f"states mapped by {STATE_MAPPING}", growth_doubt(measured), shortage(self, measured.coverage),
        )
        return Result(
            self.id, self.version, value, low, high, "bounds: unknown time all lost … all ideal production", self.unit, measured.coverage, counts,
            [Exclusion(name, "effectiveness above 1") for name in fast], why, detail=measured.detail, lost_us=measured.lost_us,
        )


INDICATOR: Indicator = Oee()
