"""When the workshop works: shifts, breaks and planned maintenance. Orders and their changeovers are in `simulators.orders`."""

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000
Clock24 = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of every day, local time; it may run past midnight."""

    start: Clock24
    minutes: Annotated[int, Meta(ge=1, le=1440)]


class Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shifts, breaks, maintenance. The default is that of the demo's register: two shifts of twelve hours, seven days a week."""

    shifts: list[Span] = msgspec.field(default_factory=lambda: [Span("08:00", 720), Span("20:00", 720)])
    breaks: list[Span] = msgspec.field(default_factory=lambda: [Span("12:00", 40), Span("18:00", 30), Span("00:00", 40), Span("06:00", 30)])
    rest_days: list[Annotated[int, Meta(ge=0, le=6)]] = []
    """Days without work, 0 is Monday."""
    utc_offset_min: Annotated[int, Meta(ge=-720, le=840)] = 480
    maintenance_every_days: Annotated[int, Meta(ge=1, le=366)] = 7
    maintenance_minutes: Annotated[int, Meta(ge=0, le=720)] = 180
    """Planned maintenance of each machine, at 09:00 on its own day of the round; 0 for none."""


class Interruption(msgspec.Struct, frozen=True, order=True):
    """A planned time without production, [start, end), µs UTC: off_shift, maintenance or break."""

    start_us: int
    end_us: int
    reason: str


def interruptions(calendar: Calendar, equipment: str, day: int) -> list[Interruption]:
    """The interruptions of one machine in one local day (days since 1970), sorted and without overlap: the first in this list of reasons wins."""
    midnight_us = day * _DAY_US - calendar.utc_offset_min * _MINUTE_US
    taken = list(_off_shift(calendar, day, midnight_us))
    offset = int.from_bytes(hashlib.sha256(equipment.encode()).digest()[:4], "big") % calendar.maintenance_every_days
    if calendar.maintenance_minutes and day % calendar.maintenance_every_days == offset:
        start_us = midnight_us + 9 * 60 * _MINUTE_US
        taken = _add(taken, Interruption(start_us, start_us + calendar.maintenance_minutes * _MINUTE_US, "maintenance"))
    for pause in calendar.breaks:
        start_us = midnight_us + _minutes(pause.start) * _MINUTE_US
        taken = _add(taken, Interruption(start_us, min(start_us + pause.minutes * _MINUTE_US, midnight_us + _DAY_US), "break"))
    return sorted(taken)


def interruption_at(calendar: Calendar, equipment: str, now_us: int) -> Interruption | None:
    """The interruption that a machine is in at this time, µs UTC."""
    day = (now_us + calendar.utc_offset_min * _MINUTE_US) // _DAY_US
    return next((item for item in interruptions(calendar, equipment, day) if item.start_us <= now_us < item.end_us), None)


def local_day(calendar: Calendar, now_us: int) -> int:
    """Days since 1970 by the workshop's own midnight."""
    return (now_us + calendar.utc_offset_min * _MINUTE_US) // _DAY_US


def midnight_us(calendar: Calendar, day: int) -> int:
    """When this local day begins, µs UTC."""
    return day * _DAY_US - calendar.utc_offset_min * _MINUTE_US


def _minutes(text: str) -> int:
    hours, minutes = re.split(":", text)
    return int(hours) * 60 + int(minutes)


def _off_shift(calendar: Calendar, day: int, midnight: int) -> Iterator[Interruption]:
    """What no shift covers. A shift belongs to the day on which it begins, so that yesterday's night shift reaches into today."""
    worked: list[tuple[int, int]] = []
    for shift in calendar.shifts:
        for back in (0, 1):
            # 1970-01-01 was a Thursday: day 0 has weekday 3.
            if (day - back + 3) % 7 in calendar.rest_days:
                continue
            start = _minutes(shift.start) - back * 1440
            worked.append((max(start, 0), min(start + shift.minutes, 1440)))
    at = 0
    for start, end in sorted(span for span in worked if span[1] > span[0]):
        if start > at:
            yield Interruption(midnight + at * _MINUTE_US, midnight + start * _MINUTE_US, "off_shift")
        at = max(at, end)
    if at < 1440:
        yield Interruption(midnight + at * _MINUTE_US, midnight + 1440 * _MINUTE_US, "off_shift")


def _add(taken: list[Interruption], wanted: Interruption) -> list[Interruption]:
    if any(item.start_us < wanted.end_us and wanted.start_us < item.end_us for item in taken):
        return taken
    return [*taken, wanted]
