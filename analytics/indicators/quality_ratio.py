"""Quality ratio (ISO 22400-2): good quantity over produced quantity."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.indicator import Components, Indicator, Result, ratio, sentences
from analytics.measured import doubts, gather
from analytics.production import SOURCE, calendar_note, counter_notes, makes_parts, measure_production
from analytics.series import Inputs
from workshop.register import Equipment, Workshop
from workshop.window import Window


class QualityRatio:
    """GQ / PQ. Not the first pass yield: reworked parts count as good."""

    id = "quality_ratio"
    version = 2
    title_zh = "合格率"
    title_en = "Quality ratio"
    unit = "1"
    roles: tuple[str, ...] = ("produced_count", "good_count")
    formula = "GQ / PQ"
    notes_zh = (
        "不是一次合格率:返工后合格也计为合格。仅计划工作时间内的零件;"
        "缺数前后均有读数即增量已知,每台设备增量已知的时间均须足够;大于1说明计数器不一致,予以说明而不截断。"
    )
    notes_en = (
        "Not the first pass yield: reworked parts count as good. Parts in planned busy time. What a counter grew by between two "
        "good readings is known whatever is missing between them; of every single machine this must be known for enough of the time. "
        "Above 1 the two counters disagree: flagged, "
        "never clamped."
    )
    source = SOURCE
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """Equipment with an ideal cycle and an item state: the same as for OEE."""
        return makes_parts(equipment)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Parts, and the planned time in which both counters were fresh, µs."""
        return measure_production(self, inputs, window)

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """Sum of GQ over sum of PQ; None when PQ is 0."""
        measured = gather(self, components, register, window)
        good, produced = measured.total("good"), measured.total("produced")
        value = ratio(good, produced, self.places)
        counts = {"good": good, "produced": produced, **counter_notes(measured, ("resets", "beginnings", "conflicts"))}
        why = sentences(
            calendar_note(bool(register.shifts and measured.expected_us)), "" if produced else "undefined: no parts produced",
            "more good than produced parts: the counters disagree" if good > produced else "", doubts(self, measured),
        )
        return Result(
            self.id, self.version, value, value, value, "measured, no sampling interval", self.unit, measured.coverage, counts, [], why,
            detail=measured.detail, least_coverage=measured.least, lost_us=measured.lost_us,
        )


INDICATOR: Indicator = QualityRatio()
