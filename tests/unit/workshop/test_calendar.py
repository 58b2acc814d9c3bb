"""Planned busy time in local time: nights, clock changes, service dates."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop.calendar import local_hours, scheduled_us, scheduled_windows, service_window
from workshop.errors import ConfigError
from workshop.register import Equipment, Process, Shift, Workshop
from workshop.window import HOUR_US, SECOND_US, Window

MACHINE = Equipment("cnc-01", "", "", "machining_centre", "cell-1", "1", True, True, "milling", 1000, "2020-01-01")


def workshop(*shifts: Shift, zone: str = "Asia/Shanghai") -> Workshop:
    return Workshop("w", "", "", "", "east", "hall", zone, (MACHINE,), (Process("milling", "", ""),), shifts)


def at(zone: str, *when: int) -> int:
    """µs UTC of a local time; `when` as for datetime."""
    moment = datetime(*when, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type]
    return round(moment.astimezone(UTC).timestamp()) * SECOND_US


def local_window(zone: str, start: tuple[int, ...], end: tuple[int, ...]) -> Window:
    return Window(at(zone, *start), at(zone, *end))


def test_a_day_shift_is_planned_in_local_time() -> None:
    day = local_window("Asia/Shanghai", (2026, 1, 5), (2026, 1, 6))
    planned = scheduled_windows(workshop(Shift("day", "08:00", "20:00")), day)
    assert planned == [local_window("Asia/Shanghai", (2026, 1, 5, 8), (2026, 1, 5, 20))]
    # Shanghai is eight hours ahead of UTC all year.
    assert planned[0].start_us == round(datetime(2026, 1, 5, tzinfo=UTC).timestamp()) * SECOND_US


def test_shifts_around_the_clock_have_no_seam() -> None:
    register = workshop(Shift("day", "08:00", "20:00"), Shift("night", "20:00", "08:00"))
    window = local_window("Asia/Shanghai", (2026, 1, 5, 3, 30), (2026, 1, 9, 17))
    assert scheduled_windows(register, window) == [window]


def test_a_night_shift_belongs_to_the_day_on_which_it_starts() -> None:
    register = workshop(Shift("night", "22:00", "06:00", days=(5,)))  # Friday
    week = local_window("Asia/Shanghai", (2026, 1, 5), (2026, 1, 12))  # Monday to Monday
    assert scheduled_windows(register, week) == [local_window("Asia/Shanghai", (2026, 1, 9, 22), (2026, 1, 10, 6))]
    saturday = local_window("Asia/Shanghai", (2026, 1, 10), (2026, 1, 11))
    assert scheduled_us(register, saturday) == 6 * HOUR_US


def test_equal_start_and_end_are_a_whole_day() -> None:
    assert scheduled_us(workshop(Shift("always", "06:00", "06:00")), local_window("Asia/Shanghai", (2026, 1, 5), (2026, 1, 7))) == 48 * HOUR_US


def test_overlapping_shifts_count_once() -> None:
    register = workshop(Shift("early", "06:00", "14:30"), Shift("late", "14:00", "22:00"))
    assert scheduled_us(register, local_window("Asia/Shanghai", (2026, 1, 5), (2026, 1, 6))) == 16 * HOUR_US


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [((2026, 3, 28, 12), (2026, 3, 29, 12), 7), ((2026, 10, 24, 12), (2026, 10, 25, 12), 9), ((2026, 6, 1, 12), (2026, 6, 2, 12), 8)],
)
def test_a_night_shift_over_a_clock_change_is_as_long_as_in_the_workshop(start: tuple[int, ...], end: tuple[int, ...], hours: int) -> None:
    register = workshop(Shift("night", "22:00", "06:00"), zone="Europe/Berlin")
    assert scheduled_us(register, local_window("Europe/Berlin", start, end)) == hours * HOUR_US


def test_a_local_time_that_the_change_skips_is_the_moment_of_the_change() -> None:
    # On 2026-03-29 in Berlin 02:00 is followed by 03:00, at 01:00 UTC: of a shift 02:45 to 03:15 a quarter of an hour is left.
    register = workshop(Shift("short", "02:45", "03:15"), zone="Europe/Berlin")
    planned = scheduled_windows(register, local_window("Europe/Berlin", (2026, 3, 29), (2026, 3, 30)))
    change = round(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) * SECOND_US
    assert planned == [Window(change, change + HOUR_US // 4)]


def test_no_shifts_plan_nothing() -> None:
    assert scheduled_windows(workshop(), Window(0, HOUR_US)) == []


def test_service_dates_are_local_days_and_the_last_one_counts() -> None:
    register = workshop(Shift("day", "08:00", "20:00"))
    machine = msgspec.structs.replace(MACHINE, in_service_from="2026-01-06", in_service_to="2026-01-07")
    assert service_window(register, machine) == local_window("Asia/Shanghai", (2026, 1, 6), (2026, 1, 8))
    week = local_window("Asia/Shanghai", (2026, 1, 5), (2026, 1, 12))
    assert scheduled_us(register, week, machine) == 24 * HOUR_US
    assert scheduled_us(register, week) == 7 * 12 * HOUR_US


@pytest.mark.parametrize("change", [{"in_service_from": "spring"}, {"in_service_to": "2019-12-30"}])
def test_impossible_service_dates_are_a_config_error(change: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="cnc-01"):
        service_window(workshop(), msgspec.structs.replace(MACHINE, **change))


def test_local_hours_of_a_zone_with_half_an_hour_are_not_those_of_utc() -> None:
    start = at("Asia/Kolkata", 2026, 1, 5, 8, 15)
    pieces = list(local_hours(workshop(zone="Asia/Kolkata"), Window(start, start + 2 * HOUR_US)))
    assert [piece.length_us // (60 * SECOND_US) for piece in pieces] == [45, 60, 15]
    assert pieces[1].start_us % HOUR_US == HOUR_US // 2


def test_local_hours_of_whole_hour_zones_are_those_of_utc() -> None:
    window = Window(at("Europe/Berlin", 2026, 3, 28, 20, 30), at("Europe/Berlin", 2026, 3, 29, 9, 10))
    assert list(local_hours(workshop(zone="Europe/Berlin"), window)) == list(window.hours())


BASE = at("Europe/Berlin", 2026, 3, 20)
TIMES = st.integers(0, 20 * 24 * 60).map(lambda minutes: BASE + minutes * 60 * SECOND_US)


@given(times=st.lists(TIMES, min_size=3, max_size=3))
def test_planned_time_of_adjacent_windows_adds_up(times: list[int]) -> None:
    register = workshop(Shift("early", "05:45", "14:00", days=(1, 2, 3, 4, 5)), Shift("night", "21:30", "02:30"), zone="Europe/Berlin")
    start, middle, end = sorted(times)
    whole = scheduled_us(register, Window(start, end))
    assert whole == scheduled_us(register, Window(start, middle)) + scheduled_us(register, Window(middle, end))
    assert 0 <= whole <= end - start
