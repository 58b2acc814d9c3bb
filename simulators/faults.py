"""Faults that grow in a machine."""

from simulators.machine import Event
from simulators.physics.spindle import WORST_BEARING, bearing_growth
from simulators.settings import Faults

_TOLD = (0.5, 1.0, 2.0, 4.0, WORST_BEARING)


class BearingWear:
    """A spindle bearing that wears: severity 0 is sound, 1 is plainly visible, 6 is the worst."""

    def __init__(self, faults: Faults | None) -> None:
        """The wear that the configuration asks for; none never wears."""
        self._faults = faults
        self._told = 0
        self._begun = False

    def severity(self, elapsed_us: int) -> float:
        """How worn the bearing is so long, µs, after the machine's start: exponential growth, as spalling bearings show, up to the worst."""
        if self._faults is None:
            return 0.0
        return bearing_growth(elapsed_us / 1e6 - self._faults.wear_after_s, self._faults.wear_growth_s)

    def events(self, start_us: int, now_us: int) -> list[Event]:
        """The beginning of the wear, once, and its severity whenever it passes another mark."""
        events: list[Event] = []
        severity = self.severity(now_us - start_us)
        if severity > 0.0 and not self._begun and self._faults is not None:
            self._begun = True
            events.append(Event("wear_started", start_us + round(self._faults.wear_after_s * 1e6), {}))
        while self._told < len(_TOLD) and severity >= _TOLD[self._told]:
            self._told += 1
            events.append(Event("wear", now_us, {"severity": round(severity, 3)}))
        return events
