"""Metered utilities: a screw compressor between its two pressures.

The tank's pressure rises by (supply - demand) and falls by the demand, bar/s; loaded 85 %, unloaded 25 % of rated power, as screw compressors with
load/unload control draw (DOE, Improving Compressed Air System Performance, 2016). Air flow = demand · tank volume. While the workshop rests (breaks,
no shift) nobody draws air, and the demand is what a sound system loses, 2 to 5 % of the supply. A leak (fault `air_leak`) adds 15 % of the supply
per unit of severity at its end, growing evenly from a tenth of that; both together leave the compressor a twentieth to fill the tank with.

`detail` names: air_flow m3/min, air_used m3 (counter), load_hours h, run_hours h, ambient_temperature Cel, voltage_l1…3 V, current_l1…3 A,
power_factor.
"""

from collections.abc import Mapping

from simulators.energy import Body, Meter
from simulators.machine import Event, ItemState, Values, generator, next_due_us, quantise
from simulators.personality import personality
from simulators.physics import electricity
from simulators.physics.noise import Noise, colour
from simulators.physics.thermal import ambient
from simulators.schedule import Entry, Schedule
from simulators.settings import Equipment
from simulators.shifts import Calendar, interruption_at
from simulators.timeline import Phase, Timeline

LOW_BAR, HIGH_BAR, SUPPLY_BAR_S = 6.5, 7.5, 0.22
DEMAND_BAR_S = (0.06, 0.11)
TIGHT_SHARE = (0.02, 0.05)
LEAK_SHARE, MOST_SHARE = 0.15, 0.95
LOADED, UNLOADED = 0.85, 0.25
LOADED_OIL, UNLOADED_OIL, OIL_S = 82.0, 64.0, 180.0
_TANK_M3 = 1.0
_UNITS = {"pressure": "bar", "oil_temperature": "Cel", "power": "W", "energy_import": "W.h"}


LEAK = "air_leak"
AT_REST = ("off_shift", "break")
"""Interruptions of the calendar in which nobody draws air."""


def tight_bar_s(seed: int, equipment: str) -> float:
    """What this system loses when it is sound, bar/s."""
    return float(generator(seed, equipment, "tightness").uniform(*TIGHT_SHARE)) * SUPPLY_BAR_S


def demand_bar_s(drawn_bar_s: float, leak: Entry | None, now_us: int) -> float:
    """What is drawn and what leaks at this time, µs UTC, together, bar/s."""
    if leak is None:
        return drawn_bar_s
    grown = max(0.1, min(1.0, (now_us - leak.start_us) / max(1, leak.end_us - leak.start_us)))
    return min(drawn_bar_s + leak.severity * LEAK_SHARE * SUPPLY_BAR_S * grown, MOST_SHARE * SUPPLY_BAR_S)


