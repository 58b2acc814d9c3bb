"""Windows of time: half-open [start, end) in integer microseconds since 1970 UTC."""

from collections.abc import Callable, Iterator

import msgspec

from workshop.errors import ConfigError

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US

Clock = Callable[[], int]
"""Gives the present time in µs UTC. The roof makes one per process and hands it down; nothing below reads the machine's clock."""


class Window(msgspec.Struct, frozen=True, order=True):
    """A half-open window [start_us, end_us) in source time, µs UTC."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.end_us < self.start_us:
            raise ConfigError(f"window: end {self.end_us} is before start {self.start_us}")

    @property
    def length_us(self) -> int:
        """Length in µs."""
        return self.end_us - self.start_us

    def holds(self, time_us: int) -> bool:
        """Whether the instant lies in the window; the end does not."""
        return self.start_us <= time_us < self.end_us

    def clip(self, other: "Window") -> "Window":
        """The part of this window that lies in the other; empty at this window's start if they do not meet."""
        start, end = max(self.start_us, other.start_us), min(self.end_us, other.end_us)
        return Window(start, end) if end > start else Window(self.start_us, self.start_us)

    def hours(self) -> Iterator["Window"]:
        """The window cut at full hours UTC: first and last piece may be partial."""
        start = self.start_us
        while start < self.end_us:
            end = min((start // HOUR_US + 1) * HOUR_US, self.end_us)
            yield Window(start, end)
            start = end
