"""Tool wear: how many parts and hours each tool has left, with an interval, and when to change it.

Life depends on speed, feed and material (Taylor: v_c · Tⁿ = C), so that the wear of a part differs from order to order: the interval is that of the
wear of stretches of parts that this machine really made, not of a handbook.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from analytics.maintenance.watch.cells import NOTHING, Column
from workshop.window import HOUR_US

_DROP = 0.3
"""Wear that falls by so much of a life: the tool was changed."""
_STRETCH = 25
"""Parts over which a rate of wear is taken: one or two orders."""
_RATES = 200
_LIVES = 50
_LEAST = 3
_PLACES, _WORN, _COUNT = 1_000, 10.0, 2.0**53
"""Beyond these a tool's number, its wear and the part counter are none."""
_DAY_US = 24 * HOUR_US


class ToolLeft(msgspec.Struct, frozen=True):
    """What a tool has left; each triple is (expected, low, high) of a 90 % interval."""

    tool: int
    wear: float
    """Share of its life that is used up."""
    parts: tuple[float, float, float]
    hours: tuple[float, float, float]
    lives: int
    """Tools that were worn out here since the watch began: what the interval rests on besides this one."""
    change_at_us: int
    """The last opportunity before the low end of its life; the first one, if all are later."""


class Tool(msgspec.Struct):
    """What is known of the tool in one place of the magazine."""

    wear: float = 0.0
    part: int = 0
    """The part counter when the wear was last seen."""
    from_wear: float = 0.0
    from_part: int = 0
    """Beginning of the present stretch."""
    begun: int = 0
    """The part counter at the last change, 0 before the first."""
    rates: list[float] = []
    """Wear a part, stretch by stretch."""
    lives: list[int] = []
    """Parts that each earlier tool made."""


class Tools(msgspec.Struct):
    """The magazine of one machine."""

    tools: dict[int, Tool] = {}
    parts: list[tuple[int, int]] = []
    """(µs, part counter) about once an hour, for the last day."""

    def take(self, columns: Mapping[str, Column]) -> None:
        """Takes a piece of readings by role: tool_number, tool_wear, produced_count; a machine that lacks one of them has no tools to foretell."""
        number, wear, count = (columns.get(role, NOTHING) for role in ("tool_number", "tool_wear", "produced_count"))
        skip = 1 if wear.carried else 0
        time, worn = wear.time_us[skip:], wear.value[skip:]
        which, made = number.at(time), count.at(time)
        with np.errstate(invalid="ignore"):
            known = (which >= 0) & (which < _PLACES) & (np.abs(made) < _COUNT) & (worn >= 0) & (worn <= _WORN)
        for tool, value, part in zip(which[known].astype(int).tolist(), worn[known].tolist(), made[known].astype(int).tolist(), strict=True):
            self._see(self.tools.setdefault(tool, Tool(value, part, value, part)), value, part)
        sound = np.abs(count.value) < _COUNT
        times, counts = count.time_us[sound][1:], count.value[sound][1:]
        for time_us, value in zip(times.tolist(), counts.tolist(), strict=True):
            if not self.parts or time_us - self.parts[-1][0] >= HOUR_US:
                self.parts = [one for one in self.parts if time_us - one[0] <= _DAY_US]
                self.parts.append((time_us, int(value)))

    def left(self, now_us: int, opportunities: Sequence[int], *, limit: float = 1.0) -> list[ToolLeft]:
        """What each tool has left, the first to be changed first; tools that have not made enough parts yet are missing.

        Args:
            opportunities: times at which somebody could change a tool, µs UTC, ascending.
            limit: wear at which it is changed.
        """
        pace = self._parts_per_hour()
        found = []
        for number, tool in self.tools.items():
            rates = np.array(tool.rates)
            if len(rates) < _LEAST or pace <= 0 or rates.mean() <= 0:
                continue
            rest = max(limit - tool.wear, 0.0)
            # Over the rest of the life stretches add up, so that its mean rate varies less than that of one stretch.
            stretches = max(rest / (rates.mean() * _STRETCH), 1.0)
            rate = float(rates.mean())
            spread = 1.645 * float(rates.std(ddof=1) * (1 / np.sqrt(stretches) + 1 / np.sqrt(len(rates))))
            middle, low, high = rest / rate, rest / (rate + spread), rest / max(rate - spread, 0.2 * rate)
            parts = (middle, max(low - 1.0, 0.0), high + 1.0)
            hours = tuple(value / pace for value in parts)
            latest_us = now_us + round(hours[1] * HOUR_US)
            possible = [time_us for time_us in opportunities if now_us <= time_us <= latest_us]
            later = [time_us for time_us in opportunities if time_us >= now_us]
            change_us = possible[-1] if possible else later[0] if later and hours[1] > 0 else now_us
            found.append(ToolLeft(number, tool.wear, parts, (hours[0], hours[1], hours[2]), len(tool.lives), change_us))
        return sorted(found, key=lambda one: one.hours[1])

    def _see(self, tool: Tool, wear: float, part: int) -> None:
        if part < tool.part or wear < tool.wear - _DROP:  # a new tool, or a counter that began anew
            if part >= tool.part and tool.begun:
                tool.lives = [*tool.lives[-_LIVES:], part - tool.begun]
            tool.begun = tool.from_part = part
            tool.from_wear = wear
        elif part - tool.from_part >= _STRETCH:
            tool.rates = [*tool.rates[-_RATES:], max(wear - tool.from_wear, 0.0) / (part - tool.from_part)]
            tool.from_part, tool.from_wear = part, wear
        tool.wear, tool.part = wear, part

    def _parts_per_hour(self) -> float:
        if len(self.parts) < 2:
            return 0.0
        (begin_us, first), (end_us, last) = self.parts[0], self.parts[-1]
        return max(last - first, 0) / ((end_us - begin_us) / HOUR_US) if end_us > begin_us else 0.0
