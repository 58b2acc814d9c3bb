"""The shift calendar: planned busy time and local hours of a workshop, in its own time zone.

Local times that a clock change skips count as the moment of the change; local times that it repeats count as the first of the two. A shift over
the night of a change is therefore an hour shorter or longer, as it is in the workshop.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from workshop.errors import ConfigError
from workshop.register import Equipment, Shift, Workshop
from workshop.window import HOUR_US, SECOND_US, Window

FOREVER_US = 2**53 - 1
"""End of the service of equipment that has no last day: the largest time that canonical JSON can hold."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def scheduled_windows(register: Workshop, window: Window, equipment: Equipment | None = None) -> list[Window]:
    """Planned busy time in the window: the union of all shifts, sorted, without overlap or seams.

    Args:
        equipment: its service dates clip the result; None for the workshop as a whole.
    Returns:
        An empty list where no shift meets the window; a register without shifts plans nothing.
    Raises:
        ConfigError: service dates that are no dates.
    """
    if equipment is not None:
        window = window.clip(service_window(register, equipment))
    if not register.shifts or window.length_us == 0:
        return []
    zone = zone_of(register)
    # A shift that began on the day before may still run; one day more at the end costs nothing.
    day, last = _local(window.start_us, zone).date() - timedelta(days=1), _local(window.end_us, zone).date()
    planned: list[Window] = []
    while day <= last:
        planned += [_shift_window(shift, day, zone) for shift in register.shifts if day.isoweekday() in shift.days]
        day += timedelta(days=1)
    return clip_windows(_union(planned), window)


def scheduled_us(register: Workshop, window: Window, equipment: Equipment | None = None) -> int:
    """Length of the planned busy time in the window, µs."""
    return sum(planned.length_us for planned in scheduled_windows(register, window, equipment))


def service_window(register: Workshop, equipment: Equipment) -> Window:
    """The time in which the equipment is in service: local midnight of its first day to local midnight after its last day.

    Raises:
        ConfigError: a service date that is not a date, or a last day before the first.
    """
    zone = zone_of(register)
    start = _midnight(_date(equipment, equipment.in_service_from), zone)
    if equipment.in_service_to is None:
        return Window(start, FOREVER_US)
    end = _midnight(_date(equipment, equipment.in_service_to) + timedelta(days=1), zone)
    if end <= start:
        raise ConfigError(f"register: equipment '{equipment.id}': in_service_to is before in_service_from")
    return Window(start, end)


def local_hours(register: Workshop, window: Window) -> Iterator[Window]:
    """The window cut at full hours of local time: first and last piece may be partial."""
    zone = zone_of(register)
    start = window.start_us
    while start < window.end_us:
        end = min(local_hour(start, zone) + HOUR_US, window.end_us)
        yield Window(start, end)
        start = end


def zone_of(register: Workshop) -> ZoneInfo:
    """The register's time zone."""
    return ZoneInfo(register.time_zone)


@lru_cache(2**12)
def local_hour(time_us: int, zone: ZoneInfo) -> int:
    """Start of the local hour that holds the instant, µs UTC. In a zone of whole hours it is the hour UTC."""
    offset = _local(time_us, zone).utcoffset() or timedelta()
    return (time_us + offset // _MICROSECOND) // HOUR_US * HOUR_US - offset // _MICROSECOND


def clip_windows(windows: Sequence[Window], window: Window) -> list[Window]:
    """What of the windows lies in the window, in order; empty ones are left out."""
    return [piece for piece in (other.clip(window) for other in windows if other.end_us > window.start_us) if piece.length_us]


@lru_cache(2**12)
def _midnight(day: date, zone: ZoneInfo) -> int:
    return _instant(datetime.combine(day, time()), zone)


@lru_cache(2**14)
def _shift_window(shift: Shift, day: date, zone: ZoneInfo) -> Window:
    start, end = time.fromisoformat(shift.start), time.fromisoformat(shift.end)
    ends_on = day + timedelta(days=1) if end <= start else day
    return Window(_instant(datetime.combine(day, start), zone), _instant(datetime.combine(ends_on, end), zone))


def _union(windows: list[Window]) -> list[Window]:
    joined: list[Window] = []
    for window in sorted(windows):
        if joined and window.start_us <= joined[-1].end_us:
            joined[-1] = Window(joined[-1].start_us, max(joined[-1].end_us, window.end_us))
        else:
            joined.append(window)
    return joined


def _instant(local: datetime, zone: ZoneInfo) -> int:
    # A skipped local time (PEP 495: it does not survive the round trip) is bounded by its readings with the offset after and before the change.
    late = (local.replace(tzinfo=zone, fold=0) - _EPOCH) // _MICROSECOND
    if _local(late, zone).replace(tzinfo=None) == local:
        return late
    early = (local.replace(tzinfo=zone, fold=1) - _EPOCH) // _MICROSECOND
    while late - early > SECOND_US:
        middle = (early + late) // 2 // SECOND_US * SECOND_US
        early, late = (early, middle) if _local(middle, zone).replace(tzinfo=None) > local else (middle, late)
    return late


def _local(time_us: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone)


def _date(equipment: Equipment, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"register: equipment '{equipment.id}': service date '{text}' is not a date such as 2024-03-01") from error
