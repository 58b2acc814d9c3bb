"""Which class plays which kind of equipment."""

from collections.abc import Callable

from simulators.cnc import Cnc
from simulators.inspection import Inspection
from simulators.machine import Machine
from simulators.meter import Compressor
from simulators.robot import Robot
from simulators.settings import Equipment, Kind

_KINDS: dict[Kind, Callable[[Equipment, int], Machine]] = {
    "machining_centre": Cnc,
    "lathe": Cnc,
    "robot": Robot,
    "inspection_station": Inspection,
    "compressor": Compressor,
}


def build_machine(settings: Equipment, seed: int) -> Machine:
    """The machine that these settings describe; the same seed gives the same machine."""
    return _KINDS[settings.kind](settings, seed)
