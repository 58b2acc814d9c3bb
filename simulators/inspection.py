"""A vision inspection station: one record for every part that it has looked at.

Dimensions: d = d_0 + 12 µm · w + 11.5 µm/(m·K) · 25 mm · Δθ + N(0, σ), σ = 4.5 µm; w is the wear of the tool that made the part, a saw-tooth from 0
to 1 over the tool's life, so that a Shewhart chart shows drift and tool changes. The diameter is out of tolerance exactly if the code says so.

`detail` names: result (OK, NG), length mm, roundness um, image (path below the image folder, written when there is one), voltage_l1…3 V,
current_l1…3 A, power_factor, ambient_temperature Cel.
"""

from collections.abc import Mapping
from pathlib import Path

from simulators.energy import Meter
from simulators.images import write_image
from simulators.machine import Event, ItemState, Values, generator, quantise
from simulators.personality import personality
from simulators.physics import electricity
from simulators.physics.thermal import ambient, growth_um
from simulators.schedule import Schedule
from simulators.settings import Equipment
from simulators.shifts import Calendar
from simulators.standstill import standstill

NOMINAL_MM, TOLERANCE_MM, SIGMA_MM = 25.0, 0.020, 0.0045
WEAR_MM, TOOL_PARTS = 0.012, 100
"""Drift of the diameter over one tool's life, and how many parts that is."""
SURFACE_DEFECTS = ("SCRATCH", "BURR", "PORE")
DIAMETER_SHARE = 0.3
_UNITS = {"inspected_count": "{part}", "rejected_count": "{part}", "diameter": "mm", "power": "W", "energy_import": "W.h"}


class Inspection:
    """An inspection station. It wants to be scanned whenever a part is done, and every scan is the record of one part."""

    def __init__(
        self, settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None, *, images: Path | None = None
    ) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._seed = seed
        self._images = images or (Path(settings.images) if settings.images else None)
        self._schedule = Schedule() if schedule is None else schedule
        self._calendar = calendar
        self._own = personality(seed, settings.id)
        self._dice = generator(seed, settings.id, "behaviour")
        self._looks = generator(seed, settings.id, "noise")
        self._meter = Meter(self._dice, step_w=0.1)
        self._inspected = int(self._dice.integers(1_000, 5_000))
        self._rejected = int(self._inspected * settings.scrap_probability)
        self._events: list[Event] = []
        self._last_us: int | None = None
        self._shown: Values = {}

    def scan(self, now_us: int) -> Values:
        """The record of the part that was inspected last, as of `now_us`, µs UTC."""
        power_w = self._settings.rated_power_w * self._dice.uniform(0.34, 0.38) * self._own.idle
        self._meter.add(power_w, now_us if self._last_us is None else self._last_us, now_us)
        self._last_us = now_us
        self.due_us = now_us + round(self._settings.ideal_cycle_ms * 1000 * self._dice.uniform(1.02, 1.15))
        pause = standstill(self._calendar, self._schedule, self.equipment, self.due_us)
        if pause is not None:
            # Nothing comes along until the workshop works again.
            self.due_us = pause.end_us
        defect, diameter = self._inspect(now_us)
        self._inspected += 1
        self._rejected += defect != ""
        serial = f"EP-{self._inspected:07d}"
        self._events.append(Event("part", now_us, {"serial": serial, "good": defect == "", "reason": defect, "wear": round(self._wear(), 3)}))
        shown_w, energy_wh = self._meter.read(now_us)
        self._shown = {
            "item_state": int(ItemState.EXECUTING),
            "inspected_count": self._inspected,
            "rejected_count": self._rejected,
            "serial": serial,
            "defect_code": defect,
            "diameter": diameter,
            "power": shown_w,
            "energy_import": energy_wh,
        }
        if self._images is not None:
            write_image(self._images, self._seed, serial, defect)
        return dict(self._shown)

    def detail(self) -> Values:
        """The other dimensions, the picture's name and the three-phase meter, for the part that was inspected last."""
        if not self._shown or self._last_us is None:
            return {}
        power_w = float(self._shown["power"])
        dip = self._schedule.severity("power_quality_event", self.equipment, self._last_us)
        factor = electricity.power_factor(power_w, self._settings.rated_power_w, dip)
        voltage = electricity.line_voltage(float(self._looks.normal(0.0, 1.6)), dip)
        values: Values = {
            "result": "NG" if self._shown["defect_code"] else "OK", "image": f"{self._shown['serial']}.png",
            "length": quantise(80.0 + 0.4 * WEAR_MM * self._wear() + float(self._looks.normal(0.0, 0.008)), 0.001),
            "roundness": quantise(abs(float(self._looks.normal(3.0, 0.8))), 0.1),
            "ambient_temperature": quantise(float(ambient(self._last_us)), 0.1), "power_factor": quantise(factor, 0.01),
        }
        for line, current in enumerate(electricity.phase_currents(power_w, voltage, factor, self._own.phase), start=1):
            values[f"voltage_l{line}"], values[f"current_l{line}"] = quantise(voltage, 0.1), quantise(current, 0.001)
        return values

    def take_events(self) -> list[Event]:
        """Parts inspected since the last call."""
        events, self._events = self._events, []
        return events

    def _wear(self) -> float:
        return (self._inspected % TOOL_PARTS) / TOOL_PARTS

    def _inspect(self, now_us: int) -> tuple[str, float]:
        """Defect code, empty for a good part, and diameter in mm."""
        drift = WEAR_MM * (self._wear() - 0.5) + growth_um(0.025, float(ambient(now_us)) - 22.0) / 1000.0
        offset = min(max(drift + float(self._dice.normal(0.0, SIGMA_MM)), -TOLERANCE_MM), TOLERANCE_MM)
        # Wear makes more bad parts: the mean over a tool's life is the settings' probability.
        if self._dice.random() >= self._settings.scrap_probability * (0.45 + 1.65 * self._wear() ** 2):
            return "", quantise(NOMINAL_MM + offset, 0.001)
        if self._dice.random() < DIAMETER_SHARE:
            return "DIAMETER", quantise(NOMINAL_MM + TOLERANCE_MM + 0.002 + abs(offset), 0.001)
        return str(self._dice.choice(SURFACE_DEFECTS)), quantise(NOMINAL_MM + offset, 0.001)
