"""What the machines make: programs of operations with tool, cutting data and nominal time.

A program's times are nominal; a machine runs it in its ideal cycle (`ideal_cycle_ms`), so that the demo, whose cycles are seconds, wears its tools by
the part as a real machine does. Tool life is by Taylor in nominal minutes, see `simulators.physics.tool`.
"""

from typing import Final

import msgspec

from simulators.physics.cutting import ALSI10, C45, CRMO4, Material, Milling, Turning
from simulators.physics.tool import Tool


class Operation(msgspec.Struct, frozen=True):
    """One cut: which tool, how, and for how long (nominal, s)."""

    tool: Tool
    cut: Milling | Turning
    seconds: float


class Program(msgspec.Struct, frozen=True):
    """A part program: what an order of this part needs."""

    name: str
    part: str
    material: Material
    operations: tuple[Operation, ...]
    finishing: int
    """Which operation makes the dimension that is inspected: the wear of its tool decides on scrap."""

    @property
    def seconds(self) -> float:
        """Nominal cutting time, s."""
        return sum(operation.seconds for operation in self.operations)

    def powers(self) -> tuple[float, ...]:
        """Spindle power of each operation with sharp tools, W."""
        return tuple(operation.cut.power(self.material) for operation in self.operations)

    def wear_per_part(self) -> tuple[float, ...]:
        """Share of its tool's life that each operation takes."""
        return tuple(o.seconds / 60.0 / o.tool.life_min(o.cut.cutting_speed) for o in self.operations)


_FACE = Tool(1, "face mill D63", 620.0)
_ROUGH = Tool(2, "end mill D20 rough", 520.0)
_FINISH = Tool(3, "end mill D16 finish", 700.0)
_TURN = Tool(1, "CNMG 120408", 570.0)
_PROFILE = Tool(2, "DNMG 110404", 720.0)
_GROOVE = Tool(3, "grooving 3 mm", 330.0)

_MILLED: Final = (
    Program("O1001", "housing", C45, (
        Operation(_FACE, Milling(220.0, 0.12, 2.0, 45.0, 63.0, 5), 40.0), Operation(_ROUGH, Milling(180.0, 0.10, 15.0, 6.0, 20.0, 4), 45.0),
        Operation(_FINISH, Milling(250.0, 0.06, 20.0, 0.8, 16.0, 4), 35.0)), 2),
    Program("O1002", "bracket", CRMO4, (
        Operation(_FACE, Milling(200.0, 0.10, 1.8, 42.0, 63.0, 5), 40.0), Operation(_ROUGH, Milling(165.0, 0.08, 13.0, 5.6, 20.0, 4), 48.0),
        Operation(_FINISH, Milling(230.0, 0.05, 18.0, 0.8, 16.0, 4), 32.0)), 2),
    Program("O1017", "cover", ALSI10, (
        Operation(_FACE, Milling(240.0, 0.25, 3.0, 50.0, 63.0, 5), 38.0), Operation(_ROUGH, Milling(200.0, 0.14, 14.0, 9.0, 20.0, 4), 46.0),
        Operation(_FINISH, Milling(260.0, 0.10, 20.0, 1.5, 16.0, 4), 36.0)), 2),
)
_TURNED: Final = (
    Program("O2003", "shaft", C45, (
        Operation(_TURN, Turning(200.0, 0.28, 1.9, 60.0), 50.0), Operation(_PROFILE, Turning(260.0, 0.12, 0.8, 56.0), 35.0),
        Operation(_GROOVE, Turning(120.0, 0.10, 3.0, 50.0), 20.0)), 1),
    Program("O2011", "flange", CRMO4, (
        Operation(_TURN, Turning(190.0, 0.24, 1.7, 80.0), 48.0), Operation(_PROFILE, Turning(240.0, 0.12, 0.8, 76.0), 38.0),
        Operation(_GROOVE, Turning(110.0, 0.09, 3.0, 70.0), 20.0)), 1),
)
PROGRAMS: Final = {"machining_centre": _MILLED, "lathe": _TURNED}
ALARMS: Final = {
    0: "", 1021: "Tool breakage detected", 1030: "Tool life expired", 2034: "Coolant level low", 2051: "Spindle temperature high",
    3107: "Axis following error: collision", 3110: "Door not closed",
    50036: "Correct regain position is impossible", 50056: "Joint collision: protective stop", 50204: "Gripper: part lost",
}
"""Alarm numbers and their texts; 0 is none."""
