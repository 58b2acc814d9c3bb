"""A lathe by arithmetic, for tests of the watch: a part every ten minutes, a break every four hours, and faults that are put in."""

from typing import Any

import msgspec
import numpy as np

from workshop.block import Block, block_of, concat
from workshop.reading import Quality, Reading
from workshop.register import Equipment
from workshop.signal import Signal, SignalKind
from workshop.window import HOUR_US, SECOND_US

START_US = 1_767_571_200_000_000 // (24 * HOUR_US) * 24 * HOUR_US
DAY_US = 24 * HOUR_US
STEP_S = 60
_GAUGES = (
    ("vib", "spindle_vibration", "mm/s"), ("load", "spindle_load", "%"), ("speed", "spindle_speed", "{rev}/min"), ("flow", "coolant_flow", "L/min"),
    ("watt", "active_power", "W"),
)
SIGNALS = (
    *(Signal(name, role, SignalKind.GAUGE, unit) for name, role, unit in _GAUGES), Signal("wh", "energy_import", SignalKind.COUNTER, "W.h"),
    Signal("state", "item_state", SignalKind.STATE), Signal("parts", "produced_count", SignalKind.COUNTER), Signal("alm", "alarm", SignalKind.STATE),
    Signal("tool", "tool_number", SignalKind.STATE), Signal("worn", "tool_wear", SignalKind.GAUGE, "1"),
)


def lathe(**changes: Any) -> Equipment:
    """The machine in the register."""
    item = Equipment("lathe-09", "车床", "Lathe", "lathe", "cell", "SN", True, True, "turning", 15_000, "2020-01-01", ideal_cycle_ms=600_000,
                     signals=SIGNALS)
    return msgspec.structs.replace(item, **changes)


def readings(days: float, *, seed: int = 0, **faults: tuple[float, float, float]) -> Block:
    """So many days from START_US on.

    Args:
        faults: by name (wear, leak, drift, stuck, range, alarm, freeze, frozen_load): (first day, last day, size).
    """
    dice = np.random.default_rng(seed)
    count = int(days * 86_400 / STEP_S)
    at_s = (np.arange(count) + 1) * STEP_S
    day = at_s / 86_400
    rests = at_s % (4 * 3600) >= 3.7 * 3600
    phase = at_s % 600 / 600
    works = ~rests & (phase < 0.9)
    load = np.where(works, np.where(phase < 0.4, 55.0, 30.0) + dice.normal(0, 1, count), 0.0)
    colour = np.zeros(count)
    fresh = dice.normal(0, 0.03, count)
    for i in range(1, count):
        colour[i] = 0.6 * colour[i - 1] + fresh[i]
    wear = np.zeros(count)
    true_w = np.where(works, 2_000 + 80 * load, 1_500.0) * (1 + 0.02 * dice.normal(0, 1, count))
    inside = {name: (day >= first) & (day < last) for name, (first, last, _) in faults.items()}
    if "wear" in faults:
        first, last, size = faults["wear"]
        wear = np.where(inside["wear"], size * np.expm1(3 * np.clip((day - first) / (last - first), 0, 1)) / np.expm1(3), 0.0)
    vib = np.where(works, (0.6 + 0.4 * load / 80) * (1 + wear), 0.04) * np.exp(colour)
    flow = np.where(works, 24 + dice.normal(0, 0.4, count), 0.0)
    shown_w = true_w.copy()
    if "leak" in faults:
        flow = np.where(inside["leak"], flow * (1 - faults["leak"][2]), flow)
    if "drift" in faults:
        shown_w = np.where(inside["drift"], shown_w * (1 + faults["drift"][2]), shown_w)
    if "stuck" in faults:
        shown_w = np.where(inside["stuck"], shown_w[int(np.argmax(inside["stuck"]))], shown_w)
    if "range" in faults:
        shown_w = np.where(inside["range"], shown_w * 1e6, shown_w)
    for name, values in (("freeze", vib), ("frozen_load", load)):
        if name in faults:
            # At its largest: what stands still there looks like wear, or hides it.
            values[inside[name]] = values[inside[name]].max()
    columns = {"vib": np.round(vib, 3), "load": np.round(load, 1), "speed": np.where(works, 1200.0, 0.0), "flow": np.round(flow, 1),
               "watt": np.round(shown_w), "worn": np.round(at_s // 600 * 0.0065 % 1.0, 4)}
    alarm = np.where(inside["alarm"], int(faults["alarm"][2]), 0) if "alarm" in faults else np.zeros(count)
    integers = {"wh": np.floor(np.cumsum(true_w) * STEP_S / 3600) + 7_000, "state": np.where(works, 3, 2), "parts": at_s // 600, "alm": alarm,
                "tool": np.full(count, 2)}
    blocks = [_block(name, at_s, values, True) for name, values in columns.items()]
    return concat([*blocks, *(_block(name, at_s, values, False) for name, values in integers.items())])


def cut(block: Block, first_us: int, end_us: int) -> Block:
    """The readings of a window."""
    return block.take((block.source_time_us >= first_us) & (block.source_time_us < end_us))


def bad(signal: str, at_us: int) -> Reading:
    """A reading without a value."""
    return Reading(f"lathe-09/{signal}", at_us, at_us, None, Quality.BAD, "BadNoCommunication")


def _block(name: str, at_s: np.ndarray[Any, Any], values: np.ndarray[Any, Any], floats: bool) -> Block:
    one = block_of([Reading(f"lathe-09/{name}", START_US, START_US, 0.0 if floats else 0)])
    rows = one.take(np.zeros(len(at_s), np.int64))
    times = START_US + at_s.astype(np.int64) * SECOND_US
    return msgspec.structs.replace(rows, source_time_us=times, received_time_us=times,
                                   **({"value_f64": values.astype(np.float64)} if floats else {"value_i64": values.astype(np.int64)}))
