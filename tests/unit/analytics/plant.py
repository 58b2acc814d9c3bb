"""A small workshop and its readings, for the tests of the analytics."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from analytics.indicator import load_indicators
from analytics.series import MACHINE
from workshop.block import Block, block_of
from workshop.reading import Quality, Reading, Value
from workshop.register import Equipment, Process, Round, Shift, Workshop
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import SECOND_US, Window

START_US = 1_790_002_800_000_000
"""A full hour: 2026-09-21 15:00 UTC, 23:00 in Shanghai."""

ALWAYS = (Shift("always", "00:00", "00:00"),)

SIGNALS = (
    Signal("state", "item_state", SignalKind.STATE, max_age_s=5),
    Signal("mode", "operation_mode", SignalKind.STATE, max_age_s=5),
    Signal("parts", "produced_count", SignalKind.COUNTER, "{part}", max_age_s=5),
    Signal("good", "good_count", SignalKind.COUNTER, "{part}", max_age_s=5),
    Signal("scrap", "scrap_count", SignalKind.COUNTER, "{part}", max_age_s=5),
    Signal("energy", "energy_import", SignalKind.COUNTER, "W.h", max_age_s=5),
    Signal("link", "link_state", SignalKind.STATE, max_age_s=3, origin=Origin.EDGE),
)


def machine(name: str = "cnc-01", **changes: Any) -> Equipment:
    """A digital machine with every signal, an ideal cycle of 60 s and no end of service."""
    item = Equipment(
        name, "", "", "machining_centre", "cell-1", name, True, True, "milling", 1000, "2020-01-01", ideal_cycle_ms=60_000, signals=SIGNALS,
    )
    return msgspec.structs.replace(item, **changes)


STATES = ("alarm", "platform_link_state", "door_closed", "gripper_closed", "tool_number", "operation_number")
EVENTS = ("inspection_round", "serial")
TEXTS = ("program", "defect_code", "order", "material_lot", "part_serial", "tool_name", "image", "result")


def every_signal() -> tuple[Signal, ...]:
    """A signal for every role that any indicator reads, those of new indicators too: counters end in _count, what is no state is a gauge."""
    roles = sorted({role for item in load_indicators().values() for role in item.roles} - {signal.role for signal in SIGNALS} - {MACHINE})
    return (*SIGNALS, *(_signal(role) for role in roles))


def _signal(role: str) -> Signal:
    if role.endswith("_count") or role.startswith("energy_"):
        return Signal(role, role, SignalKind.COUNTER, "W.h" if role.startswith("energy_") else "{part}", max_age_s=5)
    kinds = {**dict.fromkeys(STATES, SignalKind.STATE), **dict.fromkeys(EVENTS, SignalKind.EVENT), **dict.fromkeys(TEXTS, SignalKind.TEXT)}
    if role in kinds:
        return Signal(role, role, kinds[role], max_age_s=5)
    unit = "W" if role.endswith("_power") else "1"
    return Signal(role, role, SignalKind.GAUGE, unit, max_age_s=5, lower="1", upper="3")


def rich_machine(name: str = "cnc-01", **changes: Any) -> Equipment:
    """A machine to which every indicator applies."""
    return machine(name, signals=every_signal(), rounds=(Round("walk", ("23:40", "01:00"), tolerance_min=20),), opportunities=4, **changes)


def workshop(*equipment: Equipment, shifts: tuple[Shift, ...] = ALWAYS, zone: str = "Asia/Shanghai") -> Workshop:
    processes = (Process("milling", "", "", key=True), Process("handling", "", ""))
    return Workshop("w", "", "", "", "east", "hall", zone, equipment, processes, shifts)


def window(start_s: float, end_s: float) -> Window:
    return Window(START_US + round(start_s * SECOND_US), START_US + round(end_s * SECOND_US))


def reading(signal: str, time_s: float, value: Value, quality: Quality = Quality.GOOD, delay_us: int = 1000) -> Reading:
    """A reading at so many seconds after the start; None is bad."""
    time_us = START_US + round(time_s * SECOND_US)
    return Reading(signal, time_us, time_us + delay_us, value, Quality.BAD if value is None else quality)


def rows(signal: str, values: Iterable[tuple[float, Value]]) -> list[Reading]:
    return [reading(signal, time_s, value) for time_s, value in values]


def every(signal: str, seconds: Sequence[int] | range, value: Value) -> list[Reading]:
    """The same value again and again."""
    return [reading(signal, second, value) for second in seconds]


class Held:
    """A store of these rows."""

    def __init__(self, rows: Block) -> None:
        self._rows = rows

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Rows of these signals in the window."""
        rows = self._rows
        wanted = np.isin(rows.signal, [number for number, name in enumerate(rows.signals) if name in set(signals)])
        return rows.take(np.flatnonzero(wanted & (rows.source_time_us >= window.start_us) & (rows.source_time_us < window.end_us)))

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """The newest row of each signal before this time."""
        found = self.read(signals, Window(0, time_us))
        order = np.lexsort((found.source_time_us, found.signal))
        last = np.append(found.signal[order][1:] != found.signal[order][:-1], True) if len(order) else np.zeros(0, np.bool_)
        return found.take(order[last])


def block(*parts: list[Reading]) -> Block:
    return block_of([row for part in parts for row in part])
