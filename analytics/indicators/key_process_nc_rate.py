"""Rate of key processes under numerical control (关键工序数控化率), from the register alone."""

from collections.abc import Sequence
from decimal import Decimal

from analytics.facts import NO_FACTS, Facts
from analytics.indicator import Components, Exclusion, Indicator, Result, Within, listed, ratio, sentences
from analytics.measured import gather
from analytics.series import Inputs
from workshop.calendar import local_hour, service_window, zone_of
from workshop.register import Equipment, Workshop
from workshop.window import Window


class KeyProcessNcRate:
    """Key processes under numerical control of all key processes: a census of the register."""

    id = "key_process_nc_rate"
    version = 1
    title_zh = "关键工序数控化率"
    title_en = "Rate of key processes under numerical control"
    unit = "1"
    roles: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    formula = "key processes under numerical control / key processes"
    numbers = "{controlled} / {key_processes}"
    notes_zh = "一个关键工序的全部在用设备均为数控设备时计入分子;没有在用设备的关键工序计入分母,不计入分子。仅依据台账。"
    notes_en = (
        "A key process counts if all its equipment in service is numerically controlled; one without equipment in service stays in the "
        "denominator and does not count. From the register alone."
    )
    source = "Policy term; practice for one plant, no official text seen"
    places = 6
    min_coverage = Decimal("0.9")

    def applies(self, equipment: Equipment) -> bool:
        """None: nothing is measured."""
        return False

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Nothing but the time: the register decides."""
        hour_us = local_hour(window.start_us, zone_of(inputs.register))
        return Components(self.id, self.version, inputs.equipment.id, hour_us, window.start_us, window.end_us, window.length_us, window.length_us, {})

    def evaluate(
        self, components: Sequence[Components], register: Workshop, window: Window, facts: Facts = NO_FACTS, within: Within = None
    ) -> Result:
        """k / N over the key processes; None in an empty window or without key processes."""
        gather(self, components, register, window, within)
        in_service = [item for item in register.equipment if window.clip(service_window(register, item)).length_us]
        processes = [process for process in register.processes if process.key] if window.length_us else []
        controlled: list[str] = []
        others: list[str] = []
        for process in processes:
            machines = [item for item in in_service if item.process == process.id]
            (controlled if machines and all(item.numerically_controlled for item in machines) else others).append(process.id)
        value = ratio(len(controlled), len(processes), self.places)
        why = sentences(
            f"{len(controlled)} of {len(processes)} key processes" if processes else "undefined: no key process, or an empty window",
            f"not under numerical control: {listed(others)}" if others else "",
        )
        excluded = [
            Exclusion(item.id, f"not numerically controlled, in key process {item.process}")
            for item in in_service if item.process in others and not item.numerically_controlled
        ]
        return Result(
            self.id, self.version, value, value, value, "census", self.unit, Decimal(1) if processes else Decimal(0),
            {"controlled": len(controlled), "key_processes": len(processes)}, excluded, why,
        )


INDICATOR: Indicator = KeyProcessNcRate()
