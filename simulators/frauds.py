"""What a factory might show instead of what its machines did. Only on request, always in the truth, at strengths 1, 2 and 3.

Replay: the gauges of one period ago, verbatim; · 1.01 + 0.01; the same and N(0, 0.2 %). Constant: x(t_0) for one signal; for every gauge; with a
flicker of one step. Generated: a sine; white noise of 5 %; white noise of the mean and variance seen. Counters: ± 10, 30, 60 %.
One machine as two: the other's gauges; 2 s late; late and · 1.01. Back-dated data is `Schedule.clock_offset_us`, stopped outside the claimed window
is `simulators.standstill`: both are lies about time, not about values.
"""

import math
from collections import deque
from typing import Final, Protocol

from simulators.machine import Value, Values, generator
from simulators.schedule import Entry, Schedule

SHARES: Final = (0.1, 0.3, 0.6)
"""Inflation of the part counter, share of scrap not told, share of the time that the machine stands: by strength."""
_KEPT = 4000


class _Shown(Protocol):
    true: Values


class Liar:
    """The fraudulent part of one machine; it changes nothing unless the schedule holds a fraud."""

    def __init__(self, equipment: str, schedule: Schedule, seed: int) -> None:
        self.model: _Shown | None = None
        """The machine whose values this one shows as its own."""
        self._equipment = equipment
        self._schedule = schedule
        self._dice = generator(seed, equipment, "fraud")
        self._start: dict[Entry, Values] = {}
        self._past: deque[tuple[int, Values]] = deque(maxlen=_KEPT)
        self._late: deque[Values] = deque(maxlen=3)
        self._hidden = 0

    def tell(self, values: Values, now_us: int) -> Values:
        """What is shown instead of these values."""
        if self.model is not None:
            self._late.append(self.model.true)
        active = [entry for entry in self._schedule.entries(self._equipment) if entry.is_fraud and entry.holds(now_us)]
        if not any(entry.kind == "replayed_day" for entry in active):
            self._past.append((now_us, values))
        for entry in active:
            start = self._start.setdefault(entry, dict(values))
            strength = round(entry.severity)
            if entry.kind == "constant_signal":
                values = self._constant(entry, strength, start, values)
            elif entry.kind == "inflated_part_counter":
                values = _inflate(values, start, SHARES[strength - 1])
            elif entry.kind == "dropped_bad_parts":
                values = self._drop(values, start, SHARES[strength - 1])
            elif entry.kind == "generated_signal":
                values = self._generate(entry, strength, values, now_us)
            elif entry.kind == "replayed_day":
                values = self._replay(entry, strength, values, now_us)
            elif entry.kind == "one_machine_as_two" and self._late:
                values = self._pose(strength, values)
        return values

    def _constant(self, entry: Entry, strength: int, start: Values, values: Values) -> Values:
        names = [entry.signal or "power"] if strength == 1 else gauges(values)
        flicker = 0.01 * float(self._dice.integers(-1, 2)) if strength == 3 else 0.0
        return {**values, **{name: _add(start[name], flicker) for name in names if name in values}}

    def _drop(self, values: Values, start: Values, share: float) -> Values:
        total, bad = ("part_count", "scrap_count") if "scrap_count" in values else ("inspected_count", "rejected_count")
        since = _number(values[bad]) - _number(start[bad])
        hidden = math.floor(share * since)
        shown: Values = {**values, bad: values[bad], total: values[total]}
        shown[bad] = int(_number(values[bad])) - hidden
        if bad == "scrap_count":
            shown[total] = int(_number(values[total])) - hidden
        elif hidden > self._hidden:
            self._hidden = hidden
            shown["defect_code"] = ""
        return shown

    def _generate(self, entry: Entry, strength: int, values: Values, now_us: int) -> Values:
        name = entry.signal or "power"
        past = [_number(old[name]) for _, old in list(self._past)[-600:] if name in old]
        if name not in values or not past:
            return values
        mean = sum(past) / len(past)
        spread = math.sqrt(sum((value - mean) ** 2 for value in past) / len(past))
        wave = {1: 0.2 * mean * math.sin(now_us / 5e6), 2: 0.05 * mean * self._dice.standard_normal(), 3: spread * self._dice.standard_normal()}
        return {**values, name: round(max(0.0, mean + float(wave[strength])), 2)}

    def _replay(self, entry: Entry, strength: int, values: Values, now_us: int) -> Values:
        if not self._past:
            return values
        first_us = self._past[0][0]
        period_us = min(86_400_000_000, max(1, entry.start_us - first_us))
        wanted_us = entry.start_us - period_us + (now_us - entry.start_us) % period_us
        old = min(self._past, key=lambda item: abs(item[0] - wanted_us))[1]
        return {**values, **{name: self._disguise(old[name], strength) for name in gauges(values)}}

    def _pose(self, strength: int, values: Values) -> Values:
        model = self._late[-1] if strength == 1 else self._late[0]
        factor = 1.01 if strength == 3 else 1.0
        return {**values, **{name: round(_number(model[name]) * factor, 6) for name in gauges(values) if name in model}}

    def _disguise(self, value: Value, strength: int) -> Value:
        if strength == 1 or isinstance(value, str):
            return value
        changed = value * 1.01 + 0.01
        return round(changed * (1.0 + 0.002 * float(self._dice.standard_normal()) * (strength == 3)), 6)


def gauges(values: Values) -> list[str]:
    """The signals that are gauges: a fraudster leaves counters and states alone, because they must go on."""
    return [name for name, value in values.items() if isinstance(value, float)]


def _inflate(values: Values, start: Values, share: float) -> Values:
    if "part_count" not in values:
        return values
    more = math.floor(share * (_number(values["part_count"]) - _number(start["part_count"])))
    return {**values, "part_count": int(_number(values["part_count"])) + more, "good_count": int(_number(values["good_count"])) + more}


def _add(value: Value, more: float) -> Value:
    return value if isinstance(value, str) else round(value + more, 6)


def _number(value: Value) -> float:
    return 0.0 if isinstance(value, str) else float(value)
