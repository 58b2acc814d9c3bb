"""Defect rate (不良品率): scrap over inspected parts."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.indicator import Components, Indicator, Result, ratio, sentences
from analytics.measured import doubts, gather
from analytics.production import counter_notes
from analytics.series import Inputs
from analytics.statistics import CLOPPER_PEARSON, WILSON, clopper_pearson, wilson
from analytics.steps import accounted, cut, fresh, growth_lost, increases
from workshop.calendar import local_hour, zone_of
from workshop.register import Equipment, Workshop
from workshop.window import Window


class DefectRate:
    """Scrap / (good + scrap) from the machines' own counters, with an interval."""

    id = "defect_rate"
    version = 2
    title_zh = "不良品率"
    title_en = "Defect rate"
    unit = "1"
    roles: tuple[str, ...] = ("good_count", "scrap_count")
    formula = "scrap / (good + scrap)"
    notes_zh = (
        "总体:同时有合格数与不合格数计数器的设备所产零件。"
        "缺数前后均有读数即增量已知;每台设备增量已知的时间均须足够。声明用Clopper-Pearson 95%区间,展示用Wilson 95%区间。同批零件并不独立。"
    )
    notes_en = (
        "Population: parts from equipment that counts both good and scrap. What a counter grew by between two good readings is "
        "known whatever is missing between them; of every single machine this must be known for enough of the time. "
        "Clopper-Pearson 95 % for a claim, Wilson 95 % for showing. "
        "Both take parts as independent; parts of one batch are not quite."
    )
    source = "Policy term; intervals: Clopper and Pearson 1934, Wilson 1927"
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """Equipment that counts both."""
        return all(equipment.signal(role) for role in self.roles)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Counts, resets, and the watched time in which both counters were fresh, µs."""
        good, scrap = (increases(inputs, role, window) for role in self.roles)
        pieces = cut(inputs.observed, [fresh(inputs, role) for role in self.roles])
        values = {
            "good": good.total, "scrap": scrap.total, "resets": good.resets + scrap.resets, "beginnings": good.beginnings + scrap.beginnings,
            "conflicts": inputs.conflicts(self.roles),
        }
        return Components(
            self.id, self.version, inputs.equipment.id, local_hour(window.start_us, zone_of(inputs.register)), window.start_us, window.end_us,
            pieces.total_us((pieces.values[0] == 1) & (pieces.values[1] == 1)), sum(part.length_us for part in inputs.observed), values,
            {role: accounted(inputs, role, window) for role in self.roles}, growth_lost(inputs, self.roles, window),
        )

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """Scrap over inspected, over all equipment together; None when nothing was inspected."""
        measured = gather(self, components, register, window)
        scrap, good = measured.total("scrap"), measured.total("good")
        inspected = scrap + good
        low, high = clopper_pearson(scrap, inspected, self.places) if inspected else (None, None)
        display_low, display_high = wilson(scrap, inspected, self.places) if inspected else (None, None)
        counts = {"defective": scrap, "inspected": inspected, "good": good, **counter_notes(measured, ("resets", "beginnings", "conflicts"))}
        why = sentences(
            f"{scrap} defective of {inspected} inspected" if inspected else "undefined: no parts inspected in the window",
            f"{WILSON}: {display_low} … {display_high}" if inspected else "",
            doubts(self, measured),
        )
        return Result(
            self.id, self.version, ratio(scrap, inspected, self.places), low, high, CLOPPER_PEARSON, self.unit, measured.coverage, counts, [], why,
            display_low, display_high, WILSON, measured.detail, measured.least, measured.lost_us,
        )


INDICATOR: Indicator = DefectRate()
