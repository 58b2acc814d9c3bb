"""When which price of the register's tariff holds: local time of day, dates and seasons."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.series import Inputs
from workshop.register import TariffPeriod
from workshop.window import HOUR_US, SECOND_US

QUARTER_US = 900 * SECOND_US


def local_times(inputs: Inputs, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The times as local times, µs since 1970 as if they were UTC; the offset is looked up once a quarter hour."""
    if not len(time_us):
        return time_us
    quarter = time_us // QUARTER_US
    first = int(quarter.min())
    offset_us = np.zeros(int(quarter.max()) - first + 1, np.int64)
    for place in np.flatnonzero(np.bincount(quarter - first)).tolist():
        offset_us[place] = _offset_us(inputs.register.time_zone, first + place)
    return time_us + offset_us[quarter - first]


@lru_cache(2**14)
def _offset_us(zone: str, quarter: int) -> int:
    """Of local time from UTC, µs, at the start of a quarter hour; the same for all machines."""
    offset = datetime.fromtimestamp(quarter * QUARTER_US // SECOND_US, UTC).astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


def tariff_periods(inputs: Inputs, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the tariff period that holds each time of day; the first that fits, -1 where none does."""
    local = local_times(inputs, time_us)
    minute = local % (24 * HOUR_US) // (60 * SECOND_US)
    day = local.astype("datetime64[us]").astype("datetime64[D]")
    found = np.full(len(time_us), -1, np.int64)
    for number, period in reversed(list(enumerate(inputs.register.tariff))):
        start, end = _minutes(period)
        inside = (minute >= start) & (minute < end) if start < end else (minute >= start) | (minute < end)
        found[inside & _valid(period, day)] = number
    return found


def _valid(period: TariffPeriod, day: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """On which of these local days the period holds."""
    found = np.ones(len(day), np.bool_)
    if isinstance(period.valid_from, str):
        found &= day >= np.datetime64(period.valid_from)
    if isinstance(period.valid_to, str):
        found &= day <= np.datetime64(period.valid_to)
    if isinstance(period.months, tuple):
        found &= np.isin(day.astype("datetime64[M]").astype(np.int64) % 12 + 1, period.months)
    return found


def _minutes(period: TariffPeriod) -> tuple[int, int]:
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (period.start, period.end))
    return start, end
