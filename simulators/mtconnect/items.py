"""Which MTConnect data items a machine tool has, and how its values read there (MTConnect Standard 2.0, parts 2 and 3).

Values are as MTConnect wants them: words for states, WATT_SECOND for energy, UNAVAILABLE where the controller says nothing.
"""

from collections.abc import Callable

import msgspec

from simulators.machine import Value, Values

UNAVAILABLE = "UNAVAILABLE"
# MachineryItemState and MachineryOperationMode of OPC 40001-1 as EXECUTION and FUNCTIONAL_MODE.
_EXECUTION = (UNAVAILABLE, "INTERRUPTED", "READY", "ACTIVE")
_MODE = (UNAVAILABLE, "MAINTENANCE", "SETUP", "PRODUCTION")


class Item(msgspec.Struct, frozen=True):
    """One data item; without a signal it has no name in the register."""

    id: str
    component: str
    category: str
    type: str
    signal: str = ""
    sub_type: str = ""
    units: str = ""
    statistic: str = ""
    read: Callable[[Value], str] = str

    def element(self) -> str:
        """The name of its observations in a stream: the type in Pascal case."""
        return "".join(word.capitalize() for word in self.type.split("_"))


def _real(value: Value) -> str:
    return repr(float(value))


ITEMS = (
    Item("avail", "Device", "EVENT", "AVAILABILITY", "item_state", read=lambda value: "UNAVAILABLE" if value == 0 else "AVAILABLE"),
    Item("execution", "Path", "EVENT", "EXECUTION", "item_state", read=lambda value: _EXECUTION[int(value)]),
    Item("mode", "Path", "EVENT", "FUNCTIONAL_MODE", "operation_mode", read=lambda value: _MODE[int(value)]),
    Item("program", "Path", "EVENT", "PROGRAM", "program"),
    Item("parts", "Path", "EVENT", "PART_COUNT", "part_count", "ALL"),
    Item("good", "Path", "EVENT", "PART_COUNT", "good_count", "GOOD"),
    Item("bad", "Path", "EVENT", "PART_COUNT", "scrap_count", "BAD"),
    Item("override", "Path", "EVENT", "PATH_FEEDRATE_OVERRIDE", "feed_override", "PROGRAMMED", read=_real),
    Item("system", "Controller", "CONDITION", "SYSTEM", "alarm"),
    Item("speed", "Rotary", "SAMPLE", "ROTARY_VELOCITY", "spindle_speed", "ACTUAL", "REVOLUTION/MINUTE", read=_real),
    Item("load", "Rotary", "SAMPLE", "LOAD", "spindle_load", "", "PERCENT", read=_real),
    Item("temperature", "Rotary", "SAMPLE", "TEMPERATURE", "spindle_temperature", "", "CELSIUS", read=_real),
    Item("vibration", "Rotary", "SAMPLE", "VELOCITY", "spindle_vibration", "", "MILLIMETER/SECOND", "ROOT_MEAN_SQUARE", read=_real),
    Item("power", "Electric", "SAMPLE", "WATTAGE", "power", "", "WATT", read=_real),
    Item("energy", "Electric", "SAMPLE", "ELECTRICAL_ENERGY", "energy_import", "", "WATT_SECOND", read=lambda value: str(int(value) * 3600)),
)


class Observation(msgspec.Struct, frozen=True):
    """A value of a data item, with its number in the agent."""

    sequence: int
    device: str
    item: Item
    time_us: int
    text: str


def texts(values: Values) -> dict[Item, str]:
    """Every data item of a machine with these values."""
    return {item: item.read(values[item.signal]) if item.signal in values else UNAVAILABLE for item in ITEMS}
