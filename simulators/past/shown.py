"""What a day's columns show when sensors are faulty or somebody lies: `simulators.sensing` and `simulators.frauds` for whole columns.

What differs from live: replay takes the day before (there is none on the first day), and one machine as two is done with the other machine's own
columns by `simulators.history`.
"""

import numpy as np

from simulators.catalogue import FAULTS
from simulators.frauds import SHARES
from simulators.machine import generator
from simulators.past.columns import DAY_US, Column, Columns, Ints
from simulators.past.plan import Day
from simulators.physics.electricity import EXCHANGED_WH, MAIN_REGISTER_WH
from simulators.physics.thermal import Floats
from simulators.schedule import Entry, Schedule
from simulators.sensing import FOR_GOOD, SIGMAS

_USUAL = {kind.name: kind.signal for kind in FAULTS if kind.layer == "sensor"}
_CLOCK = ("clock_step", "clock_drift", "back_dated_data")


class Memory:
    """What one machine's liar and sensors remember from day to day."""

    def __init__(self) -> None:
        self.held: dict[tuple[Entry, str], float] = {}
        self.yesterday: Columns = {}


def shown(day: Day, columns: Columns, memory: Memory, model: Columns | None = None) -> Columns:
    """The columns with the day's sensor faults and frauds; `model` are those of the machine that this one poses as, if it does."""
    honest = dict(columns)
    for entry in day.schedule.entries(day.settings.id):
        if entry.start_us >= day.end_us:
            continue
        if entry.kind in _USUAL:
            name = entry.signal or _USUAL[entry.kind]
            if name in columns and columns[name].words is None:
                columns = {**columns, name: _faulty(entry, name, columns[name], memory, day.settings.kind)}
        elif entry.is_fraud and entry.end_us > day.start_us:
            columns = _lie(entry, day, columns, memory, model)
    memory.yesterday = honest
    if any(entry.kind in _CLOCK for entry in day.schedule.entries(day.settings.id)):
        columns = {name: Column(_restamped(day.schedule, day.settings.id, c.times), c.values, c.words) for name, c in columns.items()}
    return columns


def _faulty(entry: Entry, name: str, column: Column, memory: Memory, kind: str) -> Column:
    inside = (column.times >= entry.start_us) & ((column.times < entry.end_us) | (entry.kind in FOR_GOOD))
    if not inside.any():
        return column
    values = column.values.astype(np.float64)
    held = memory.held.setdefault((entry, name), float(values[max(0, int(np.argmax(inside)) - 1)]))
    if entry.kind == "sensor_stuck":
        values[inside] = held
    elif entry.kind in FOR_GOOD:
        begun = 0 if entry.kind == "counter_reset" else round(entry.severity * EXCHANGED_WH)
        values[inside] += begun - held + MAIN_REGISTER_WH * ((values[inside] < held) & (kind == "main_meter"))
    elif entry.kind == "value_out_of_range":
        values[inside] = 1e6 * values[inside] + 1e6 * entry.severity
    else:
        share = np.maximum(0.1, (column.times[inside] - entry.start_us) / max(1, entry.end_us - entry.start_us))
        values[inside] += entry.severity * np.maximum(3.0 * SIGMAS.get(name, 0.0), 0.01 * np.abs(values[inside])) * share
    return Column(column.times, _like(column, values))


def _like(column: Column, values: Floats) -> Floats | Ints:
    return np.rint(values).astype(np.int64) if column.values.dtype == np.int64 else np.round(values, 6)


def _lie(entry: Entry, day: Day, columns: Columns, memory: Memory, model: Columns | None) -> Columns:
    strength = round(entry.severity)
    gauges = [name for name, column in columns.items() if column.values.dtype == np.float64]
    dice = generator(day.seed, day.settings.id, "fraud", entry.kind, str(day.number))
    result = dict(columns)
    if entry.kind == "inflated_part_counter":
        for name in ("part_count", "good_count"):
            result[name] = _grown(entry, name, columns[name], columns["part_count"], SHARES[strength - 1], memory)
    elif entry.kind == "dropped_bad_parts":
        total, bad = ("part_count", "scrap_count") if "scrap_count" in columns else ("inspected_count", "rejected_count")
        for name in (total, bad) if bad == "scrap_count" else (bad,):
            result[name] = _grown(entry, name, columns[name], columns[bad], -SHARES[strength - 1], memory)
    elif entry.kind in ("constant_signal", "generated_signal"):
        names = gauges if entry.kind == "constant_signal" and strength > 1 else [entry.signal or "power"]
        for name in names:
            if name in columns:
                result[name] = _made_up(entry, name, columns[name], strength, dice, memory)
    elif entry.kind in ("replayed_day", "one_machine_as_two"):
        late_us, source = (DAY_US, memory.yesterday) if entry.kind == "replayed_day" else (0, model or {})
        for name in gauges:
            if name in source:
                result[name] = _copied(entry, columns[name], source[name], late_us, strength, dice)
    return result


def _grown(entry: Entry, name: str, column: Column, counted: Column, share: float, memory: Memory) -> Column:
    """The counter with a share more or less of what `counted` has grown by since the fraud began; kept after its end, as counters are."""
    if column.times[-1] < entry.start_us:
        return column
    growth = counted.values[np.maximum(np.searchsorted(counted.times, column.times, side="right") - 1, 0)].astype(np.float64)
    start = int(np.searchsorted(column.times, entry.start_us, side="left"))
    base = memory.held.setdefault((entry, f"{name}/base"), float(growth[start]))
    more = np.where(column.times >= entry.start_us, np.floor(abs(share) * (growth - base)) * np.sign(share), 0.0)
    return Column(column.times, np.maximum.accumulate(column.values + more.astype(np.int64)))


def _made_up(entry: Entry, name: str, column: Column, strength: int, dice: np.random.Generator, memory: Memory) -> Column:
    inside = (column.times >= entry.start_us) & (column.times < entry.end_us)
    values = column.values.astype(np.float64)
    count, mean, spread = int(inside.sum()), float(values.mean()), float(values.std())
    if entry.kind == "constant_signal":
        held = memory.held.setdefault((entry, name), float(values[max(0, int(np.argmax(inside)) - 1)]))
        values[inside] = np.round(held + 0.01 * dice.integers(-1, 2, count) * (strength == 3), 6)
    else:
        white = dice.standard_normal(count)
        waves = {1: 0.2 * mean * np.sin(column.times[inside] / 5e6), 2: 0.05 * mean * white, 3: spread * white}
        values[inside] = np.round(np.maximum(0.0, mean + waves[strength]), 2)
    return Column(column.times, values)


def _copied(entry: Entry, column: Column, source: Column, late_us: int, strength: int, dice: np.random.Generator) -> Column:
    inside = (column.times >= entry.start_us) & (column.times < entry.end_us)
    index = np.clip(np.searchsorted(source.times, column.times[inside] - late_us), 0, len(source.times) - 1)
    values, copied = column.values.astype(np.float64), source.values[index].astype(np.float64)
    if strength > 1 and late_us:
        copied = copied * 1.01 + 0.01
    if strength > 2:
        copied = copied * (1.0 + 0.002 * dice.standard_normal(len(copied))) if late_us else copied * 1.01
    values[inside] = np.round(copied, 6)
    return Column(column.times, values)


def _restamped(schedule: Schedule, equipment: str, times: Ints) -> Ints:
    """The stamps of a device whose clock is wrong, see `Schedule.clock_offset_us`."""
    offsets = np.array([schedule.clock_offset_us(equipment, int(time_us)) for time_us in times], dtype=np.int64)
    return times + offsets
