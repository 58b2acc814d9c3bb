"""Energy per good part (ISO 22400-2: comprehensive energy consumption, here per good part)."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.facts import NO_FACTS, Facts
from analytics.indicator import Components, Exclusion, Indicator, Result, Within, listed, ratio, sentences
from analytics.measured import doubts, gather
from analytics.production import counter_notes
from analytics.series import ENERGY_SCALES, Inputs
from analytics.steps import accounted, fresh_us, growth_lost, increases
from workshop.calendar import local_hour, zone_of
from workshop.errors import ConfigError
from workshop.register import Equipment, Workshop
from workshop.window import Window


class EnergyPerGoodPart:
    """Electricity of all equipment with a meter, over the good parts of all equipment that counts them."""

    id = "energy_per_good_part"
    version = 2
    title_zh = "单位合格品电耗"
    title_en = "Electricity per good part"
    unit = "kW.h/{part}"
    roles: tuple[str, ...] = ("energy_import", "good_count")
    facts: tuple[str, ...] = ()
    formula = "Σ Δ energy_import / Σ good parts"
    numbers = "{energy_mwh} mWh / 1 000 000 / {good}"
    notes_zh = (
        "分子包括所有有电表的设备(含辅助设备与待机),分母为所有计合格数的设备。仅电能,未折标准煤。没有电表的设备在说明中列出。"
        "缺数前后均有读数即增量已知;每台设备增量已知的时间均须足够。"
    )
    notes_en = (
        "The numerator holds all metered equipment, auxiliary equipment and standby included; the denominator all equipment that counts good parts. "
        "Electricity only, not converted to coal equivalent. Equipment without a meter is named. What a counter grew by between two good "
        "readings is known whatever is missing between them; of every single machine this must be known for enough of the time."
    )
    source = "ISO 22400-2, comprehensive energy consumption (per produced quantity there)"
    places = 4
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """Equipment with a meter or with a counter of good parts."""
        return any(equipment.signal(role) for role in self.roles)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Energy, mWh, good parts, and the watched time in which the counters that exist were fresh, µs.

        Raises:
            ConfigError: the meter's unit is not one of W.h and kW.h.
        """
        meter = inputs.signal("energy_import")
        if meter is not None and meter.unit not in ENERGY_SCALES:
            raise ConfigError(
                f"register: {inputs.equipment.id}/{meter.name}: unit '{meter.unit}' is no unit of an energy counter; "
                f"there are {', '.join(ENERGY_SCALES)}"
            )
        energy, good = (increases(inputs, role, window) for role in self.roles)
        counters = [role for role in self.roles if inputs.signal(role) is not None]
        values = {
            "energy_mwh": energy.total, "good": good.total, "resets": energy.resets + good.resets,
            "beginnings": energy.beginnings + good.beginnings, "conflicts": inputs.conflicts(self.roles),
        }
        return Components(
            self.id, self.version, inputs.equipment.id, local_hour(window.start_us, zone_of(inputs.register)), window.start_us, window.end_us,
            fresh_us(inputs, counters), sum(part.length_us for part in inputs.observed), values,
            {role: accounted(inputs, role, window) for role in counters}, growth_lost(inputs, counters, window),
        )

    def evaluate(
        self, components: Sequence[Components], register: Workshop, window: Window, facts: Facts = NO_FACTS, within: Within = None
    ) -> Result:
        """Sum of energy over sum of good parts; None when there are none."""
        measured = gather(self, components, register, window, within)
        energy_mwh, good = measured.total("energy_mwh"), measured.total("good")
        value = ratio(energy_mwh, good * 1_000_000, self.places)
        unmetered = [item.id for item in register.equipment if item.signal("energy_import") is None]
        counts = {"energy_mwh": energy_mwh, "good": good, **counter_notes(measured, ("resets", "beginnings", "conflicts"))}
        why = sentences(
            f"{energy_mwh} mWh for {good} good parts" if good else "undefined: no good parts in the window",
            f"without a meter, so not counted: {listed(unmetered)}" if unmetered else "", doubts(self, measured),
        )
        return Result(
            self.id, self.version, value, value, value, "measured, no sampling interval", self.unit, measured.coverage, counts,
            [Exclusion(name, "no energy meter") for name in unmetered], why, detail=measured.detail, least_coverage=measured.least,
            lost_us=measured.lost_us,
        )


INDICATOR: Indicator = EnergyPerGoodPart()
