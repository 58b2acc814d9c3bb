"""Six-axis robots that carry parts from one place to another."""

from collections import deque
from collections.abc import Mapping

from simulators.energy import Body, Meter
from simulators.machine import Event, ItemState, Values, generator, next_due_us, quantise
from simulators.settings import Equipment
from simulators.timeline import Phase, Timeline

_AMBIENT = 22.0
_STOP_ALARM = 50036
_UNITS = {"cycle_count": "{cycle}", "motor_temperature": "Cel", "joint_speed": "deg/s", "power": "W", "energy_import": "W.h"}


class Robot:
    """A handling robot: it approaches, grips, carries, releases and waits for the next part; now and then it stops with an alarm."""

    def __init__(self, settings: Equipment, seed: int) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._dice = generator(seed, settings.id, "behaviour")
        self._noise = generator(seed, settings.id, "noise")
        self._meter = Meter(self._dice, step_w=1.0)
        self._motor = Body(_AMBIENT + 14.0, constant_s=120.0)
        self._cycles = int(self._dice.integers(1_000, 9_000))
        self._program = f"HANDLING_{int(self._dice.integers(1, 9))}"
        self._plan: deque[Phase] = deque()
        self._next_stop_us = 0
        self._timeline: Timeline | None = None

    def scan(self, now_us: int) -> Values:
        """Every signal of the controller as of `now_us`, µs UTC."""
        if self._timeline is None:
            self.due_us = now_us
            self._next_stop_us = now_us + self._until_stop_us()
            self._timeline = Timeline(now_us, following=self._following, live=self._live)
        phase = self._timeline.advance(now_us)
        self.due_us = next_due_us(self.due_us, now_us, self._settings.period_ms * 1000)
        power_w, energy_wh = self._meter.read(now_us)
        speed = phase.load * (1.0 + self._noise.normal(0.0, 0.02)) if phase.load else 0.0
        return {
            "item_state": int(phase.item_state),
            "operation_mode": int(phase.mode),
            "program": self._program,
            "cycle_count": self._cycles,
            "motor_temperature": quantise(self._motor.temperature + self._noise.normal(0.0, 0.1), 0.1),
            "joint_speed": quantise(speed, 0.01),
            "gripper_closed": int(phase.name in ("grip", "carry")),
            "power": power_w,
            "energy_import": energy_wh,
            "alarm": phase.alarm,
        }

    def detail(self) -> Values:
        """Nothing more yet."""
        return {}

    def take_events(self) -> list[Event]:
        """Nothing: a robot has no secrets yet."""
        return []

    def _live(self, phase: Phase, from_us: int, to_us: int) -> None:
        self._meter.add(phase.power_w, from_us, to_us)
        self._motor.tend(_AMBIENT + 0.3 * phase.load, from_us, to_us)

    def _following(self, ended: Phase | None, now_us: int) -> Phase:
        if ended is not None and ended.name == "release":
            self._cycles += 1
        if now_us >= self._next_stop_us:
            duration_us = round(self._dice.uniform(1.5e6, 4.0e6))
            self._next_stop_us = now_us + duration_us + self._until_stop_us()
            return Phase("stop", duration_us, self._power_w(0.0), ItemState.OUT_OF_SERVICE, alarm=_STOP_ALARM)
        if not self._plan:
            self._plan_cycle()
        return self._plan.popleft()

    def _plan_cycle(self) -> None:
        cycle_us = self._settings.ideal_cycle_ms * 1000
        fast = self._dice.uniform(80.0, 120.0)
        for name, share, speed in (("approach", 0.38, fast), ("grip", 0.10, 0.0), ("carry", 0.42, fast * 0.7), ("release", 0.10, 0.0)):
            self._plan.append(Phase(name, round(cycle_us * share), self._power_w(speed), load=speed))
        waiting_us = round(cycle_us * self._dice.uniform(0.02, 0.15))
        self._plan.append(Phase("wait", waiting_us, self._power_w(0.0), ItemState.NOT_EXECUTING))

    def _power_w(self, speed: float) -> float:
        return self._settings.rated_power_w * (0.07 + 0.30 * speed / 100.0)

    def _until_stop_us(self) -> int:
        return round(self._dice.exponential(self._settings.stop_every_s * 1e6))
