"""The one clock of a process: real time, or a scaled time that all processes of a demo share."""

import ctypes
import sys
import time

from workshop.batch import ClockState
from workshop.errors import ConfigError
from workshop.window import Clock


class ScaledClock:
    """Time that runs `speed` times as fast as real time from an anchor on; it never goes back.

    Args:
        anchor_us: what this clock showed at the anchor, µs UTC.
        real_us: what the machine's clock showed at the anchor, µs UTC.
        speed: seconds of this clock per real second.
    """

    def __init__(self, anchor_us: int, real_us: int, speed: float) -> None:
        self.anchor_us, self.real_us, self.speed = anchor_us, real_us, speed
        self._last = 0

    def __call__(self) -> int:
        now = self.anchor_us + round((time.time_ns() // 1000 - self.real_us) * self.speed)
        self._last = max(self._last, now)
        return self._last

    def option(self) -> str:
        """The text that makes the same clock in another process: "ANCHOR_US,REAL_US,SPEED"."""
        return f"{self.anchor_us},{self.real_us},{self.speed!r}"


def real_clock() -> int:
    """Microseconds since 1970 UTC, by the machine's clock."""
    return time.time_ns() // 1000


def clock_from(option: str | None) -> Clock:
    """The clock that `--clock` names; real time without it.

    Raises:
        ConfigError: not three numbers, or a speed that is not positive.
    """
    if option is None:
        return real_clock
    try:
        anchor, real, speed = option.split(",")
        clock = ScaledClock(int(anchor), int(real), float(speed))
    except ValueError as error:
        raise ConfigError(f"--clock '{option}': must be ANCHOR_US,REAL_US,SPEED, such as 1790000000000000,1790000000000000,1.0") from error
    if not 0 < clock.speed < 1e6:
        raise ConfigError(f"--clock '{option}': the speed must be above 0 and below a million")
    return clock


def demo_clock(speed: float) -> ScaledClock:
    """A clock that starts at the present and runs at this speed."""
    now = time.time_ns() // 1000
    return ScaledClock(now, now, speed)


_TIMEX_BYTES = 1024
_TIME_ERROR = 5


def system_clock_state() -> ClockState:
    """Whether the operating system keeps its clock to a time source: adjtimex(2), which returns TIME_ERROR if not; unknown counts as not."""
    if sys.platform != "linux":
        return ClockState()
    # With modes = 0 nothing is changed; the structure is smaller than this on every platform.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return ClockState(synchronised=state not in (-1, _TIME_ERROR))
