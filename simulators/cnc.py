"""Machining centres and lathes: programs of operations, tools that wear and are changed, short stops with alarms, and what may go wrong.

Power: P = P_0 + P_turning + P_c · (1 + 0.3 · w) · override with the cutting power of `simulators.physics.cutting` and the tool's wear w; the meter
counts it phase by phase. The physics of each signal and the reasons of bad parts are in `simulators.physics`.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np

from simulators.cnc_detail import Sensors, detail
from simulators.energy import Body, Meter
from simulators.faults import BearingWear
from simulators.machine import Event, ItemState, OperationMode, Values, generator, next_due_us
from simulators.magazine import Magazine
from simulators.orders import Order, new_order
from simulators.personality import personality
from simulators.physics import scrap
from simulators.physics.cutting import BLUNTING
from simulators.physics.spindle import IDLE_SHARE, RATED_SHARE, TURNING_SHARE, warmth
from simulators.physics.thermal import ambient
from simulators.programs import PROGRAMS
from simulators.schedule import Entry, Schedule
from simulators.settings import Equipment
from simulators.shifts import Calendar, Interruption
from simulators.standstill import standstill
from simulators.timeline import Phase, Timeline

WARMED_UP = 34.0
"""Temperature of the spindle at which dimensions are right, Cel."""
THERMAL_S, AXIS_THERMAL_S = 60.0, 180.0
STOP_ALARMS = (1030, 2034, 3110)
ORDER_PARTS = (12, 19)
SET_UP_US, TOOL_CHANGE_US = 1_200_000, 1_000_000
_UNITS = {
    "spindle_load": "%", "spindle_speed": "{rev}/min", "spindle_temperature": "Cel", "spindle_vibration": "mm/s", "feed_override": "%",
    "power": "W", "energy_import": "W.h", "part_count": "{part}", "good_count": "{part}", "scrap_count": "{part}",
}


class Cnc:
    """A CNC machine. A part is loaded, cut by each operation of its program and taken out; orders, tools, breaks and faults come between."""

    def __init__(self, settings: Equipment, seed: int, schedule: Schedule | None = None, calendar: Calendar | None = None) -> None:
        self.equipment = settings.id
        self.kind: str = settings.kind
        self.units: Mapping[str, str] = _UNITS
        self.due_us = 0
        self.settings = settings
        self.own = personality(seed, settings.id)
        self.schedule = Schedule() if schedule is None else schedule
        self._calendar = calendar
        # Two sets of dice: what happens must not depend on how often somebody looks, and looking throws the dice of the sensors' noise.
        self._dice = generator(seed, settings.id, "behaviour")
        self._sensors = Sensors(settings, seed)
        self._meter = Meter(self._dice, step_w=10.0)
        self.spindle = Body(WARMED_UP, constant_s=THERMAL_S)
        self.axis = Body(24.0, constant_s=AXIS_THERMAL_S)
        self._wear = BearingWear(settings.faults)
        self._programs = PROGRAMS[settings.kind]
        self.magazine = Magazine(self._programs, self._dice, self.own.wear)
        # Counters of a machine that has worked before: only differences mean anything.
        self.good = int(self._dice.integers(100, 400))
        self.scrap = int(self._dice.integers(0, 6))
        self.started = self.good + self.scrap
        self.program = self._programs[0]
        self.order: Order | None = None
        self._orders = 0
        self.feed_override = 100.0
        self.phase = Phase("off", 1, 0.0)
        self.power_w = 0.0
        self._doom = ""
        self._steps: list[tuple[int, int, int]] = []
        self._part_us = 0
        self._handled: set[Entry] = set()
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
        self.phase = phase = self._timeline.advance(now_us)
        self.due_us = next_due_us(self.due_us, now_us, self.settings.period_ms * 1000)
        self._events += self._wear.events(self._start_us, now_us)
        self.power_w, energy_wh = self._meter.read(now_us)
        return {
            "item_state": int(phase.item_state),
            "operation_mode": int(phase.mode),
            "program": self.program.name,
            **self._sensors.read(phase, self.spindle.temperature, self.bearing(now_us)),
            "feed_override": self.feed_override,
            "power": self.power_w,
            "energy_import": energy_wh,
            "part_count": self.good + self.scrap,
            "good_count": self.good,
            "scrap_count": self.scrap,
            "alarm": phase.alarm,
            **(self.told() if self.settings.serials else {}),
        }

    def told(self) -> Values:
        """What the part in process is: its serial, and order and lot that it is made of."""
        number, lot = ("", "") if self.order is None else (self.order.number, self.order.lot)
        return {"part_serial": self.serial(1), "order": number, "material_lot": lot}

    def detail(self) -> Values:
        """Tools, axes, coolant, door, overrides, alarm text, order, part in process, three-phase meter; names in `simulators.cnc_detail`."""
        at_us = 0 if self._timeline is None else self._timeline.at_us
        return detail(self, self._sensors, at_us)

    def take_events(self) -> list[Event]:
        """Parts finished, orders, tool changes and wear, since the last call."""
        events, self._events = self._events, []
        return events

    def bearing(self, now_us: int) -> float:
        """How worn the spindle's bearing is: by the machine's own settings, or by a scheduled fault that reaches its severity at its end."""
        worn = self._wear.severity(now_us - self._start_us)
        for entry in self.schedule.entries(self.equipment):
            if entry.kind == "bearing_wear" and now_us >= entry.start_us:
                share = min(1.0, (now_us - entry.start_us) / max(1, entry.end_us - entry.start_us))
                worn = max(worn, entry.severity * float(np.expm1(3.0 * share) / np.expm1(3.0)))
        return worn

    def _fault(self, kind: str, now_us: int) -> float:
        return self.schedule.severity(kind, self.equipment, now_us)

    def _live(self, phase: Phase, from_us: int, to_us: int) -> None:
        self._meter.add(phase.power_w, from_us, to_us)
        hall = float(ambient(from_us))
        heat = self.own.warmth * float(warmth(phase.load, self.bearing(from_us), self._fault("spindle_overheating", from_us)))
        self.spindle.tend(hall + heat, from_us, to_us)
        self.axis.tend(hall + 0.08 * phase.load, from_us, to_us)

    def _following(self, ended: Phase | None, now_us: int) -> Phase:
        if ended is not None:
            self._end(ended, now_us)
        broken = self._broken(now_us)
        if broken is not None:
            return broken
        pause = standstill(self._calendar, self.schedule, self.equipment, now_us)
        if pause is not None and not self._plan:
            return self._pause(pause, now_us)
        if now_us >= self._next_stop_us:
            return self._stop(now_us)
        if not self._plan:
            self._plan_part(now_us)
        return self._plan.popleft()

    def _end(self, ended: Phase, now_us: int) -> None:
        if ended.name == "approach":
            self.started += 1
            self._part_us, self._steps = now_us - ended.duration_us, []
        elif ended.operation >= 0:
            self.magazine.use(self.program, ended.operation, 1.0 + self._fault("coolant_loss", now_us))
            self._steps.append((self.program.operations[ended.operation].tool.number, now_us - ended.duration_us, now_us))
        elif ended.name == "take_out":
            self._finish_part(now_us)
        elif ended.name == "tool_change":
            self.magazine.change(ended.tool)
            self._events.append(Event("tool_changed", now_us, {"tool": ended.tool}))

    def _finish_part(self, now_us: int) -> None:
        wear = min(1.0, self.magazine.wear[self.program.operations[self.program.finishing].tool.number])
        faults = (self.bearing(now_us), self._fault("axis_backlash", now_us), self._fault("coolant_loss", now_us))
        one = [np.array([value]) for value in (wear, self.spindle.temperature - WARMED_UP, *faults)]
        drawn = int(scrap.reasons(scrap.hazards(self.settings.scrap_probability, *one), self._dice.random(1))[0])
        reason, self._doom = self._doom or (scrap.CODES[drawn] if drawn >= 0 else ""), ""
        self.good += reason == ""
        self.scrap += reason != ""
        order = self.order
        assert order is not None  # noqa: S101 – _plan_part() made it
        order.good += reason == ""
        order.scrap += reason != ""
        self._events.append(Event("part", now_us, {
            "serial": self.serial(0), "good": reason == "", "reason": reason, "wear": round(wear, 4), "program": self.program.name,
            "order": order.number, "lot": order.lot, "start_us": self._part_us,
            "steps": ";".join(f"{tool}:{start}:{end}" for tool, start, end in self._steps),
        }))
        if order.good + order.scrap >= order.quantity:
            order.completed_us = now_us
            self._events.append(Event("order_completed", now_us, {"order": order.number, "good": order.good, "scrap": order.scrap}))

    def serial(self, ahead: int) -> str:
        """The serial number of the part that was finished last, or of one so many parts later."""
        return f"{self.equipment}-{self.good + self.scrap + ahead:06d}"

    def _broken(self, now_us: int) -> Phase | None:
        """The stop that a collision or a broken tool forces, while something is cut; the part is scrap, and a broken tool is replaced."""
        if self.started == self.good + self.scrap or not any(phase.operation >= 0 for phase in self._plan):
            return None
        for kind, alarm in (("tool_breakage", 1021), ("collision_stop", 3107)):
            # A fault shorter than a cycle still strikes, at the next cut.
            grace_us = 2000 * self.settings.ideal_cycle_ms
            entries = (entry for entry in self.schedule.entries(self.equipment) if entry.kind == kind and entry not in self._handled)
            entry = next((entry for entry in entries if entry.start_us <= now_us < entry.end_us + grace_us), None)
            if entry is None:
                continue
            self._handled.add(entry)
            self._doom = scrap.CERTAIN[kind]
            # Nothing more is cut: the part is taken out.
            self._plan = deque(phase for phase in self._plan if phase.operation < 0)
            if kind == "tool_breakage":
                self.magazine.change(max(self.magazine.wear, key=self.magazine.wear.__getitem__))
            duration_us = max(1_500_000, min(entry.end_us, now_us + 86_400_000_000) - now_us)
            return Phase(kind, duration_us, self._power_w(0.0), ItemState.OUT_OF_SERVICE, alarm=alarm)
        return None

    def _pause(self, pause: Interruption, now_us: int) -> Phase:
        """Planned time without production. Off shift the machine is switched off but for its controller."""
        duration_us = pause.end_us - now_us
        if pause.reason == "off_shift":
            return Phase("off_shift", duration_us, 0.1 * self._power_w(0.0), ItemState.NOT_AVAILABLE, OperationMode.NONE)
        mode = OperationMode.MAINTENANCE if pause.reason == "maintenance" else OperationMode.PROCESSING
        return Phase(pause.reason, duration_us, self._power_w(0.0), ItemState.NOT_EXECUTING, mode)

    def _stop(self, now_us: int) -> Phase:
        """A short stop: the machine is blocked until somebody has cleared the alarm."""
        duration_us = round(self._dice.uniform(1.5e6, 4.0e6))
        self._next_stop_us = now_us + duration_us + self._until_stop_us()
        alarm = int(self._dice.choice(STOP_ALARMS))
        return Phase("stop", duration_us, self._power_w(0.0), ItemState.OUT_OF_SERVICE, alarm=alarm)

    def _plan_part(self, now_us: int) -> None:
        if self.order is None or self.order.completed_us:
            self._new_order(now_us)
        worn = self.magazine.worn()
        if worn is not None:
            self._plan.append(Phase("tool_change", TOOL_CHANGE_US, self._power_w(0.0), ItemState.NOT_EXECUTING, OperationMode.SETUP, tool=worn))
        cycle_us = self.settings.ideal_cycle_ms * 1000
        machining_us = cycle_us * 100.0 / self.feed_override
        self._plan.append(self._cut("approach", machining_us * 0.12, 0.0))
        for index, (operation, power_w) in enumerate(zip(self.program.operations, self.program.powers(), strict=True)):
            blunt = 1.0 + BLUNTING * min(1.0, self.magazine.wear[operation.tool.number])
            cutting_w = min(power_w * self.own.cutting * blunt * self.feed_override / 100.0, 1.1 * RATED_SHARE * self.settings.rated_power_w)
            cutting_w *= float(self._dice.uniform(0.96, 1.04))
            share_us = machining_us * 0.75 * operation.seconds / self.program.seconds
            self._plan.append(self._cut(f"op{index + 1}", share_us, cutting_w, index, operation.cut.spindle_speed, operation.tool.number))
        self._plan.append(self._cut("take_out", machining_us * 0.13, 0.0))
        waiting_us = round(cycle_us * self._dice.uniform(self.own.short, self.own.long))
        self._plan.append(Phase("wait", waiting_us, self._power_w(0.0), ItemState.NOT_EXECUTING))

    def _new_order(self, now_us: int) -> None:
        setting_up = self.order is not None
        others = [program for program in self._programs if self.order is None or program is not self.program]
        self.program = others[int(self._dice.integers(len(others)))]
        quantity = int(self._dice.integers(*ORDER_PARTS))
        self.order = new_order(self.equipment, self._orders, self.program, quantity, now_us, self.settings.ideal_cycle_ms * 1000)
        self._orders += 1
        self._events.append(Event("order_started", now_us, {
            "order": self.order.number, "program": self.program.name, "quantity": quantity, "due_us": self.order.due_us, "lot": self.order.lot,
        }))
        self.feed_override = float(self._dice.choice((95.0, 100.0), p=(0.25, 0.75)))
        if setting_up:
            self._plan.append(Phase("set_up", SET_UP_US, self._power_w(0.0), ItemState.NOT_EXECUTING, OperationMode.SETUP))

    def _cut(self, name: str, duration_us: float, cutting_w: float, operation: int = -1, speed: float = 800.0, tool: int = 0) -> Phase:
        load = 4.0 + 100.0 * cutting_w / (RATED_SHARE * self.settings.rated_power_w)
        power_w = self._power_w(cutting_w, turning=True)
        return Phase(name, round(duration_us), power_w, load=load, speed=speed, operation=operation, tool=tool)

    def _power_w(self, cutting_w: float, *, turning: bool = False) -> float:
        return self.settings.rated_power_w * (IDLE_SHARE * self.own.idle + TURNING_SHARE * turning) + cutting_w

    def _until_stop_us(self) -> int:
        return round(self._dice.exponential(self.settings.stop_every_s * 1e6))
