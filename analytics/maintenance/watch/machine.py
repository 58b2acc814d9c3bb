"""The watch over one machine: feed it readings in order of time, it learns the sound state first and then tells what is wrong.

By the blocks of ISO 13374: DM `cells`, SD `trend` and `runs`, HA `health`, PA `remaining`, AG the advice in each finding. What it has seen is kept in
`State`, plain data that goes into a JSON file, so that a restart goes on where it stopped. Asks for roles, never for addresses."""

from collections.abc import Mapping, Sequence

import numpy as np

from analytics.maintenance.table import Numbers
from analytics.maintenance.watch.cells import NOTHING, STILL, Cells, Column, Times, cells_of, column_of
from analytics.maintenance.watch.finding import ADVICE, Finding
from analytics.maintenance.watch.quantities import QUANTITIES
from analytics.maintenance.watch.remaining import remaining_hours
from analytics.maintenance.watch.runs import Gauge, far_outside, find_stuck, fresh, learn_runs
from analytics.maintenance.watch.settings import FALSE_ALARMS_PER_MONTH, SCALES, WatchSettings
from analytics.maintenance.watch.state import Open, Quantity, State
from analytics.maintenance.watch.tools import ToolLeft
from analytics.maintenance.watch.trend import deviation, learn, residual_of
from analytics.series import ENERGY_SCALES, Series, series_of
from workshop.block import Block
from workshop.errors import ConfigError
from workshop.register import Equipment
from workshop.signal import Origin, SignalKind, signal_id
from workshop.window import HOUR_US, SECOND_US, Window

_AGREE = 0.002  # share by which a sound power sensor and a sound counter are thought to disagree
_Z = 1.645  # of a 90 % interval
_NUMBER = 2.0**53  # beyond it a number of an alarm is none
_TAIL, _HISTORY = max(SCALES), 2_000
_APART_US = HOUR_US  # readings far outside that are so far apart are two findings
_OVER, _OVER_CELLS = 0.5, 6  # of the limit: below it for half an hour of work a finding has ended


