"""Posted hours by the largest piece: a year is twelve months and not 8,760 hours, and merges to the same bits.

A local day whose every hour is there for all equipment is merged once and kept, a local month of such days too; a row that comes again takes the sums
over it away. What is not complete is read hour by hour, and is left to whoever measures from readings.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import msgspec

from analytics.grouping import local_days
from analytics.indicator import Components, Indicator, merge_all
from gateway.components import ComponentsCache
from workshop.calendar import local_hours, service_window
from workshop.register import Workshop
from workshop.window import HOUR_US, Window

DAYS_BACK = 3
"""So many of the last full days `roll_up` looks after; an older one that changed is merged again when somebody asks."""
AGAIN_US = 6 * HOUR_US


class Posted:
    """What the service has posted, for whole workshops.

    Args:
        in_force: the revision of the register that counts at the end of a window.
    """

    def __init__(self, cache: ComponentsCache, in_force: Callable[[Window], Workshop]) -> None:
        self._cache, self._in_force = cache, in_force
        self._tried: dict[tuple[str, int, Window], int] = {}

    def find(self, indicator: Indicator, window: Window, register: Workshop) -> list[tuple[Window, list[Components]]]:
        """Stretches of the window for which the components of all equipment are there, measured under this revision, in order of time."""
        found: list[tuple[Window, list[Components]]] = []
        digest = register.digest
        for month, days in _months(register, window):
            found += self._month(indicator, month, days, register, digest)
        return found

    def roll_up(self, indicators: Sequence[Indicator], now_us: int, pause: Callable[[], bool]) -> int:
        """Merges the last full days and a month that has ended, so that nobody waits for it; returns how many sums are new.

        Args:
            pause: called before every merge; True ends the work early.
        """
        register, made = self._in_force(Window(now_us - 1, now_us)), 0
        days = [day for _, day in local_days(register, Window(now_us - (DAYS_BACK + 1) * 24 * HOUR_US, now_us))][1:-1]
        months = [month for month, _ in _months(register, Window(now_us - 63 * 24 * HOUR_US, now_us)) if _is_month(register, month)]
        for span in (*days, *months[-1:]):
            register = self._in_force(span)
            digest = register.digest
            for indicator in indicators:
                key = (indicator.id, indicator.version, span)
                # What is not complete is looked at again when rows may have come, not every time.
                if self._tried.get(key, 0) > now_us - AGAIN_US or self._cache.has_sum(*key, digest):
                    continue
                if pause():
                    return made
                self._tried[key] = now_us
                self.find(indicator, span, register)
                made += self._cache.has_sum(*key, digest)
        self._tried = {key: tried_us for key, tried_us in self._tried.items() if tried_us > now_us - AGAIN_US}
        return made

    def _month(
        self, indicator: Indicator, month: Window, days: Sequence[Window], register: Workshop, digest: str,
    ) -> list[tuple[Window, list[Components]]]:
        def parts() -> list[tuple[Window, list[Components]]]:
            return [part for day in days for part in self._day(indicator, day, register, digest)]

        return self._merged(indicator, month, register, digest, parts) if _is_month(register, month) else parts()

    def _day(self, indicator: Indicator, day: Window, register: Workshop, digest: str) -> list[tuple[Window, list[Components]]]:
        if not _is_day(register, day):
            return self._hours(indicator, day, register)
        return self._merged(indicator, day, register, digest, lambda: self._hours(indicator, day, register))

    def _merged(
        self, indicator: Indicator, span: Window, register: Workshop, digest: str, parts: Callable[[], list[tuple[Window, list[Components]]]],
    ) -> list[tuple[Window, list[Components]]]:
        """The kept sum of the span; else its parts, merged and kept where they are all there."""
        if not self._is_one_revision(span, register):
            return parts()
        kept = self._cache.sum_of(indicator.id, indicator.version, span, digest)
        if kept is None:
            found = parts()
            if sum(part.length_us for part, _ in found) < span.length_us:
                return found
            kept = merge_all(piece for _, pieces in found for piece in pieces)
            self._cache.keep_sum(indicator.id, indicator.version, span, digest, kept)
        return [(span, kept)]

    def _hours(self, indicator: Indicator, window: Window, register: Workshop) -> list[tuple[Window, list[Components]]]:
        services = {item.id: service_window(register, item) for item in register.equipment if indicator.applies(item)}
        spans: dict[Window, dict[str, Components]] = {}
        for row in self._cache.find(indicator.id, window, indicator.version):
            if row.end_us - row.start_us == HOUR_US and row.equipment in services:
                spans.setdefault(Window(row.start_us, row.end_us), {})[row.equipment] = msgspec.convert(row.components, Components)
        found: list[tuple[Window, list[Components]]] = []
        end_us = window.start_us
        for span in sorted(spans):
            in_service = {name for name, service in services.items() if service.clip(span).length_us}
            if span.start_us >= end_us and set(spans[span]) == in_service and self._in_force(span) is register:
                found.append((span, list(spans[span].values())))
                end_us = span.end_us
        return found

    def _is_one_revision(self, span: Window, register: Workshop) -> bool:
        """Whether each hour of the span is measured under this very revision: a part of a register, as a grouping makes it, is none."""
        return self._in_force(span) is register and all(self._in_force(hour) is register for hour in local_hours(register, span))


def _months(register: Workshop, window: Window) -> Iterator[tuple[Window, list[Window]]]:
    """The window cut at the local midnights that begin a month, with the days of each piece."""
    days: list[Window] = []
    of: date | None = None
    for day, span in local_days(register, window):
        if of is not None and (day.year, day.month) != (of.year, of.month):
            yield Window(days[0].start_us, days[-1].end_us), days
            days = []
        days, of = [*days, span], day
    if days:
        yield Window(days[0].start_us, days[-1].end_us), days


def _is_day(register: Workshop, span: Window) -> bool:
    """Whether the span is a whole local day."""
    return span in {day for _, day in local_days(register, Window(span.start_us - HOUR_US, span.end_us + HOUR_US))}


def _is_month(register: Workshop, span: Window) -> bool:
    """Whether the span is a whole local month."""
    around = list(local_days(register, Window(span.start_us - HOUR_US, span.end_us + HOUR_US)))
    return (
        len(around) > 2 and around[1][1].start_us == span.start_us and around[-2][1].end_us == span.end_us
        and around[0][0].month != around[1][0].month != around[-1][0].month
    )
