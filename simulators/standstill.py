"""When a machine stands although nothing is wrong with it: the calendar says so, or it is stopped outside a claimed window (a fraud)."""

from simulators.frauds import SHARES
from simulators.schedule import Schedule
from simulators.shifts import Calendar, Interruption, interruption_at

_HOUR_US = 3_600_000_000


def standstill(calendar: Calendar | None, schedule: Schedule, equipment: str, now_us: int) -> Interruption | None:
    """The interruption that holds at this time, µs UTC. The fraud stops the machine in the first 10, 30 or 60 % of every hour."""
    fraud = schedule.active("stopped_outside_window", equipment, now_us)
    if fraud is not None:
        hour_us = now_us // _HOUR_US * _HOUR_US
        end_us = hour_us + round(_HOUR_US * SHARES[round(fraud.severity) - 1])
        if now_us < end_us:
            return Interruption(hour_us, end_us, "off_shift")
    return None if calendar is None else interruption_at(calendar, equipment, now_us)