class Watch:
    """One machine under watch."""

    def __init__(self, equipment: Equipment, settings: WatchSettings | None = None, state: State | None = None) -> None:
        """Goes on from a state, or begins to learn.

        Raises:
            ConfigError: cells of which no whole number makes an hour.
        """
        if settings is not None and (settings.cell_us < SECOND_US or HOUR_US % settings.cell_us):
            raise ConfigError(f"watch: a cell of {settings.cell_us} µs; an hour must be a whole number of them, of 1 s at least")
        self.equipment, self.settings = equipment, settings or WatchSettings()
        self.state = state or State(equipment.id)
        self._signals = [signal for signal in equipment.signals if signal.origin is Origin.MACHINE and signal.kind is not SignalKind.TEXT]
        self._gauges = [s.role for s in self._signals if s.kind is SignalKind.GAUGE]
        self._events = [s.role for s in self._signals if s.kind in {SignalKind.STATE, SignalKind.COUNTER} and s.role not in
                        {"energy_import", "operation_mode"}]
        counter = equipment.signal("energy_import")
        self._watt_hours = ENERGY_SCALES.get(counter.unit, 1000) / 1000 if counter else 1.0

    @property
    def inputs(self) -> list[str]:
        """Ids of the signals that it wants to be fed."""
        return [signal_id(self.equipment.id, signal.name) for signal in self._signals]

    def feed(self, block: Block, window: Window) -> list[Finding]:
        """Takes the readings of a window, which follows the last one and is cut at cells; returns what was found, in order of time."""
        found = series_of(block, set(self.inputs))
        return self.take({signal.role: found.get(signal_id(self.equipment.id, signal.name)) for signal in self._signals}, window)

    def take(self, series: Mapping[str, Series | None], window: Window) -> list[Finding]:
        """As `feed`, with the series by role."""
        edge_us = self._learned_us(series)
        if not self.state.ready and edge_us is not None and window.start_us < edge_us < window.end_us:
            halves = Window(window.start_us, edge_us), Window(edge_us, window.end_us)
            return [one for half in halves for one in self._piece({role: _cut(each, half) for role, each in series.items()}, half)]
        return self._piece(series, window)

    def _learned_us(self, series: Mapping[str, Series | None]) -> int | None:
        """Where learning ends: at the first cell that begins as long after the first reading as is to be learned from."""
        first = [int(one.time_us[0]) for one in series.values() if one is not None and len(one)]
        began_us = self.state.began_us or min(first, default=0)
        return -(-(began_us + self.settings.learn_us) // self.settings.cell_us) * self.settings.cell_us if began_us else None

    def _piece(self, series: Mapping[str, Series | None], window: Window) -> list[Finding]:
        state, cell_us = self.state, self.settings.cell_us
        columns = {role: column_of(one, state.carried.get(role)) for role, one in series.items()}
        for role, column in columns.items():
            if len(column.time_us):
                state.carried[role] = (int(column.time_us[-1]), float(column.value[-1]))
        began = [int(one.time_us[0]) for one in series.values() if one is not None and len(one)]
        if not state.began_us and began:
            state.began_us = min(began)
        state.fed_us = window.end_us
        state.tools.take(columns)
        events = self._event_times(columns)
        cells = cells_of(columns, window.start_us // cell_us, window.end_us // cell_us, cell_us, rated_w=max(self.equipment.rated_power_w, 1),
                         watt_hours=self._watt_hours)
        if not state.ready:
            self._learn(columns, events, cells)
            return []
        findings = [*self._trends(cells), *self._stand_stills(columns, events), *self._stops(columns.get("alarm", NOTHING))]
        return sorted(findings, key=lambda one: (one.at_us, one.what))

    def glance(self, block: Block) -> list[Finding]:
        """Stops by alarms in the newest readings of the role `alarm`, sooner than a cell ends; what was seen here `feed` does not tell again."""
        signal = self.equipment.signal("alarm")
        if signal is None or not self.state.ready:
            return []
        name = signal_id(self.equipment.id, signal.name)
        return self._stops(column_of(series_of(block, {name}).get(name), None))

    def anomaly(self) -> tuple[float, float, float] | None:
        """The largest deviation in units of its limit, with a 90 % interval of its measurement; None while the sound state is learned."""
        if not self.state.ready:
            return None
        found = [(one.strength, one.learned.limit) for one in self.state.quantities.values() if one.learned]
        worst, limit = max(found, default=(0.0, 8.0))
        if any(kind.startswith(("sensor_stuck", "sensor_range")) for kind in self.state.open):
            worst = max(worst, 1.0)
        return worst, max(worst - _Z / limit, 0.0), worst + _Z / limit

    def health(self) -> tuple[float, float, float] | None:
        """Health and its 90 % interval: 1 as when sound, 0.5 at the limit of telling, towards 0; None while it is learned."""
        anomaly = self.anomaly()
        if anomaly is None:
            return None
        index = [1 / (1 + at**2) for at in (anomaly[0], anomaly[2], anomaly[1])]
        return index[0], index[1], index[2]

    def tools(self, now_us: int, opportunities: Sequence[int]) -> list[ToolLeft]:
        """What each tool has left and when to change it, the first to be changed first; see `Tools.left`."""
        return self.state.tools.left(now_us, opportunities, limit=self.settings.worn_tool)

    def remaining(self) -> tuple[float, float, float] | None:
        """Hours until the bearing's vibration reaches its end, with a 90 % interval; None while it does not grow."""
        quantity = self.state.quantities.get("bearing_wear")
        if quantity is None or "bearing_wear" not in self.state.open:
            return None
        return remaining_hours(quantity.history, self.settings.cell_us / HOUR_US, self.settings.worn_vibration)

    def _event_times(self, columns: Mapping[str, Column]) -> Times:
        changed = []
        for role in self._events:
            column = columns.get(role, NOTHING)
            skip = 1 if len(column.value) else 0
            changed.append(column.time_us[skip:][column.value[1:] != column.value[:-1]])
        times: Times = np.unique(np.concatenate(changed)) if changed else np.zeros(0, np.int64)
        return times

    def _rows(self, kind: str, cells: Cells) -> tuple[Times, Numbers, Numbers]:
        """Numbers, values and conditions of the cells that say something about a quantity."""
        value, conditions, *_ = QUANTITIES[kind]
        table = np.column_stack([getattr(cells, name) for name in (value, *conditions)])
        usable = np.isfinite(table).all(axis=1)
        if kind == "sensor_drift":
            usable &= cells.still <= STILL
        return cells.number[usable], table[usable, 0], table[usable, 1:]

    def _learn(self, columns: Mapping[str, Column], events: Times, cells: Cells) -> None:
        state = self.state
        for role in self._gauges:
            learn_runs(state.gauges.setdefault(role, Gauge()), columns.get(role, NOTHING), events)
        alarm = fresh(columns.get("alarm", NOTHING))[1]
        if len(alarm):
            state.alarm = state.carried["alarm"]
        state.alarms = sorted({*state.alarms, *np.unique(alarm[np.abs(alarm) < _NUMBER]).astype(np.int64).tolist()})
        for kind in QUANTITIES:
            self._collect(kind, cells)
        edge_us = self._learned_us({})
        if edge_us is not None and state.fed_us >= edge_us:
            state.ready = True
            for kind in QUANTITIES:
                self._settle(kind)

    def _collect(self, kind: str, cells: Cells) -> None:
        _, values, conditions = self._rows(kind, cells)
        quantity = self.state.quantities.setdefault(kind, Quantity())
        quantity.values += values.tolist()
        quantity.conditions += conditions.tolist()

    def _settle(self, kind: str) -> None:
        """Learns what is normal from the cells that were collected; too few of them, and collecting goes on."""
        _, names, sign, floor, _ = QUANTITIES[kind]
        quantity = self.state.quantities[kind]
        values, conditions = np.array(quantity.values), np.array(quantity.conditions).reshape(len(quantity.values), len(names))
        base = conditions[:, 0] if kind == "sensor_drift" else values
        scale = float(np.abs(base).mean()) if len(values) else 0.0
        if scale <= 0:
            return
        prior = _AGREE if kind == "sensor_drift" else np.inf
        quantity.learned = learn(
            values / scale, conditions / scale if kind == "sensor_drift" else conditions, floor=floor, prior=prior,
            limit=getattr(self.settings.limits, kind), guard=self.settings.guard, sign=sign,
        )
        if quantity.learned is not None:
            quantity.scale, quantity.values, quantity.conditions = scale, [], []

    def _trends(self, cells: Cells) -> list[Finding]:
        findings: list[Finding] = []
        for kind, (_, _, sign, _, roles) in QUANTITIES.items():
            quantity = self.state.quantities[kind]
            if quantity.learned is None:
                self._collect(kind, cells)
                self._settle(kind)
                continue
            numbers, values, conditions = self._rows(kind, cells)
            if not len(numbers):
                continue
            scale = quantity.scale
            residual = residual_of(quantity.learned, values / scale, conditions / scale if kind == "sensor_drift" else conditions)
            seen = deviation(quantity.learned, np.array(quantity.tail), residual, sign)
            strength = seen.strength / quantity.learned.limit
            cell_numbers = [*quantity.cells, *numbers.tolist()]
            for i, number in enumerate(numbers.tolist()):
                if not quantity.history or number - quantity.history[-1][0] >= HOUR_US // self.settings.cell_us:
                    quantity.history = [*quantity.history[-_HISTORY:], (number, float(seen.mean[i]))]
                finding = self._judge(kind, roles, quantity, number, float(strength[i]), float(seen.mean[i]), int(seen.scale[i]),
                                      cell_numbers[:len(quantity.cells) + i + 1])
                findings += [finding] if finding else []
            quantity.tail = [*quantity.tail, *residual.tolist()][-_TAIL:]
            quantity.cells = cell_numbers[-_TAIL:]
            quantity.strength = float(strength[-1])
            quantity.largest = max(quantity.largest, float(strength.max()))
        return findings

    def _judge(
        self, kind: str, roles: tuple[str, ...], quantity: Quantity, number: int, strength: float, mean: float, scale: int, numbers: list[int],
    ) -> Finding | None:
        going_on = self.state.open.get(kind)
        if going_on is not None:
            going_on.calm = going_on.calm + 1 if strength < _OVER else 0
            if going_on.calm >= _OVER_CELLS:
                del self.state.open[kind]
            return None
        if strength < 1.0:
            return None
        cell_us = self.settings.cell_us
        since_us = numbers[max(len(numbers) - SCALES[scale], 0)] * cell_us
        at_us = (number + 1) * cell_us
        self.state.open[kind] = Open(since_us)
        learned = quantity.learned
        assert learned is not None  # noqa: S101 - only what was learned is judged
        evidence: dict[str, float | int | str] = {
            "deviation": round(mean, 5), "in_spreads": round(strength * learned.limit, 2), "limit_in_spreads": round(learned.limit, 2),
            "averaged_over_cells": SCALES[scale], "learned_from_cells": learned.cells,
        }
        remaining = None
        if kind == "bearing_wear":
            remaining = remaining_hours(quantity.history, cell_us / HOUR_US, self.settings.worn_vibration)
        return self._finding(kind, since_us, at_us, strength, roles, evidence, remaining)

    def _stand_stills(self, columns: Mapping[str, Column], events: Times) -> list[Finding]:
        findings = []
        for role in self._gauges:
            gauge, column = self.state.gauges.setdefault(role, Gauge()), columns.get(role, NOTHING)
            key = f"sensor_range {role}"
            for time_us in (far_outside(gauge, column) if gauge.measures else np.zeros(0, np.int64)).tolist():
                last = self.state.open.get(key)
                if last is None or time_us - last.since_us > _APART_US:
                    findings.append(self._finding("sensor_range", time_us, time_us, 10.0, (role,), {
                        "sound_low": gauge.low, "sound_high": gauge.high}))
                self.state.open[key] = Open(time_us)
            if key in self.state.open and self.state.fed_us - self.state.open[key].since_us > _APART_US:
                del self.state.open[key]
            key = f"sensor_stuck {role}"
            for one in find_stuck(gauge, column, events, eventless=not self._events):
                strength = max(one.events / (2 * one.most_events + 6), 1.0)
                findings.append(self._finding("sensor_stuck", one.since_us, one.at_us, strength, (role,), {
                    "value": one.value, "events_meanwhile": one.events, "most_events_while_sound": one.most_events}))
            if gauge.told:
                self.state.open[key] = Open(gauge.start_us)
            else:
                self.state.open.pop(key, None)
        return findings

    def _stops(self, column: Column) -> list[Finding]:
        later = column.time_us > self.state.alarm[0]
        time, value = column.time_us[later], column.value[later]
        if not len(time):
            return []
        before = np.append(self.state.alarm[1], value[:-1])
        self.state.alarm = int(time[-1]), float(value[-1])
        findings = []
        new = (value != before) & (value != 0) & (np.abs(value) < _NUMBER)
        for at_us, number in zip(time[new].tolist(), value[new].astype(np.int64).tolist(), strict=True):
            what = self.settings.alarm_meanings.get(number) or ("" if number in self.state.alarms else "unknown_stop")
            if what in ADVICE:
                findings.append(self._finding(what, at_us, at_us, 10.0, ("alarm",), {"alarm": number}))
        return findings

    def _finding(
        self, what: str, since_us: int, at_us: int, strength: float, roles: tuple[str, ...], evidence: dict[str, float | int | str],
        remaining: tuple[float, float, float] | None = None,
    ) -> Finding:
        advice_zh, advice_en, within_h = ADVICE[what]
        score = strength / (1.0 + strength)
        evidence = {**evidence, "false_alarms_per_machine_month_at_most": FALSE_ALARMS_PER_MONTH}
        return Finding(self.equipment.id, what, since_us, at_us, score, roles, evidence, advice_zh, advice_en, within_h, remaining)


def _cut(series: Series | None, window: Window) -> Series | None:
    if series is None:
        return None
    first, end = np.searchsorted(series.time_us, (window.start_us, window.end_us)).tolist()
    return series.span(first, end)
