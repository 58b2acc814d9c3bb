"""Metered utilities: a screw compressor between its two pressures."""

from collections.abc import Mapping

from simulators.energy import Body, Meter
from simulators.machine import Event, ItemState, Values, generator, next_due_us, quantise
from simulators.settings import Equipment
from simulators.timeline import Phase, Timeline

_LOW_BAR, _HIGH_BAR = 6.5, 7.5
_UNITS = {"pressure": "bar", "oil_temperature": "Cel", "power": "W", "energy_import": "W.h"}


class Compressor:
    """A compressor: it fills the tank up to 7.5 bar, runs unloaded down to 6.5 bar, and begins again."""

    def __init__(self, settings: Equipment, seed: int) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._dice = generator(seed, settings.id, "behaviour")
        self._noise = generator(seed, settings.id, "noise")
        self._meter = Meter(self._dice, step_w=10.0)
        self._oil = Body(68.0, constant_s=180.0)
        self._pressure_bar = float(self._dice.uniform(_LOW_BAR, _HIGH_BAR))
        self._timeline: Timeline | None = None

    def scan(self, now_us: int) -> Values:
        """Every signal of the compressor's controller and meter as of `now_us`, µs UTC."""
        if self._timeline is None:
            self.due_us = now_us
            self._timeline = Timeline(now_us, following=self._following, live=self._live)
        phase = self._timeline.advance(now_us)
        self.due_us = next_due_us(self.due_us, now_us, self._settings.period_ms * 1000)
        power_w, energy_wh = self._meter.read(now_us)
        return {
            "item_state": int(phase.item_state),
            "pressure": quantise(self._pressure_bar + self._noise.normal(0.0, 0.01), 0.01),
            "oil_temperature": quantise(self._oil.temperature + self._noise.normal(0.0, 0.1), 0.1),
            "power": power_w,
            "energy_import": energy_wh,
        }

    def detail(self) -> Values:
        """Nothing more yet."""
        return {}

    def take_events(self) -> list[Event]:
        """Nothing: a compressor has no secrets yet."""
        return []

    def _live(self, phase: Phase, from_us: int, to_us: int) -> None:
        self._meter.add(phase.power_w, from_us, to_us)
        self._oil.tend(82.0 if phase.name == "loaded" else 64.0, from_us, to_us)
        self._pressure_bar += phase.load * (to_us - from_us) / 1e6

    def _following(self, ended: Phase | None, now_us: int) -> Phase:
        """Loaded and unloaded by turns, each as long as the pressure needs; the workshop's demand varies."""
        demand_bar_s = self._dice.uniform(0.06, 0.11)
        rated_w = self._settings.rated_power_w
        if ended is None or ended.name == "unloaded":
            rate = 0.22 - demand_bar_s
            return Phase("loaded", self._time_us(_HIGH_BAR, rate), rated_w * 0.85, load=rate)
        return Phase("unloaded", self._time_us(_LOW_BAR, -demand_bar_s), rated_w * 0.25, ItemState.NOT_EXECUTING, load=-demand_bar_s)

    def _time_us(self, to_bar: float, rate_bar_s: float) -> int:
        return max(500_000, round((to_bar - self._pressure_bar) / rate_bar_s * 1e6))
