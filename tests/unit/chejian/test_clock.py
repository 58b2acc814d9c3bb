"""The one clock of a process."""

import pytest

from chejian.clock import ScaledClock, clock_from, demo_clock, real_clock
from workshop.errors import ConfigError


def test_two_processes_share_a_scaled_clock() -> None:
    clock = demo_clock(60.0)
    other = clock_from(clock.option())
    assert isinstance(other, ScaledClock)
    assert (other.anchor_us, other.real_us, other.speed) == (clock.anchor_us, clock.real_us, clock.speed)
    assert abs(other() - clock()) < 60_000_000


def test_it_never_goes_back() -> None:
    clock = ScaledClock(0, real_clock(), 1.0)
    clock._last = 10**15
    assert clock() == 10**15


@pytest.mark.parametrize("option", ["", "1,2", "a,b,c", "1,2,0", "1,2,-1", "1,2,nan", "1,2,3,4"])
def test_a_wrong_option_is_refused_in_words(option: str) -> None:
    with pytest.raises(ConfigError, match="--clock"):
        clock_from(option)
