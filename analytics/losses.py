"""Losses as a waterfall: from calendar time down to value-adding time, in the time elements of ISO 22400-2. Every µs is in exactly one step.

Time that nobody knows is a step of its own, so that a silent machine neither gains nor loses. A step may be negative where the register or the
counters contradict themselves (an ideal cycle that is not the true minimum, more good parts than parts); it is named then, never clamped.
"""

import msgspec

from analytics.indicator import Result, listed, sentences
from analytics.production import calendar_note
from workshop.calendar import service_window
from workshop.register import Workshop
from workshop.states import STATE_MAPPING
from workshop.window import Window

SOURCE_INDICATOR = "teep"
"""The indicator whose result is taken apart: time elements, parts, good parts, of all equipment that makes parts."""
LOSSES: dict[str, tuple[str, str]] = {
    "unplanned": ("未排班", "not planned"), "unknown": ("未知(无数据)", "unknown, no data"),
    "other": ("断电、节能或维护", "switched off, energy saving or maintenance"), "adot": ("待机等待 ADOT", "waiting, ADOT"),
    "adet": ("故障延误 ADET", "delayed by faults, ADET"), "aust": ("调整换型 AUST", "setup, AUST"),
    "speed": ("速度损失(APT − PRI×PQ)", "speed: APT − PRI × PQ"), "quality": ("质量损失", "quality: time for parts that are not good"),
}
"""In the order in which they are taken off."""
SUBTOTALS: dict[str, tuple[str, tuple[str, str]]] = {
    "unplanned": ("pbt", ("计划工作时间 PBT", "planned busy time, PBT")), "aust": ("apt", ("实际生产时间 APT", "actual production time, APT")),
}
"""By the loss after which it stands: id and titles."""
CALENDAR, VALUE_ADDING = ("日历时间(在用)", "calendar time in service"), ("增值时间", "value-adding time")


class Waterfall(msgspec.Struct, frozen=True):
    """One machine's losses, or all machines' together; µs."""

    calendar_us: int
    losses_us: dict[str, int]
    """By the ids of `LOSSES`, in their order."""
    value_adding_us: int
    """calendar − Σ losses: the time in which good parts are made at the ideal cycle."""

    def after(self, loss: str) -> int:
        """What is left when this loss and those before it are taken off, µs."""
        names = list(self.losses_us)
        return self.calendar_us - sum(self.losses_us[name] for name in names[: names.index(loss) + 1])


class Losses(msgspec.Struct, frozen=True):
    """The waterfall of a window."""

    total: Waterfall
    by_equipment: dict[str, Waterfall]
    why: str


def losses_of(result: Result, register: Workshop, window: Window) -> Losses:
    """The waterfall from a result of the indicator TEEP.

    Args:
        register, window: those that it was computed for.
    """
    found: dict[str, Waterfall] = {}
    for item in register.equipment:
        if item.id in result.detail:
            found[item.id] = _waterfall(result.detail[item.id], window.clip(service_window(register, item)).length_us, planned=bool(register.shifts))
    names = list(LOSSES)
    total = Waterfall(
        sum(item.calendar_us for item in found.values()), {name: sum(item.losses_us[name] for item in found.values()) for name in names},
        sum(item.value_adding_us for item in found.values()),
    )
    odd = {
        "the ideal cycle in the register is not the true minimum": [name for name, item in found.items() if item.losses_us["speed"] < 0],
        "more good parts than parts: the counters disagree": [name for name, item in found.items() if item.losses_us["quality"] < 0],
    }
    unobserved = [name for name, values in result.detail.items() if values.get("unobserved")]
    why = sentences(
        "" if found else "undefined: no equipment in service that makes parts", calendar_note(bool(register.shifts)),
        *(f"{reason}: {listed(machines)}" for reason, machines in odd.items() if machines),
        f"parts made while nobody saw the machine are in no step: {listed(unobserved)}" if unobserved else "", f"states mapped by {STATE_MAPPING}",
    )
    return Losses(total, found, why)


def _waterfall(values: dict[str, int], calendar_us: int, *, planned: bool) -> Waterfall:
    pbt_us = values["window_us"] if planned else 0
    known = {name: values.get(f"{name}_us", 0) for name in ("other", "adot", "adet", "aust", "apt")}
    produced, ideal_us = values.get("produced", 0), values.get("ideal_us", 0)
    bad_us = ideal_us * (produced - values.get("good", 0)) // produced if produced else 0
    losses = {
        "unplanned": calendar_us - pbt_us, "unknown": pbt_us - sum(known.values()), "other": known["other"], "adot": known["adot"],
        "adet": known["adet"], "aust": known["aust"], "speed": known["apt"] - ideal_us, "quality": bad_us,
    }
    return Waterfall(calendar_us, losses, ideal_us - bad_us)
