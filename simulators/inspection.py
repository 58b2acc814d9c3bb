"""A vision inspection station: one record for every part that it has looked at."""

from collections.abc import Mapping

from simulators.energy import Meter
from simulators.machine import Event, ItemState, Values, generator, quantise
from simulators.settings import Equipment

_NOMINAL_MM = 25.0
_TOLERANCE_MM = 0.020
_SURFACE_DEFECTS = ("SCRATCH", "BURR", "CRACK")
_UNITS = {"inspected_count": "{part}", "rejected_count": "{part}", "diameter": "mm", "power": "W", "energy_import": "W.h"}


class Inspection:
    """An inspection station. It wants to be scanned whenever a part is done, and every scan is the record of one part."""

    def __init__(self, settings: Equipment, seed: int) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._dice = generator(seed, settings.id, "behaviour")
        self._meter = Meter(self._dice, step_w=0.1)
        self._inspected = int(self._dice.integers(1_000, 5_000))
        self._rejected = int(self._inspected * settings.scrap_probability)
        self._events: list[Event] = []
        self._last_us: int | None = None

    def scan(self, now_us: int) -> Values:
        """The record of the part that was inspected last, as of `now_us`, µs UTC."""
        power_w = self._settings.rated_power_w * self._dice.uniform(0.34, 0.38)
        self._meter.add(power_w, now_us if self._last_us is None else self._last_us, now_us)
        self._last_us = now_us
        self.due_us = now_us + round(self._settings.ideal_cycle_ms * 1000 * self._dice.uniform(1.02, 1.15))
        defect, diameter = self._inspect()
        self._inspected += 1
        self._rejected += defect != ""
        serial = f"EP-{self._inspected:07d}"
        self._events.append(Event("part", now_us, {"serial": serial, "good": defect == ""}))
        shown_w, energy_wh = self._meter.read(now_us)
        return {
            "item_state": int(ItemState.EXECUTING),
            "inspected_count": self._inspected,
            "rejected_count": self._rejected,
            "serial": serial,
            "defect_code": defect,
            "diameter": diameter,
            "power": shown_w,
            "energy_import": energy_wh,
        }

    def detail(self) -> Values:
        """Nothing more yet."""
        return {}

    def take_events(self) -> list[Event]:
        """Parts inspected since the last call."""
        events, self._events = self._events, []
        return events

    def _inspect(self) -> tuple[str, float]:
        """Defect code, empty for a good part, and diameter in mm; the diameter is out of tolerance exactly when the code says so."""
        offset = min(max(self._dice.normal(0.0, 0.006), -_TOLERANCE_MM), _TOLERANCE_MM)
        if self._dice.random() >= self._settings.scrap_probability:
            return "", quantise(_NOMINAL_MM + offset, 0.001)
        if self._dice.random() < 0.3:
            return "DIAMETER", quantise(_NOMINAL_MM + _TOLERANCE_MM + 0.002 + abs(offset), 0.001)
        return str(self._dice.choice(_SURFACE_DEFECTS)), quantise(_NOMINAL_MM + offset, 0.001)