class Compressor:
    """A compressor: it fills the tank up to 7.5 bar, runs unloaded down to 6.5 bar, and begins again."""

    def __init__(self, settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._schedule = Schedule() if schedule is None else schedule
        self._calendar = calendar
        self._own = personality(seed, settings.id)
        self._dice = generator(seed, settings.id, "behaviour")
        self._pressure_noise, self._oil_noise, self._voltage = (
            Noise(colour(seed, settings.id, signal, sigma), generator(seed, settings.id, "noise", signal))
            for signal, sigma in (("pressure", 0.01), ("oil_temperature", 0.1), ("voltage", 1.6))
        )
        self._meter = Meter(self._dice, step_w=10.0)
        self._oil = Body(68.0, constant_s=OIL_S)
        self._pressure_bar = float(self._dice.uniform(LOW_BAR, HIGH_BAR))
        self._air_m3, self._loaded_us, self._running_us = 0.0, 0, 0
        self._demand_bar_s = 0.0
        self._tight_bar_s = tight_bar_s(seed, settings.id)
        self._power_shown_w = 0.0
        self._timeline: Timeline | None = None

    def scan(self, now_us: int) -> Values:
        """Every signal of the compressor's controller and meter as of `now_us`, µs UTC."""
        if self._timeline is None:
            self.due_us = now_us
            self._timeline = Timeline(now_us, following=self._following, live=self._live)
        phase = self._timeline.advance(now_us)
        self.due_us = next_due_us(self.due_us, now_us, self._settings.period_ms * 1000)
        self._power_shown_w, energy_wh = self._meter.read(now_us)
        return {
            "item_state": int(phase.item_state),
            "pressure": quantise(self._pressure_bar + self._pressure_noise.next(), 0.01),
            "oil_temperature": quantise(self._oil.temperature + self._oil_noise.next(), 0.1),
            "power": self._power_shown_w,
            "energy_import": energy_wh,
        }

    def detail(self) -> Values:
        """Air, hours, hall temperature and the three-phase meter, as of the last scan."""
        if self._timeline is None:
            return {}
        at_us = self._timeline.at_us
        dip = self._schedule.severity("power_quality_event", self.equipment, at_us)
        factor = electricity.power_factor(self._power_shown_w, self._settings.rated_power_w, dip)
        voltage = electricity.line_voltage(self._voltage.next(), dip)
        values: Values = {
            "air_flow": quantise(self._demand_bar_s * _TANK_M3 * 60.0, 0.01), "air_used": int(self._air_m3),
            "load_hours": quantise(self._loaded_us / 3.6e9, 0.01), "run_hours": quantise(self._running_us / 3.6e9, 0.01),
            "ambient_temperature": quantise(float(ambient(at_us)), 0.1), "power_factor": quantise(factor, 0.01),
        }
        for line, current in enumerate(electricity.phase_currents(self._power_shown_w, voltage, factor, self._own.phase), start=1):
            values[f"voltage_l{line}"], values[f"current_l{line}"] = quantise(voltage, 0.1), quantise(current, 0.01)
        return values

    def take_events(self) -> list[Event]:
        """Nothing: a compressor has no secrets."""
        return []

    def _live(self, phase: Phase, from_us: int, to_us: int) -> None:
        self._meter.add(phase.power_w, from_us, to_us)
        self._oil.tend(LOADED_OIL if phase.name == "loaded" else UNLOADED_OIL, from_us, to_us)
        self._pressure_bar += phase.load * (to_us - from_us) / 1e6
        self._air_m3 += self._demand_bar_s * _TANK_M3 * (to_us - from_us) / 1e6
        self._running_us += to_us - from_us
        self._loaded_us += (to_us - from_us) * (phase.name == "loaded")

    def _following(self, ended: Phase | None, now_us: int) -> Phase:
        """Loaded and unloaded by turns, each as long as the pressure needs; the workshop's demand varies."""
        drawn_bar_s = float(self._dice.uniform(*DEMAND_BAR_S))
        resting = None if self._calendar is None else interruption_at(self._calendar, self.equipment, now_us)
        if resting is not None and resting.reason in AT_REST:
            drawn_bar_s = self._tight_bar_s
        self._demand_bar_s = demand_bar_s(drawn_bar_s, self._schedule.active(LEAK, self.equipment, now_us), now_us)
        rated_w = self._settings.rated_power_w * self._own.cutting
        if ended is None or ended.name == "unloaded":
            rate = SUPPLY_BAR_S - self._demand_bar_s
            return Phase("loaded", self._time_us(HIGH_BAR, rate), rated_w * LOADED, load=rate)
        rate = -self._demand_bar_s
        return Phase("unloaded", self._time_us(LOW_BAR, rate), rated_w * UNLOADED, ItemState.NOT_EXECUTING, load=rate)

    def _time_us(self, to_bar: float, rate_bar_s: float) -> int:
        return max(500_000, round((to_bar - self._pressure_bar) / rate_bar_s * 1e6))
