"""The clock of the simulated world: real time by default, faster when the demo is told to hurry."""

import time
from collections.abc import Callable

from simulators.errors import SimulatorError


def real_time_us() -> int:
    """The computer's own time, µs UTC since 1970."""
    return time.time_ns() // 1000


class Clock:
    """Simulated time in µs UTC: `anchor_us + (real time - anchor_real_us) * speed`.

    Processes that are given the same three numbers agree on the time as well as the computer's clock does. Within a process it never goes back,
    even when the computer's clock is set back: a device whose stamps go back would look like one whose record was edited.
    """

    def __init__(
        self, anchor_us: int = 0, anchor_real_us: int = 0, speed: float = 1.0, *, real_us: Callable[[], int] = real_time_us
    ) -> None:
        """A clock that shows `anchor_us` when the computer's clock shows `anchor_real_us` (both µs) and runs `speed` times as fast.

        Raises:
            SimulatorError: the speed is not a positive number.
        """
        if not 0.0 < speed < float("inf"):
            raise SimulatorError(f"clock: speed {speed} is impossible; give a positive number such as 1 or 10")
        self.speed = speed
        self._anchor_us = anchor_us
        self._anchor_real_us = anchor_real_us
        self._real_us = real_us
        self._last_us = 0

    @classmethod
    def parse(cls, text: str) -> "Clock":
        """The clock that "ANCHOR_US,REAL_US,SPEED" stands for, as the command line passes it on.

        Raises:
            SimulatorError: the text is not two whole numbers of µs and a positive speed.
        """
        try:
            anchor, real, speed = text.split(",")
            return cls(int(anchor), int(real), float(speed))
        except ValueError as error:
            raise SimulatorError(f"--clock {text!r}: expected ANCHOR_US,REAL_US,SPEED, for instance 1767571200000000,1767571200000000,1") from error

    def __call__(self) -> int:
        """Simulated time now, µs UTC; never less than the last answer."""
        now_us = self._anchor_us + int((self._real_us() - self._anchor_real_us) * self.speed)
        self._last_us = max(self._last_us, now_us)
        return self._last_us

    def seconds_until(self, time_us: int) -> float:
        """Real seconds until the clock shows `time_us`; 0 when it is past."""
        return max(0.0, (time_us - self()) / 1e6 / self.speed)
