"""Traceability: from a serial number to the machines it passed, with order, material lot, program, tools, parameters, energy and inspection.

A machine that tells the serial of the part in process (role `part_serial`, text) makes passages: from the first reading with that serial to the first
one with another. A station that tells the serial of a part that it looked at (role `serial`) makes records. Both are facts from readings; nothing is
guessed from times alone. What is missing is said, and never filled.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.missing import NOTHING, Missing
from analytics.series import ENERGY_SCALES
from workshop.block import Block
from workshop.reading import Quality, Value, ValueKind
from workshop.register import Equipment, Workshop
from workshop.signal import Origin, Signal, SignalKind, signal_id
from workshop.window import SECOND_US, Window

IN_PROCESS, INSPECTED = "part_serial", "serial"
TEXTS = {"order": "order", "material_lot": "lot", "program": "program"}
OPERATION, TOOL = "operation_number", "tool_number"
ABOUT_US = 5 * SECOND_US
"""A station's values belong to a record when they were told at most so long before its serial or after it, and by no other record in between."""


class Operation(msgspec.Struct, frozen=True):
    """One operation of a part: number of the operation and of the tool as the controller told them, None where it does not."""

    number: int
    tool: int | None
    from_us: int
    to_us: int


class Parameter(msgspec.Struct, frozen=True):
    """What a gauge of the machine showed while the part was in process."""

    signal: str
    unit: str
    readings: int
    low: float
    high: float
    mean: float


class Passage(msgspec.Struct, frozen=True):
    """A part on a machine; times are those of the readings that showed them, µs UTC."""

    equipment: str
    process: str
    from_us: int
    to_us: int | None
    """None: still there, or its end is not in the data."""
    order: str | None
    lot: str | None
    program: str | None
    operations: tuple[Operation, ...]
    parameters: tuple[Parameter, ...]
    energy_mwh: int | None
    """Growth of the machine's meter between the readings next to both ends; None where one of them is not known."""
    missing_us: int
    """For how much of the passage readings of the serial are known to be missing."""
    note: str = ""


class Record(msgspec.Struct, frozen=True):
    """An inspection of a part: what the station told with its serial."""

    equipment: str
    process: str
    at_us: int
    values: dict[str, Value]
    """By role."""


class Trace(msgspec.Struct, frozen=True):
    """Everything that the readings of a window say of one part, in order of time."""

    serial: str
    passages: tuple[Passage, ...]
    records: tuple[Record, ...]


def serial_signals(register: Workshop) -> list[str]:
    """Ids of the signals that tell serials."""
    return [name for name, _, signal in register.signals() if signal.role in (IN_PROCESS, INSPECTED) and signal.origin is not Origin.DERIVED]


class Visit(msgspec.Struct, frozen=True):
    """Where and when a serial was told."""

    equipment: str
    role: str
    from_us: int
    to_us: int | None


def visits(register: Workshop, block: Block, serial: str) -> list[Visit]:
    """Where the serial was told, in order of time; from readings of `serial_signals`, in any order."""
    found: set[tuple[int, str, str, int | None]] = set()
    for name, item, signal in register.signals():
        if signal.role not in (IN_PROCESS, INSPECTED) or signal.origin is Origin.DERIVED:
            continue
        times, texts = _texts(block, name)
        if signal.role == INSPECTED:
            found |= {(time_us, item.id, signal.role, time_us + 1) for time_us, text in zip(times, texts, strict=True) if text == serial}
            continue
        begun: int | None = None
        for time_us, text in zip(times, texts, strict=True):
            if text == serial and begun is None:
                begun = time_us
            elif text != serial and begun is not None:
                found.add((begun, item.id, signal.role, time_us))
                begun = None
        if begun is not None:
            found.add((begun, item.id, signal.role, None))
    ordered = sorted(found, key=lambda one: one[:3])
    return [Visit(equipment, role, from_us, to_us) for from_us, equipment, role, to_us in ordered]


def detail(register: Workshop, visit: Visit, block: Block, missing: Missing = NOTHING) -> Passage | Record | None:
    """What the readings say of one visit; None where the register has no such equipment.

    Args:
        block: readings of all signals of the equipment, from the last ones before the visit to the first ones after it.
    """
    item = register.find(visit.equipment)
    if item is None:
        return None
    return _record(item, visit, block) if visit.role == INSPECTED else _passage(item, visit, block, missing)


def _passage(item: Equipment, visit: Visit, block: Block, missing: Missing) -> Passage:
    end_us = visit.to_us if visit.to_us is not None else _last_us(block) + 1
    window = Window(visit.from_us, max(visit.from_us, end_us))
    # An order, its lot and its program may be told a moment after the serial: what holds at the end counts.
    texts = {field: _held_text(item, role, block, window.end_us) for role, field in TEXTS.items()}
    return Passage(
        item.id, item.process, visit.from_us, visit.to_us, texts["order"], texts["lot"], texts["program"], _operations(item, block, window),
        tuple(found for signal in item.signals if (found := _parameter(item, signal, block, window))), _energy_mwh(item, block, visit),
        sum(end - start for start, end in missing.spans(item.id, signal_id(item.id, _name(item, IN_PROCESS)), window.start_us, window.end_us)),
    )


