"""What sensors show of a counter that begins anew, live."""

from collections.abc import Mapping

import pytest

from simulators.machine import Event, Values
from simulators.schedule import Entry, Schedule
from simulators.sensing import Sensing


class Counter:
    """A meter that tells these values, one after the other."""

    equipment, kind, due_us = "meter-01", "main_meter", 0
    units: Mapping[str, str] = {}

    def __init__(self, *values: int) -> None:
        self._values = iter(values)

    def scan(self, now_us: int) -> Values:
        return {"energy_import": next(self._values)}

    def detail(self) -> Values:
        return {}

    def take_events(self) -> list[Event]:
        return []


@pytest.mark.parametrize(("kind", "severity", "begins"), [
    ("counter_reset", 1.0, 0), ("meter_exchange", 1.0, 10_000_000), ("meter_exchange", 2.5, 25_000_000),
])
def test_a_counter_that_begins_anew_before_its_wrap_goes_on_over_it_and_after_the_fault(kind: str, severity: float, begins: int) -> None:
    shown = Sensing(Counter(999_999_000, 999_999_400, 999_999_900, 300, 800), Schedule([Entry(kind, "meter-01", 1, 2, severity)]), 1)
    told = [shown.scan(now)["energy_import"] for now in range(5)]
    assert told == [999_999_000, begins, begins + 500, begins + 900, begins + 1400]
