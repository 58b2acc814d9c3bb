"""One figure by equipment, class, work centre, area, process, shift, day, or by what was made: the same formula on a part of the register, of the
calendar, or of the window.

Groups of equipment share what was measured once. A shift is measured as if the register planned no other: what a counter grew by belongs to the shift
in which a reading shows it. Days are local days. Products, orders and programs: `analytics.attribution`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from analytics.attribution import by_making
from analytics.facts import NO_FACTS, Facts
from analytics.indicator import Components, Indicator, Result
from analytics.making import BY_MAKING
from analytics.missing import NOTHING, Missing
from analytics.trace_search import Store
from workshop.calendar import scheduled_windows, zone_of
from workshop.errors import Rejected
from workshop.register import Equipment, Workshop
from workshop.window import Window

KEYS: dict[str, Callable[[Workshop, Equipment], str]] = {
    "equipment": lambda _, item: item.id, "class": lambda _, item: item.equipment_class, "work_center": lambda _, item: item.work_center,
    "area": lambda register, _: register.area, "process": lambda _, item: item.process,
}
BY = (*KEYS, "shift", "day", *BY_MAKING)
Measure = Callable[[Workshop, Window], Iterable[Components]]
"""The components of one indicator under a register, in a window."""


def grouped(
    indicator: Indicator, register: Workshop, window: Window, by: str, measure: Measure, facts: Facts = NO_FACTS, store: Store | None = None,
    missing: Missing = NOTHING,
) -> list[tuple[str, Result]]:
    """The results by group: in the register's order, of days in order of time; groups of which the indicator measures nothing are left out.

    Args:
        store, missing: the readings, and what is known to be missing of them; for groups by what was made.
    Raises:
        Rejected: no such grouping, or not of this indicator.
    """
    if by in KEYS:
        return _by_equipment(indicator, register, window, KEYS[by], measure, facts)
    if by == "shift":
        return [(name, indicator.evaluate(list(pieces), part, window, facts)) for name, part, pieces in _by_shift(register, window, measure)]
    if by == "day":
        return [
            (day.isoformat(), indicator.evaluate(list(measure(register, part)), register, part, facts)) for day, part in local_days(register, window)
        ]
    if by in BY_MAKING and store is not None:
        return by_making(indicator, register, window, by, store, facts, missing)
    raise Rejected(f"group by '{by[:40]}': there are {', '.join(BY)}")


def local_days(register: Workshop, window: Window) -> Iterator[tuple[date, Window]]:
    """The window cut at local midnights, with the day of each piece."""
    zone, start_us = zone_of(register), window.start_us
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start_us)).astimezone(zone).date()
    while start_us < window.end_us:
        midnight = datetime.combine(day + timedelta(days=1), time(), zone)
        end_us = min((midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), window.end_us)
        if end_us > start_us:
            yield day, Window(start_us, end_us)
        start_us, day = max(start_us, end_us), day + timedelta(days=1)


def _by_equipment(
    indicator: Indicator, register: Workshop, window: Window, key: Callable[[Workshop, Equipment], str], measure: Measure, facts: Facts,
) -> list[tuple[str, Result]]:
    members: dict[str, list[Equipment]] = {}
    for item in register.equipment:
        members.setdefault(key(register, item), []).append(item)
    pieces: dict[str, list[Components]] = {}
    for piece in measure(register, window):
        pieces.setdefault(piece.equipment, []).append(piece)
    return [
        (name, indicator.evaluate(
            [piece for item in items for piece in pieces.get(item.id, ())], msgspec.structs.replace(register, equipment=tuple(items)), window, facts,
        ))
        for name, items in members.items() if not indicator.roles or any(indicator.applies(item) for item in items)
    ]


def _by_shift(register: Workshop, window: Window, measure: Measure) -> Iterator[tuple[str, Workshop, Iterator[Components]]]:
    for name in dict.fromkeys(shift.name for shift in register.shifts):
        part = msgspec.structs.replace(register, shifts=tuple(shift for shift in register.shifts if shift.name == name))
        yield name, part, (piece for stretch in scheduled_windows(part, window) for piece in measure(part, stretch))
