"""Machining centres and lathes: parts, spindle, short stops with alarms, and a bearing that may wear."""

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

from simulators.energy import Body, Meter
from simulators.faults import BearingWear
from simulators.machine import Event, ItemState, OperationMode, Values, generator, next_due_us, quantise
from simulators.settings import Equipment
from simulators.timeline import Phase, Timeline

_AMBIENT = 22.0
_STOP_ALARMS: Final = (1021, 2034, 3107)


class _Type(msgspec.Struct, frozen=True):
    """What sets a lathe apart from a machining centre."""

    programs: tuple[str, ...]
    speed: float
    """Spindle speed when cutting, {rev}/min."""
    vibration: float
    """Vibration of a sound spindle at full load, mm/s."""
    temperature_step: float
    """Resolution of the temperature sensor, Cel."""


_TYPES: Final = {
    "machining_centre": _Type(("O1001", "O1002", "O1017"), 8000.0, 1.1, 0.1),
    "lathe": _Type(("O2003", "O2011"), 2400.0, 1.4, 0.5),
}
_UNITS = {
    "spindle_load": "%", "spindle_speed": "{rev}/min", "spindle_temperature": "Cel", "spindle_vibration": "mm/s", "feed_override": "%",
    "power": "W", "energy_import": "W.h", "part_count": "{part}", "good_count": "{part}", "scrap_count": "{part}",
}


class Cnc:
    """A CNC machine. A part is loaded, roughed, finished and taken out; now and then there is a new program or a short stop."""

    def __init__(self, settings: Equipment, seed: int) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._type = _TYPES[settings.kind]
        # Two sets of dice: what happens must not depend on how often somebody looks, and looking throws the dice of the sensors' noise.
        self._dice = generator(seed, settings.id, "behaviour")
        self._noise = generator(seed, settings.id, "noise")
        self._meter = Meter(self._dice, step_w=10.0)
        self._spindle = Body(_AMBIENT + 12.0, constant_s=60.0)
        self._wear = BearingWear(settings.faults)
        # Counters of a machine that has worked before: only differences mean anything.
        self._good = int(self._dice.integers(100, 400))
        self._scrap = int(self._dice.integers(0, 6))
        self._program = ""
        self._program_parts = 0
        self._feed_override = 100.0
        self._plan: deque[Phase] = deque()
        self._events: list[Event] = []
        self._start_us = 0
        self._next_stop_us = 0
        self._timeline: Timeline | None = None

    def scan(self, now_us: int) -> Values:
        """Every signal of the controller as of `now_us`, µs UTC."""
        if self._timeline is None:
            self._start_us = self.due_us = now_us
            self._next_stop_us = now_us + self._until_stop_us()
            self._timeline = Timeline(now_us, following=self._following, live=self._live)
        phase = self._timeline.advance(now_us)
        self.due_us = next_due_us(self.due_us, now_us, self._settings.period_ms * 1000)
        self._events += self._wear.events(self._start_us, now_us)
        power_w, energy_wh = self._meter.read(now_us)
        turning = phase.speed > 0.0
        return {
            "item_state": int(phase.item_state),
            "operation_mode": int(phase.mode),
            "program": self._program,
            "spindle_load": quantise(max(0.0, phase.load + self._noise.normal(0.0, 0.8)) if turning else 0.0, 0.1),
            "spindle_speed": quantise(phase.speed * (1.0 + self._noise.normal(0.0, 0.001)), 1.0),
            "spindle_temperature": quantise(self._spindle.temperature + self._noise.normal(0.0, 0.05), self._type.temperature_step),
            "spindle_vibration": quantise(self._vibration(phase, now_us), 0.01),
            "feed_override": self._feed_override,
            "power": power_w,
            "energy_import": energy_wh,
            "part_count": self._good + self._scrap,
            "good_count": self._good,
            "scrap_count": self._scrap,
            "alarm": phase.alarm,
        }

    def detail(self) -> Values:
        """Nothing more yet."""
        return {}

    def take_events(self) -> list[Event]:
        """Parts finished and wear, since the last call."""
        events, self._events = self._events, []
        return events

    def _vibration(self, phase: Phase, now_us: int) -> float:
        if phase.speed == 0.0:
            return 0.04 * float(self._noise.lognormal(0.0, 0.2))
        sound = self._type.vibration * (0.6 + 0.4 * phase.load / 80.0)
        return sound * (1.0 + 0.8 * self._wear.severity(now_us - self._start_us)) * float(self._noise.lognormal(0.0, 0.04))

    def _live(self, phase: Phase, from_us: int, to_us: int) -> None:
        self._meter.add(phase.power_w, from_us, to_us)
        heat = 0.35 * phase.load + 5.0 * self._wear.severity(from_us - self._start_us)
        self._spindle.tend(_AMBIENT + heat, from_us, to_us)

    def _following(self, ended: Phase | None, now_us: int) -> Phase:
        if ended is not None and ended.name == "take_out":
            self._finish_part(now_us)
        if now_us >= self._next_stop_us:
            return self._stop(now_us)
        if not self._plan:
            self._plan_part()
        return self._plan.popleft()

    def _finish_part(self, now_us: int) -> None:
        scrap_probability = self._settings.scrap_probability + 0.03 * self._wear.severity(now_us - self._start_us)
        good = bool(self._dice.random() >= scrap_probability)
        self._good += good
        self._scrap += not good
        serial = f"{self.equipment}-{self._good + self._scrap:06d}"
        self._events.append(Event("part", now_us, {"serial": serial, "good": good}))

    def _stop(self, now_us: int) -> Phase:
        """A short stop: the machine is blocked until somebody has cleared the alarm."""
        duration_us = round(self._dice.uniform(1.5e6, 4.0e6))
        self._next_stop_us = now_us + duration_us + self._until_stop_us()
        alarm = int(self._dice.choice(_STOP_ALARMS))
        return Phase("stop", duration_us, self._power_w(0.0), ItemState.OUT_OF_SERVICE, alarm=alarm)

    def _plan_part(self) -> None:
        if self._program_parts == 0:
            setting_up = self._program != ""
            self._program = str(self._dice.choice([name for name in self._type.programs if name != self._program]))
            self._program_parts = int(self._dice.integers(12, 19))
            self._feed_override = float(self._dice.choice((95.0, 100.0), p=(0.25, 0.75)))
            if setting_up:
                self._plan.append(Phase("set_up", 1_200_000, self._power_w(0.0), ItemState.NOT_EXECUTING, OperationMode.SETUP))
        self._program_parts -= 1
        cycle_us = self._settings.ideal_cycle_ms * 1000
        machining_us = cycle_us * 100.0 / self._feed_override
        rough, finish = self._dice.uniform(55.0, 80.0), self._dice.uniform(25.0, 40.0)
        for name, share, load in (("approach", 0.12, 6.0), ("rough", 0.45, rough), ("finish", 0.30, finish), ("take_out", 0.13, 4.0)):
            self._plan.append(Phase(name, round(machining_us * share), self._power_w(load, turning=True), load=load, speed=self._type.speed))
        waiting_us = round(cycle_us * self._dice.uniform(0.02, 0.09))
        self._plan.append(Phase("wait", waiting_us, self._power_w(0.0), ItemState.NOT_EXECUTING))

    def _power_w(self, load: float, *, turning: bool = False) -> float:
        return self._settings.rated_power_w * (0.12 + 0.03 * turning + 0.55 * load / 100.0)

    def _until_stop_us(self) -> int:
        return round(self._dice.exponential(self._settings.stop_every_s * 1e6))
