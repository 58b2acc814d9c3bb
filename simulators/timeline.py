"""A machine's life as phases of constant behaviour, so that it depends on time alone and not on how often somebody looks."""

from collections.abc import Callable

import msgspec

from simulators.machine import ItemState, OperationMode


class Phase(msgspec.Struct, frozen=True):
    """A stretch of time in which a machine does one thing."""

    name: str
    duration_us: int
    power_w: float
    item_state: ItemState = ItemState.EXECUTING
    mode: OperationMode = OperationMode.PROCESSING
    load: float = 0.0
    """How hard it works: spindle load in %, joint speed in deg/s, pressure change in bar/s – as the kind says."""
    speed: float = 0.0
    """Spindle speed, {rev}/min."""
    alarm: int = 0
    """Alarm number, 0 for none."""
    operation: int = -1
    """Index of the program's operation that is being cut, -1 for none."""
    tool: int = 0
    """Number of the tool in the spindle, or being changed; 0 for none."""


class Timeline:
    """Where a machine is in its succession of phases."""

    def __init__(
        self, start_us: int, *, following: Callable[[Phase | None, int], Phase], live: Callable[[Phase, int, int], None]
    ) -> None:
        """A life that begins at `start_us`, µs UTC.

        Args:
            following: the phase after this one (None at the beginning), which ended at this time (µs UTC); dice are thrown here.
            live: what a stretch of one phase, from and to (µs UTC), does to the machine: heat, energy.
        """
        self._following = following
        self._live = live
        self.at_us = start_us
        self.phase = following(None, start_us)
        self.until_us = start_us + self.phase.duration_us

    def advance(self, now_us: int) -> Phase:
        """Live until this time, µs UTC, and return the phase that it falls in."""
        while self.until_us <= now_us:
            self._live(self.phase, self.at_us, self.until_us)
            self.at_us = self.until_us
            self.phase = self._following(self.phase, self.at_us)
            self.until_us += self.phase.duration_us
        if now_us > self.at_us:
            self._live(self.phase, self.at_us, now_us)
            self.at_us = now_us
        return self.phase
