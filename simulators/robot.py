"""Six-axis robots that carry parts from one place to another, what they show beyond the register, and their faults.

Joints move between the places of a handling program with the 3-4-5 polynomial s(u) = 10u³ - 15u⁴ + 6u⁵, so that speed and acceleration are continuous
(Siciliano et al., Robotics: Modelling, Planning and Control, 4.2). Motor current: I_i = k_i · (0.3 + 0.4 · payload/20 kg + |q̇_i| / 120 deg/s), A.

`detail` names: axis_1…6_position deg, axis_1…6_speed deg/s, axis_1…6_current A, axis_1…6_temperature Cel, payload kg, vacuum kPa, speed_override %,
operational_mode (OPC 40010-1: 3 automatic), emergency_stop, protective_stop, alarm_text, voltage_l1…3 V, current_l1…3 A, power_factor.
"""

from collections import deque
from collections.abc import Mapping

from simulators.energy import Body, Meter
from simulators.machine import Event, ItemState, OperationMode, Values, generator, next_due_us, quantise
from simulators.personality import personality
from simulators.physics import electricity
from simulators.physics.noise import Noise, colour
from simulators.physics.thermal import ambient
from simulators.programs import ALARMS
from simulators.schedule import Entry, Schedule
from simulators.settings import Equipment
from simulators.shifts import Calendar
from simulators.standstill import standstill
from simulators.timeline import Phase, Timeline

WARMTH, THERMAL_S = 0.3, 120.0
"""Motor temperature above ambient per deg/s, and its time constant, s."""
STOP_ALARM, COLLISION_ALARM, LEAK_ALARM = 50036, 50056, 50204
SHARES = (("approach", 0.38, 1.0), ("grip", 0.10, 0.0), ("carry", 0.42, 0.7), ("release", 0.10, 0.0))
"""Phases of a cycle: share of the ideal cycle, and of the cycle's speed."""
IDLE_SHARE, SPEED_SHARE = 0.07, 0.30
_HOME, _PICK, _PLACE = (0.0, -30.0, 60.0, 0.0, 60.0, 0.0), (70.0, 25.0, 40.0, 0.0, 65.0, 20.0), (-80.0, 10.0, 55.0, 0.0, 45.0, -40.0)
_PAYLOAD_KG = 6.5
_GEARS = (2.4, 2.6, 1.9, 0.9, 0.7, 0.5)
_UNITS = {"cycle_count": "{cycle}", "motor_temperature": "Cel", "joint_speed": "deg/s", "power": "W", "energy_import": "W.h"}


def program_name(seed: int, equipment: str) -> str:
    """The handling program of this robot, live and in the history."""
    return f"HANDLING_{int(generator(seed, equipment, 'program').integers(1, 9))}"


