"""The simulated clock and the schedule of a bad link."""

from itertools import islice, pairwise

import pytest

from simulators.clock import Clock
from simulators.errors import SimulatorError
from simulators.link import outages
from simulators.machine import generator
from simulators.settings import Link


class RealTime:
    """Real time that the test moves."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


def test_clock_runs_at_its_speed_from_its_anchor() -> None:
    real = RealTime(1_000_000)
    clock = Clock(5_000_000, 1_000_000, 10.0, real_us=real)
    assert clock() == 5_000_000
    real.now_us += 250_000
    assert clock() == 7_500_000
    assert clock.seconds_until(8_500_000) == 0.1
    assert clock.seconds_until(7_000_000) == 0.0


def test_clock_never_goes_back() -> None:
    real = RealTime(1_000_000)
    clock = Clock(0, 0, 1.0, real_us=real)
    assert clock() == 1_000_000
    real.now_us = 900_000
    assert clock() == 1_000_000
    real.now_us = 1_000_001
    assert clock() == 1_000_001


def test_default_clock_is_real_time_to_the_microsecond() -> None:
    real = RealTime(1_767_571_200_123_457)
    assert Clock(real_us=real)() == 1_767_571_200_123_457


def test_clock_from_text() -> None:
    clock = Clock.parse("1767571200000000,1767571300000000,2.5")
    assert clock.speed == 2.5
    for wrong in ("", "1,2", "1,2,3,4", "a,2,3", "1,2,0", "1,2,-1", "1,2,nan", "1,2,inf"):
        with pytest.raises(SimulatorError, match=r"speed|--clock"):
            Clock.parse(wrong)


def test_link_is_down_a_fifth_of_any_long_time() -> None:
    link = Link(period_s=20, down_s=4, first_s=10)
    times = list(islice(outages(link, 0, generator(1, "cnc-05", "link")), 50))
    assert all(up - down == 4_000_000 for down, up in times)
    assert all(abs(down - (10 + 20 * number) * 1_000_000) <= 250_000 for number, (down, _) in enumerate(times))
    assert all(later[0] > earlier[1] for earlier, later in pairwise(times))
    assert times == list(islice(outages(link, 0, generator(1, "cnc-05", "link")), 50))
    assert times != list(islice(outages(link, 0, generator(2, "cnc-05", "link")), 50))
