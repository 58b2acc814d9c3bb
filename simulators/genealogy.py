"""Where a part came from: serial → order, material lot, program, and each operation with its machine, tool and times.

Live, the truth's event `part` holds all of it (`steps` is `tool:start_us:end_us;…`). In a history the operations follow from the part's start and
end by the shares of its program, as the machines themselves run it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from simulators.errors import SimulatorError
from simulators.orders import Step
from simulators.past.files import find_part
from simulators.programs import PROGRAMS


class Genealogy(msgspec.Struct, frozen=True):
    """Everything that is known of one part."""

    serial: str
    equipment: str
    good: bool
    reason: str
    order: str
    lot: str
    program: str
    start_us: int
    end_us: int
    steps: tuple[Step, ...]


def live_genealogy(events: Iterable[Mapping[str, Any]], serial: str) -> Genealogy:
    """The genealogy of one part in the events of a truth.

    Raises:
        SimulatorError: no such part.
    """
    for event in events:
        if event.get("event") == "part" and event.get("serial") == serial and "steps" in event:
            cuts = (step.split(":") for step in str(event["steps"]).split(";") if step)
            steps = tuple(Step(int(tool), int(start_us), int(end_us)) for tool, start_us, end_us in cuts)
            return Genealogy(
                serial, event["e"], event["good"], event["reason"], event["order"], event["lot"], event["program"], event["start_us"], event["t"],
                steps,
            )
    raise SimulatorError(f"{serial}: no such part in this truth")


def past_genealogy(history: Path, serial: str) -> Genealogy:
    """The genealogy of one part in a history's folder.

    Raises:
        SimulatorError: no such part.
    """
    equipment, _, number = serial.rpartition("-")
    row = find_part(history, equipment, int(number)) if number.isdigit() else None
    if row is None:
        raise SimulatorError(f"{serial}: no such part in {history}")
    program = next(program for programs in PROGRAMS.values() for program in programs if program.name == row["program"])
    at_us, whole_us = row["start_us"] + 0.12 * (row["end_us"] - row["start_us"]), row["end_us"] - row["start_us"]
    steps = []
    for operation in program.operations:
        end_us = at_us + 0.75 * whole_us * operation.seconds / program.seconds
        steps.append(Step(operation.tool.number, round(at_us), round(end_us)))
        at_us = end_us
    return Genealogy(
        serial, equipment, row["good"], row["reason"], f"WO-{equipment}-{row['order']:06d}", row["lot"], row["program"], row["start_us"],
        row["end_us"], tuple(steps),
    )