def _record(item: Equipment, visit: Visit, block: Block) -> Record:
    own, _ = _texts(block, signal_id(item.id, _name(item, INSPECTED)))
    before = max((time_us for time_us in own if time_us < visit.from_us), default=-(2**62))
    after = min((time_us for time_us in own if time_us > visit.from_us), default=2**62)
    values: dict[str, Value] = {}
    for signal in item.signals:
        if signal.role == INSPECTED or signal.origin is not Origin.MACHINE or signal.kind is SignalKind.COUNTER:
            continue
        rows = _rows(block, signal_id(item.id, signal.name))
        near = [row for row in rows.tolist() if before < (time_us := int(block.source_time_us[row])) < after
                and abs(time_us - visit.from_us) <= ABOUT_US and block.quality[row] == Quality.GOOD]
        if near:
            # What comes with the serial first, then what came last before it.
            best = min(near, key=lambda row: (abs(int(block.source_time_us[row]) - visit.from_us), int(block.source_time_us[row])))
            values[signal.role] = block.value(best)
    return Record(item.id, item.process, visit.from_us, values)


def _operations(item: Equipment, block: Block, window: Window) -> tuple[Operation, ...]:
    """Runs of one operation number other than 0; without such a signal, runs of one tool."""
    by_number, tools = _integers(item, OPERATION, block), _integers(item, TOOL, block)
    told = by_number or tools
    found: list[Operation] = []
    for place, (time_us, number) in enumerate(told):
        end_us = told[place + 1][0] if place + 1 < len(told) else window.end_us
        start_us, end_us = max(time_us, window.start_us), min(end_us, window.end_us)
        if number == 0 or start_us >= end_us:
            continue
        tool = next((value for when, value in reversed(tools) if when <= start_us), None)
        if found and found[-1].number == number and found[-1].to_us == start_us and found[-1].tool == tool:
            found[-1] = Operation(number, tool, found[-1].from_us, end_us)
        else:
            found.append(Operation(number, tool, start_us, end_us))
    if not by_number:
        found = [Operation(place, one.tool, one.from_us, one.to_us) for place, one in enumerate(found, start=1)]
    return tuple(found)


def _parameter(item: Equipment, signal: Signal, block: Block, window: Window) -> Parameter | None:
    if signal.kind is not SignalKind.GAUGE or signal.origin is not Origin.MACHINE:
        return None
    rows = _rows(block, signal_id(item.id, signal.name))
    time = block.source_time_us[rows]
    rows = rows[(time >= window.start_us) & (time < window.end_us) & (block.quality[rows] == Quality.GOOD)]
    value = np.where(block.kind[rows] == ValueKind.I64, block.value_i64[rows].astype(np.float64), block.value_f64[rows])
    value = value[(block.kind[rows] != ValueKind.TEXT) & (block.kind[rows] != ValueKind.NONE)]
    if not len(value):
        return None
    return Parameter(signal.name, signal.unit, len(value), float(value.min()), float(value.max()), float(value.mean()))


def _energy_mwh(item: Equipment, block: Block, visit: Visit) -> int | None:
    signal = item.signal("energy_import")
    if signal is None or visit.to_us is None or signal.unit not in ENERGY_SCALES:
        return None
    scale, patience_us = ENERGY_SCALES[signal.unit], signal.max_age_s * SECOND_US
    rows = _rows(block, signal_id(item.id, signal.name))
    rows = rows[(block.quality[rows] == Quality.GOOD) & ((block.kind[rows] == ValueKind.I64) | (block.kind[rows] == ValueKind.F64))]
    time = block.source_time_us[rows]
    value = [round(float(block.value(row) or 0) * scale) for row in rows.tolist()]
    first, last = int(np.searchsorted(time, visit.from_us, side="right")) - 1, int(np.searchsorted(time, visit.to_us, side="right")) - 1
    if first < 0 or visit.from_us - int(time[first]) > patience_us or visit.to_us - int(time[last]) > patience_us:
        return None
    return sum(max(0, after - before) for before, after in zip(value[first:last], value[first + 1 : last + 1], strict=True))


def _held_text(item: Equipment, role: str, block: Block, end_us: int) -> str | None:
    signal = item.signal(role)
    if signal is None:
        return None
    times, texts = _texts(block, signal_id(item.id, signal.name))
    return next((text for time_us, text in zip(reversed(times), reversed(texts), strict=True) if time_us < end_us), None) or None


def _integers(item: Equipment, role: str, block: Block) -> list[tuple[int, int]]:
    signal = item.signal(role)
    if signal is None:
        return []
    rows = _rows(block, signal_id(item.id, signal.name))
    rows = rows[(block.quality[rows] == Quality.GOOD) & ((block.kind[rows] == ValueKind.I64) | (block.kind[rows] == ValueKind.F64))]
    return [(int(block.source_time_us[row]), int(block.value(row) or 0)) for row in rows.tolist()]


def _texts(block: Block, name: str) -> tuple[list[int], list[str]]:
    """Times and texts of the good readings of a signal, in order of time; a number in the place of a serial is its digits."""
    rows = _rows(block, name)
    rows = rows[(block.quality[rows] == Quality.GOOD) & (block.kind[rows] != ValueKind.NONE)]
    return block.source_time_us[rows].tolist(), [str(block.value(row)) for row in rows.tolist()]


def _rows(block: Block, name: str) -> NDArray[np.int64]:
    """Rows of a signal in order of source time, then arrival."""
    if name not in block.signals:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(block.signal == block.signals.index(name))
    return rows[np.lexsort((block.received_time_us[rows], block.source_time_us[rows]))]


def _name(item: Equipment, role: str) -> str:
    signal = item.signal(role)
    return signal.name if signal else ""


def _last_us(block: Block) -> int:
    return int(block.source_time_us.max()) if len(block) else 0


def signals_of(register: Workshop, equipment: str) -> Sequence[str]:
    """Ids of all signals of a piece of equipment that are not derived."""
    item = register.find(equipment)
    return [signal_id(item.id, signal.name) for signal in item.signals if signal.origin is not Origin.DERIVED] if item else []