class Robot:
    """A handling robot: it approaches, grips, carries, releases and waits for the next part; now and then it stops with an alarm."""

    def __init__(self, settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self._settings = settings
        self._own = personality(seed, settings.id)
        self._schedule = Schedule() if schedule is None else schedule
        self._calendar = calendar
        self._dice = generator(seed, settings.id, "behaviour")
        self._temperature_noise, self._speed_noise, self._voltage, self._vacuum = (
            Noise(colour(seed, settings.id, signal, sigma), generator(seed, settings.id, "noise", signal))
            for signal, sigma in (("motor_temperature", 0.1), ("joint_speed", 0.02), ("voltage", 1.6), ("vacuum", 2.0))
        )
        self._meter = Meter(self._dice, step_w=1.0)
        self._motor = Body(36.0, constant_s=THERMAL_S)
        self._cycles = int(self._dice.integers(1_000, 9_000))
        self._program = program_name(seed, settings.id)
        self._plan: deque[Phase] = deque()
        self._events: list[Event] = []
        self._handled: set[Entry] = set()
        self._next_stop_us = 0
        self._power_shown_w = 0.0
        self._timeline: Timeline | None = None

    def scan(self, now_us: int) -> Values:
        """Every signal of the controller as of `now_us`, µs UTC."""
        if self._timeline is None:
            self.due_us = now_us
            self._next_stop_us = now_us + self._until_stop_us()
            self._timeline = Timeline(now_us, following=self._following, live=self._live)
        phase = self._timeline.advance(now_us)
        self.due_us = next_due_us(self.due_us, now_us, self._settings.period_ms * 1000)
        self._power_shown_w, energy_wh = self._meter.read(now_us)
        speed = phase.load * (1.0 + self._speed_noise.next()) if phase.load else 0.0
        return {
            "item_state": int(phase.item_state),
            "operation_mode": int(phase.mode),
            "program": self._program,
            "cycle_count": self._cycles,
            "motor_temperature": quantise(self._motor.temperature + self._temperature_noise.next(), 0.1),
            "joint_speed": quantise(speed, 0.01),
            "gripper_closed": int(phase.name in ("grip", "carry")),
            "power": self._power_shown_w,
            "energy_import": energy_wh,
            "alarm": phase.alarm,
        }

    def detail(self) -> Values:
        """Joints, motors, payload, vacuum, safety and the three-phase meter, as of the last scan."""
        timeline = self._timeline
        if timeline is None:
            return {}
        phase, at_us = timeline.phase, timeline.at_us
        share = 1.0 - (timeline.until_us - at_us) / max(1, phase.duration_us)
        before, after = {"approach": (_HOME, _PICK), "carry": (_PICK, _PLACE), "grip": (_PICK, _PICK)}.get(phase.name, (_PLACE, _PLACE))
        rest = _HOME if phase.name in ("wait", "break", "off_shift", "maintenance") else None
        travel, rate = 10 * share**3 - 15 * share**4 + 6 * share**5, 30 * share**2 - 60 * share**3 + 30 * share**4
        holding = phase.name in ("grip", "carry")
        payload = _PAYLOAD_KG if holding else 0.0
        leak = self._schedule.severity("gripper_leak", self.equipment, at_us)
        dip = self._schedule.severity("power_quality_event", self.equipment, at_us)
        values: Values = {}
        for number, (start, end, gear) in enumerate(zip(before, after, _GEARS, strict=True), start=1):
            position = start + (end - start) * travel if rest is None else rest[number - 1]
            speed = (end - start) * rate / (phase.duration_us / 1e6) if rest is None else 0.0
            values[f"axis_{number}_position"] = quantise(position, 0.001)
            values[f"axis_{number}_speed"] = quantise(speed, 0.01)
            values[f"axis_{number}_current"] = quantise(gear * (0.3 + 0.4 * payload / 20.0 + abs(speed) / 120.0), 0.01)
            values[f"axis_{number}_temperature"] = quantise(self._motor.temperature - 1.3 * (number - 1) + 0.4 * self._own.phase[number % 3], 0.1)
        factor = electricity.power_factor(self._power_shown_w, self._settings.rated_power_w, dip)
        voltage = electricity.line_voltage(self._voltage.next(), dip)
        values |= {
            "payload": payload, "vacuum": quantise(min(0.0, (-62.0 + 20.0 * leak + self._vacuum.next()) if holding else 0.0), 0.1),
            "speed_override": 100.0, "operational_mode": 3, "emergency_stop": 0, "protective_stop": int(phase.alarm in (COLLISION_ALARM, LEAK_ALARM)),
            "alarm_text": ALARMS.get(phase.alarm, ""), "ambient_temperature": quantise(float(ambient(at_us)), 0.1),
            "power_factor": quantise(factor, 0.01),
        }
        currents = electricity.phase_currents(self._power_shown_w, voltage, factor, self._own.phase)
        for line, current in enumerate(currents, start=1):
            values[f"voltage_l{line}"], values[f"current_l{line}"] = quantise(voltage, 0.1), quantise(current, 0.001)
        return values

    def take_events(self) -> list[Event]:
        """Protective stops since the last call."""
        events, self._events = self._events, []
        return events

    def _live(self, phase: Phase, from_us: int, to_us: int) -> None:
        self._meter.add(phase.power_w, from_us, to_us)
        self._motor.tend(float(ambient(from_us)) + WARMTH * self._own.warmth * phase.load, from_us, to_us)

    def _following(self, ended: Phase | None, now_us: int) -> Phase:
        if ended is not None and ended.name == "release":
            self._cycles += 1
        entry = self._schedule.active("collision_stop", self.equipment, now_us)
        if entry is not None and entry not in self._handled:
            self._handled.add(entry)
            return self._stop(max(1, min(entry.end_us, now_us + 86_400_000_000) - now_us), COLLISION_ALARM, now_us)
        leak = self._schedule.severity("gripper_leak", self.equipment, now_us)
        if ended is not None and ended.name == "grip" and leak and self._dice.random() < 0.2:
            return self._stop(round(self._dice.uniform(1.5e6, 3.0e6)), LEAK_ALARM, now_us)
        pause = None if self._plan else standstill(self._calendar, self._schedule, self.equipment, now_us)
        if pause is not None:
            off = pause.reason == "off_shift"
            mode = {"off_shift": OperationMode.NONE, "maintenance": OperationMode.MAINTENANCE}.get(pause.reason, OperationMode.PROCESSING)
            state = ItemState.NOT_AVAILABLE if off else ItemState.NOT_EXECUTING
            return Phase(pause.reason, pause.end_us - now_us, self._power_w(0.0) * (0.1 if off else 1.0), state, mode)
        if now_us >= self._next_stop_us:
            duration_us = round(self._dice.uniform(1.5e6, 4.0e6))
            self._next_stop_us = now_us + duration_us + self._until_stop_us()
            return Phase("stop", duration_us, self._power_w(0.0), ItemState.OUT_OF_SERVICE, alarm=STOP_ALARM)
        if not self._plan:
            self._plan_cycle()
        return self._plan.popleft()

    def _stop(self, duration_us: int, alarm: int, now_us: int) -> Phase:
        self._events.append(Event("protective_stop", now_us, {"alarm": alarm, "text": ALARMS[alarm]}))
        return Phase("stop", duration_us, self._power_w(0.0), ItemState.OUT_OF_SERVICE, alarm=alarm)

    def _plan_cycle(self) -> None:
        cycle_us = self._settings.ideal_cycle_ms * 1000
        fast = self._dice.uniform(80.0, 120.0)
        for name, share, part in SHARES:
            self._plan.append(Phase(name, round(cycle_us * share), self._power_w(fast * part), load=fast * part))
        waiting_us = round(cycle_us * self._dice.uniform(self._own.short, self._own.long + 0.05))
        self._plan.append(Phase("wait", waiting_us, self._power_w(0.0), ItemState.NOT_EXECUTING))

    def _power_w(self, speed: float) -> float:
        return self._settings.rated_power_w * (IDLE_SHARE * self._own.idle + SPEED_SHARE * self._own.cutting * speed / 100.0)

    def _until_stop_us(self) -> int:
        return round(self._dice.exponential(self._settings.stop_every_s * 1e6))
