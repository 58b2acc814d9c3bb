"""The workshop's main meter: everything that the sub-meters see, and the losses and lighting that they do not.

P_main = 1.015 · Σ P_sub + 2400 W + |N(0, 40 W)|: never less than the sum. Its import counter has 10⁹ W.h and wraps; it begins close to the wrap,
so that whoever reads it meets one soon.
"""

import math
from collections.abc import Mapping, Sequence

from simulators.machine import Event, ItemState, Values, generator, next_due_us, quantise
from simulators.personality import personality
from simulators.physics import electricity
from simulators.physics.thermal import ambient
from simulators.schedule import Schedule
from simulators.sensing import Sensing
from simulators.settings import Equipment
from simulators.shifts import Calendar

WRAP_WH = electricity.MAIN_REGISTER_WH
_UNITS = {
    "power": "W", "energy_import": "W.h", "power_factor": "1", "ambient_temperature": "Cel",
    **{f"voltage_l{line}": "V" for line in (1, 2, 3)}, **{f"current_l{line}": "A" for line in (1, 2, 3)},
}


class MainMeter:
    """One meter above many; without sub-meters it sees the lighting only."""

    def __init__(self, settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None) -> None:
        self.equipment, self.kind = settings.id, str(settings.kind)
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self.subs: Sequence[Sensing] = ()
        self._settings = settings
        self._schedule = Schedule() if schedule is None else schedule
        self._calendar = calendar
        self._own = personality(seed, settings.id)
        self._noise = generator(seed, settings.id, "noise")
        self._energy_wh = WRAP_WH - float(generator(seed, settings.id, "behaviour").uniform(1e3, 5e4))
        self._before: dict[str, int] = {}
        self._at_us = 0

    def scan(self, now_us: int) -> Values:
        """The three conductors, the power and the counter as of `now_us`, µs UTC."""
        self.due_us = next_due_us(self.due_us or now_us, now_us, self._settings.period_ms * 1000)
        below_w = sum(float(sub.true.get("power", 0.0)) for sub in self.subs)
        power_w = below_w * (1.0 + electricity.LOSS_SHARE) + electricity.LIGHTING_W + abs(float(self._noise.normal(0.0, 40.0)))
        self._count(now_us)
        dip = self._schedule.severity("power_quality_event", self.equipment, now_us)
        factor = electricity.power_factor(power_w, self._settings.rated_power_w, dip)
        voltage = electricity.line_voltage(float(self._noise.normal(0.0, 1.6)), dip)
        values: Values = {
            "item_state": int(ItemState.EXECUTING), "power": math.ceil(power_w / 10.0) * 10.0, "energy_import": int(self._energy_wh) % WRAP_WH,
            "power_factor": quantise(factor, 0.01), "ambient_temperature": quantise(float(ambient(now_us)), 0.1),
        }
        for line, current in enumerate(electricity.phase_currents(power_w, voltage, factor, self._own.phase), start=1):
            values[f"voltage_l{line}"], values[f"current_l{line}"] = quantise(voltage, 0.1), quantise(current, 0.1)
        return values

    def detail(self) -> Values:
        """Nothing: a meter shows all that it knows."""
        return {}

    def take_events(self) -> list[Event]:
        """Nothing."""
        return []

    def _count(self, now_us: int) -> None:
        for sub in self.subs:
            shown = sub.true.get("energy_import")
            if isinstance(shown, int):
                self._energy_wh += (shown - self._before.get(sub.equipment, shown)) * (1.0 + electricity.LOSS_SHARE)
                self._before[sub.equipment] = shown
        self._energy_wh += electricity.LIGHTING_W * (now_us - (self._at_us or now_us)) / 3.6e9
        self._at_us = now_us
