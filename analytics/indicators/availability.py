"""Availability (ISO 22400-2): actual production time over planned busy time."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.indicator import Components, Indicator, Result, ratio, sentences
from analytics.measured import gather, shortage
from analytics.production import SOURCE, STATE_ROLES, calendar_note, counter_notes, makes_parts, measure_production
from analytics.series import Inputs
from workshop.register import Equipment, Workshop
from workshop.states import STATE_MAPPING
from workshop.window import Window


class Availability:
    """APT / PBT over the known part of the planned busy time."""

    id = "availability"
    version = 2
    title_zh = "设备可用率"
    title_en = "Availability"
    unit = "1"
    roles: tuple[str, ...] = STATE_ROLES
    formula = "APT / PBT (PBT: its known part)"
    notes_zh = (
        "计划工作时间内的调整与等待计为损失。状态未知的时间(含缺数之后至下一读数)不计入PBT并降低覆盖率;"
        "区间把未知时间全部计为停机或全部计为生产。"
    )
    notes_en = (
        "Setup and waiting within planned time are losses. Time with unknown state, from a hole in the data to the next reading too, is "
        "left out of PBT and lowers the coverage; the interval "
        "counts all of it as lost, or all of it as production."
    )
    source = SOURCE
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """Equipment with an ideal cycle and an item state."""
        return makes_parts(equipment)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Time elements in planned busy time, µs."""
        return measure_production(self, inputs, window)

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """Sum of APT over sum of known PBT; None when there is none."""
        measured = gather(self, components, register, window)
        apt_us, known_us, planned_us = measured.total("apt_us"), measured.covered_us, measured.expected_us if register.shifts else 0
        seconds = {f"{name}_s": measured.total(f"{name}_us") // 1_000_000 for name in ("apt", "aust", "adet", "adot", "other")}
        counts = {**seconds, "pbt_known_s": known_us // 1_000_000, "pbt_s": planned_us // 1_000_000, **counter_notes(measured, ("conflicts",))}
        why = sentences(
            calendar_note(bool(planned_us)), "" if known_us or not planned_us else "undefined: no state is known in the planned busy time",
            f"states mapped by {STATE_MAPPING}", shortage(self, measured.coverage),
        )
        low = ratio(apt_us, planned_us, self.places)
        high = ratio(apt_us + planned_us - known_us, planned_us, self.places)
        return Result(
            self.id, self.version, ratio(apt_us, known_us, self.places), low, high, "bounds: unknown time all lost … all production", self.unit,
            measured.coverage, counts, [], why, detail=measured.detail,
        )


INDICATOR: Indicator = Availability()
