"""What can be simulated: kinds of machine, faults with their floors, frauds with their strengths, faces. `chejian simulate list` shows it."""

from typing import Final, TypeVar, get_args

import msgspec

from simulators.errors import SimulatorError
from simulators.faces import face_names
from simulators.settings import Kind

_CNC: Final = ("machining_centre", "lathe")
_ALL: Final[tuple[str, ...]] = get_args(Kind)


class FaultKind(msgspec.Struct, frozen=True):
    """A fault that can be scheduled, drawn or started by command."""

    name: str
    applies_to: tuple[str, ...]
    layer: str
    """machine: the physics change; sensor: only what is shown; protocol: a face or the clock misbehaves."""
    floor: str
    """What severity 1 does, the least that there is; a larger severity does proportionally more."""
    usual_s: float
    """How long it lasts when nobody says, s of simulated time."""
    signal: str = ""
    """The usual signal of a sensor fault; empty for others."""
    drawn: bool = True
    """Whether it is among the random faults; others happen only where they are asked for."""


class FraudKind(msgspec.Struct, frozen=True):
    """A fraud. Never simulated unless asked for, always in the truth."""

    name: str
    applies_to: tuple[str, ...]
    strengths: tuple[str, str, str]
    """What strengths 1, 2 and 3 mean."""


_Named = TypeVar("_Named", FaultKind, FraudKind)
# σ is the standard deviation of the signal's own noise, see simulators.physics.noise.
FAULTS: Final = (
    FaultKind("bearing_wear", _CNC, "machine", "vibration +80 % (20 σ) and spindle +5 Cel at the end, growing exponentially", 3600),
    FaultKind("tool_breakage", _CNC, "machine", "the part is scrap, alarm 1021, the machine stands until the end", 4),
    FaultKind("spindle_overheating", _CNC, "machine", "spindle +12 Cel (200 σ) with its time constant", 600),
    FaultKind("coolant_loss", _CNC, "machine", "flow -50 % (25 σ), wear rate x 2", 600),
    FaultKind("axis_backlash", _CNC, "machine", "dimension +9 µm (3 σ), scrap +2 points", 1800),
    FaultKind("collision_stop", (*_CNC, "robot"), "machine", "alarm 3107 or 50056, the machine stands until the end", 10),
    FaultKind("gripper_leak", ("robot",), "machine", "vacuum -20 kPa (10 σ); every fifth grip fails with a protective stop", 120),
    FaultKind(
        "air_leak", ("compressor",), "machine", "another 15 % of the delivery is lost at the end, growing from a tenth of that", 14_400, drawn=False,
    ),
    FaultKind("power_quality_event", _ALL, "machine", "voltage -10 % (EN 50160 dip: 25 σ), power factor -0.1", 2),
    FaultKind("sensor_stuck", _ALL, "sensor", "the signal stands at its last value", 300, "power"),
    FaultKind("sensor_drift", _ALL, "sensor", "an offset growing to 3 σ at the end, and at once at least 1 % of the value", 600, "power"),
    FaultKind("value_out_of_range", _ALL, "sensor", "the signal shows 1e6 times its value plus 1e6", 30, "power"),
    FaultKind("counter_reset", _ALL, "sensor", "the counter starts at 0 again when it begins", 1, "energy_import"),
    FaultKind("meter_exchange", _ALL, "sensor", "another meter goes on from 10 MW.h when it begins", 1, "energy_import", drawn=False),
    FaultKind("clock_step", _ALL, "protocol", "the device's clock is 30 s ahead until the end", 120),
    FaultKind("clock_drift", _ALL, "protocol", "the device's clock gains 200 µs/s, and keeps what it gained", 3600),
    FaultKind("link_down", _ALL, "protocol", "no connection until the end", 30),
    FaultKind("link_flapping", _ALL, "protocol", "down for half of every 2 s", 20),
    FaultKind("server_restart", _CNC, "protocol", "the OPC UA server ends, and is back at the end", 5),
    FaultKind("lost_connection", _ALL, "protocol", "the connection is cut once, without a word", 1),
    FaultKind("mqtt_duplicate", ("robot", "inspection_station", "compressor"), "protocol", "every fifth message comes twice", 30),
    FaultKind("mqtt_out_of_order", ("robot", "inspection_station", "compressor"), "protocol", "every fifth message comes after its follower", 30),
)
FRAUDS: Final = (
    FraudKind("replayed_day", _ALL, ("verbatim", "with 1 % scale and offset", "with scale, offset and added noise")),
    FraudKind("constant_signal", _ALL, ("one signal", "every gauge", "every gauge, with a flicker of one step")),
    FraudKind("inflated_part_counter", _CNC, ("+10 % parts", "+30 % parts", "+60 % parts")),
    FraudKind("dropped_bad_parts", (*_CNC, "inspection_station"), ("10 % of scrap is not told", "30 %", "60 %")),
    FraudKind("generated_signal", _ALL, ("a sine", "white noise", "white noise with the right mean and variance")),
    FraudKind("back_dated_data", _ALL, ("1 h", "8 h", "24 h")),
    FraudKind("one_machine_as_two", _ALL, ("verbatim", "2 s later", "2 s later and scaled by 1 %")),
    FraudKind("stopped_outside_window", _ALL, ("10 % of the day", "30 %", "60 %")),
)


def machines() -> list[str]:
    """The kinds of equipment that there are."""
    return sorted(_ALL)


def faces() -> list[str]:
    """The protocols that machines speak."""
    return face_names()


def fault_kind(name: str) -> FaultKind:
    """The fault of this name.

    Raises:
        SimulatorError: there is none; the message lists them.
    """
    return _named(name, FAULTS, "fault")


def fraud_kind(name: str) -> FraudKind:
    """The fraud of this name.

    Raises:
        SimulatorError: there is none; the message lists them.
    """
    return _named(name, FRAUDS, "fraud")


def _named(name: str, kinds: tuple[_Named, ...], what: str) -> _Named:
    for kind in kinds:
        if kind.name == name:
            return kind
    raise SimulatorError(f"no {what} {name!r}; there are {', '.join(kind.name for kind in kinds)}")
