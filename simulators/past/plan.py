"""When a machine worked in a day, what it was like before the improvement, and what stood it still."""

import msgspec
import numpy as np

from simulators.past.columns import Ints
from simulators.schedule import Schedule
from simulators.settings import Equipment, Share
from simulators.shifts import Calendar, Interruption, interruptions, midnight_us
from simulators.standstill import standstill

_HOUR_US = 3_600_000_000
STOPPING = {"tool_breakage": 1021, "collision_stop": 3107}


class Improvement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What got better in the middle of the history, as shares by which it went down; the live machines are those of *after*."""

    defect_rate: Share = 0.30
    cycle_time: Share = 0.10
    energy: Share = 0.15
    """Energy for each part."""
    after: Share = 0.5
    """Where in the history, as a share of its days."""

    def before(self) -> "Before":
        """The factors of the time before."""
        cycle = 1.0 / (1.0 - self.cycle_time)
        return Before(1.0 / (1.0 - self.defect_rate), cycle, 1.0 / ((1.0 - self.energy) * cycle))


class Before(msgspec.Struct, frozen=True):
    """Factors on scrap, cycle time and power; 1 after the improvement."""

    scrap: float = 1.0
    cycle: float = 1.0
    power: float = 1.0


class Day(msgspec.Struct, frozen=True):
    """All that one machine's day depends on, but for what it carries over from the day before."""

    settings: Equipment
    seed: int
    calendar: Calendar
    schedule: Schedule
    number: int
    """Local day, days since 1970."""
    factors: Before
    gauge_us: int
    repeat_us: int | None
    cycle_factor: float
    detail: bool = False
    """Show also what a controller knows of coolant and tools."""

    @property
    def start_us(self) -> int:
        return midnight_us(self.calendar, self.number)

    @property
    def end_us(self) -> int:
        return midnight_us(self.calendar, self.number + 1)

    def grid(self) -> Ints:
        """The times of the gauges."""
        return np.arange(self.start_us, self.end_us, self.gauge_us, dtype=np.int64)

    def severity(self, kind: str, times: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """How bad a fault is at each time, 0 when there is none."""
        result = np.zeros(len(times))
        for entry in self.schedule.entries(self.settings.id):
            if entry.kind == kind:
                result[(times >= entry.start_us) & (times < entry.end_us)] = entry.severity
        return result

    def interruptions(self) -> list[Interruption]:
        """Planned ones and, by the name of the fault, those that a fault forces; sorted, without overlap."""
        found = list(interruptions(self.calendar, self.settings.id, self.number))
        stops = [entry for entry in self.schedule.entries(self.settings.id) if entry.kind in STOPPING]
        found += [Interruption(entry.start_us, entry.end_us, entry.kind) for entry in stops]
        for hour_us in range(self.start_us, self.end_us, _HOUR_US):
            forced = standstill(None, self.schedule, self.settings.id, hour_us)
            if forced is not None:
                found.append(forced)
        merged: list[Interruption] = []
        for item in sorted(found):
            start_us = max(item.start_us, merged[-1].end_us if merged else self.start_us)
            end_us = min(item.end_us, self.end_us)
            if end_us > start_us:
                merged.append(Interruption(start_us, end_us, item.reason))
        return merged

    def windows(self, free_us: int) -> tuple[Ints, Ints, list[Interruption]]:
        """Starts and ends of the working time, from when the last day's last part was out of the machine."""
        at_us = max(self.start_us, free_us)
        starts, ends, pauses = [], [], self.interruptions()
        for pause in pauses:
            if pause.start_us > at_us:
                starts.append(at_us)
                ends.append(pause.start_us)
            at_us = max(at_us, pause.end_us)
        if self.end_us > at_us:
            starts.append(at_us)
            ends.append(self.end_us)
        return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), pauses
