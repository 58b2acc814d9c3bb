"""Between what a machine is and what it shows: faults of its sensors and, on request, frauds. The machine itself goes on truly behind it.

Stuck: x(t) = x(t_0). Drift: x + s · max(3 σ, 1 % of x) · (t - t_0) / (t_1 - t_0), at once at least a tenth of that. Out of range: 10⁶ · x + 10⁶ · s.
Counter reset: x - x(t_0), for good. Meter exchange: x - x(t_0) + 10 MW.h · s, for good. σ is that of the signal's noise in `simulators.physics`.
"""

from collections.abc import Mapping
from typing import Final

from simulators.catalogue import FAULTS
from simulators.frauds import Liar
from simulators.machine import Event, Machine, Value, Values
from simulators.physics.electricity import EXCHANGED_WH, MAIN_REGISTER_WH
from simulators.schedule import Entry, Schedule

SIGMAS: Final = {
    "spindle_load": 0.8, "spindle_temperature": 0.06, "motor_temperature": 0.1, "pressure": 0.01, "oil_temperature": 0.1, "diameter": 0.0045,
}
"""Standard deviation of the noise of the gauges that have one which does not grow with the value."""
FOR_GOOD: Final = ("counter_reset", "meter_exchange")
"""Faults of a counter that are not undone when they end."""
_USUAL: Final = {kind.name: kind.signal for kind in FAULTS if kind.layer == "sensor"}


class Sensing:
    """A machine as its sensors show it."""

    def __init__(self, machine: Machine, schedule: Schedule, seed: int) -> None:
        self.machine = machine
        self.equipment, self.kind = machine.equipment, machine.kind
        self.units: Mapping[str, str] = machine.units
        self.due_us = 0
        self.true: Values = {}
        """The last scan without any fault or fraud: what a meter further up feels."""
        self._schedule = schedule
        self._held: dict[tuple[Entry, str], Value] = {}
        self._liar = Liar(machine.equipment, schedule, seed)

    def scan(self, now_us: int) -> Values:
        """Every signal as the sensors show it at `now_us`, µs UTC."""
        self.true = self.machine.scan(now_us)
        self.due_us = self.machine.due_us
        entries = self._schedule.entries(self.equipment)
        if not entries:
            return self.true
        values = dict(self.true)
        for entry in entries:
            if entry.kind in _USUAL and now_us >= entry.start_us:
                name = entry.signal or _USUAL[entry.kind]
                if name in values and (entry.holds(now_us) or entry.kind in FOR_GOOD):
                    values[name] = self._faulty(entry, name, values[name], now_us)
        return self._liar.tell(values, now_us)

    def detail(self) -> Values:
        """The machine's own details."""
        return self.machine.detail()

    def take_events(self) -> list[Event]:
        """The machine's own events: the truth is never faulty."""
        return self.machine.take_events()

    def copies(self, other: "Sensing") -> None:
        """Let this machine show what the other one shows, when the schedule says so."""
        self._liar.model = other

    def _faulty(self, entry: Entry, name: str, value: Value, now_us: int) -> Value:
        held = self._held.setdefault((entry, name), value)
        if entry.kind == "sensor_stuck" or isinstance(value, str):
            return held
        if entry.kind in FOR_GOOD:
            begun = 0 if entry.kind == "counter_reset" else round(entry.severity * EXCHANGED_WH)
            # A counter that wraps under the reset goes on counting: what wrapped is added again.
            return value if isinstance(held, str) else value - held + begun + wrapped(self.kind, value, held)
        if entry.kind == "value_out_of_range":
            changed = 1e6 * value + 1e6 * entry.severity
        else:
            changed = value + drift(entry, SIGMAS.get(name, 0.0), float(value), now_us)
        return round(changed) if isinstance(value, int) else round(changed, 6)


def wrapped(kind: str, value: float, held: float) -> int:
    """What a counter that began anew lost by wrapping since, in its unit: only a main meter's wraps."""
    return MAIN_REGISTER_WH if kind == "main_meter" and value < held else 0


def drift(entry: Entry, sigma: float, value: float, now_us: int) -> float:
    """The offset of a drifting sensor, in the signal's unit."""
    share = (now_us - entry.start_us) / max(1, entry.end_us - entry.start_us)
    return entry.severity * max(3.0 * sigma, 0.01 * abs(value)) * max(0.1, share)
