"""What goes wrong and when: the one list of faults and frauds that machines, sensors and faces look at.

The kinds and what they do are those of `simulators.catalogue`. Machines ask for `severity`, faces for `active` and `clock_offset_us`; the run loop
writes `take_events` into the truth: `fault_started`, `fault_ended`, `fraud_started`, `fraud_ended`, each with kind, start_us, end_us, severity.
"""

from bisect import insort
from collections.abc import Iterable

import msgspec

from simulators.machine import Event

OPEN_END_US = 2**62
"""The end of an entry that lasts until the run ends."""
_US = 1_000_000


class Entry(msgspec.Struct, frozen=True):
    """One fault or fraud of one piece of equipment, in the half-open time [start, end), µs UTC."""

    kind: str
    equipment: str
    start_us: int
    end_us: int = OPEN_END_US
    severity: float = 1.0
    """1 is the floor of the kind (see the catalogue), 2 twice that; a fraud's severity is its strength 1, 2 or 3."""
    signal: str = ""
    """The signal concerned, for faults of a sensor and frauds with a signal; empty: the kind's usual one."""
    is_fraud: bool = False

    def holds(self, now_us: int) -> bool:
        """Whether it is going on at this time, µs UTC."""
        return self.start_us <= now_us < self.end_us


class Schedule:
    """All entries of a run. Entries may be added while it runs; nothing is ever taken away."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[str, list[Entry]] = {}
        self._untold: list[tuple[int, str, Entry]] = []
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Plan one more fault or fraud."""
        self._entries.setdefault(entry.equipment, []).append(entry)
        word = "fraud" if entry.is_fraud else "fault"
        for item in ((entry.start_us, f"{word}_started", entry), (entry.end_us, f"{word}_ended", entry)):
            insort(self._untold, item, key=lambda told: told[:2])

    def entries(self, equipment: str | None = None) -> list[Entry]:
        """Every entry, of all equipment or of one, past and future."""
        if equipment is not None:
            return list(self._entries.get(equipment, ()))
        return [entry for entries in self._entries.values() for entry in entries]

    def active(self, kind: str, equipment: str, now_us: int) -> Entry | None:
        """The entry of this kind that is going on, or None; of several the one that was planned last."""
        for entry in reversed(self._entries.get(equipment, ())):
            if entry.kind == kind and entry.holds(now_us):
                return entry
        return None

    def severity(self, kind: str, equipment: str, now_us: int) -> float:
        """How bad this kind is now; 0 when it is not going on."""
        entry = self.active(kind, equipment, now_us)
        return 0.0 if entry is None else entry.severity

    def clock_offset_us(self, equipment: str, now_us: int) -> int:
        """What the device's clock shows beyond true time: faces add it to the stamps they send, never to the time they scan at.

        Clock step: 30 s per unit of severity, back again when it ends. Clock drift: 200 µs/s (ppm) per unit of severity, kept after it ends, as
        nobody sets the clock. Back-dated data (a fraud): 1 h, 8 h or 24 h into the past. Sources: the skew of free-running crystals is 20 to 100 ppm
        (RFC 5905 assumes 15); the floor of 200 ppm is twice the worst.
        """
        offset_us = 0
        for entry in self._entries.get(equipment, ()):
            if now_us < entry.start_us:
                continue
            if entry.kind == "clock_drift":
                offset_us += round((min(now_us, entry.end_us) - entry.start_us) * 200e-6 * entry.severity)
            elif entry.kind == "clock_step" and entry.holds(now_us):
                offset_us += round(30 * _US * entry.severity)
            elif entry.kind == "back_dated_data" and entry.holds(now_us):
                offset_us -= {1: 1, 2: 8, 3: 24}[round(entry.severity)] * 3600 * _US
        return offset_us

    def take_events(self, now_us: int) -> list[tuple[str, Event]]:
        """(equipment, event) of every beginning and end up to this time that was not told yet, oldest first."""
        told = [item for item in self._untold if item[0] <= now_us]
        self._untold = self._untold[len(told):]
        return [(entry.equipment, Event(name, time_us, _details(entry))) for time_us, name, entry in told]


def _details(entry: Entry) -> dict[str, int | float | str]:
    details: dict[str, int | float | str] = {
        "kind": entry.kind, "start_us": entry.start_us, "end_us": entry.end_us, "severity": entry.severity,
    }
    return {**details, "signal": entry.signal} if entry.signal else details
