"""Which class plays which kind of equipment."""

from collections.abc import Sequence
from typing import Protocol

from simulators.cnc import Cnc
from simulators.inspection import Inspection
from simulators.machine import Machine
from simulators.main_meter import MainMeter
from simulators.meter import Compressor
from simulators.robot import Robot
from simulators.schedule import Schedule
from simulators.sensing import Sensing
from simulators.settings import Equipment, Kind
from simulators.shifts import Calendar


class _Make(Protocol):
    def __call__(self, settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None) -> Machine: ...


_KINDS: dict[Kind, _Make] = {
    "machining_centre": Cnc,
    "lathe": Cnc,
    "robot": Robot,
    "inspection_station": Inspection,
    "compressor": Compressor,
    "main_meter": MainMeter,
}


def build_machine(settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None) -> Machine:
    """The machine that these settings describe; the same seed and schedule give the same machine. Without a calendar it always works."""
    machine = _KINDS[settings.kind](settings, seed, schedule, calendar)
    return machine if schedule is None else Sensing(machine, schedule, seed)


def build_machines(
    blocks: Sequence[Sequence[Equipment]], seed: int, schedule: Schedule, calendar: Calendar | None = None
) -> list[list[Machine]]:
    """The machines of one process, block by block, knowing each other: a main meter stands above all others, a fraud may show another's values."""
    groups = [[Sensing(_KINDS[item.kind](item, seed, schedule, calendar), schedule, seed) for item in items] for items in blocks]
    every = {machine.equipment: machine for group in groups for machine in group}
    for machine in every.values():
        if isinstance(machine.machine, MainMeter):
            machine.machine.subs = [other for other in every.values() if not isinstance(other.machine, MainMeter)]
    for entry in schedule.entries():
        if entry.kind == "one_machine_as_two" and entry.equipment in every and entry.signal in every:
            every[entry.equipment].copies(every[entry.signal])
    return [list[Machine](group) for group in groups]
