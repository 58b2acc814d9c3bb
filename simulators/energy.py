"""An electricity meter: a counter of energy, and the power that agrees with it."""

import numpy as np

from simulators.machine import quantise

_NJ_PER_WH = 3_600_000_000_000


class Meter:
    """Energy in whole nanojoules (mW times µs), so that nothing is lost between two W.h and the counter agrees with the power it shows."""

    def __init__(self, dice: np.random.Generator, *, step_w: float) -> None:
        """A meter that has run for years: it starts at some reading, as meters do, and shows power in steps of `step_w` W."""
        self._energy_nj = int(dice.integers(1_000_000, 90_000_000)) * _NJ_PER_WH + int(dice.integers(0, _NJ_PER_WH))
        self._step_w = step_w
        self._shown_nj = self._energy_nj
        self._shown_us: int | None = None
        self._power_w = 0.0

    def add(self, power_w: float, from_us: int, to_us: int) -> None:
        """Count a constant power, W, over this time, µs UTC."""
        self._power_w = power_w
        self._energy_nj += round(power_w * 1000) * (to_us - from_us)

    def read(self, now_us: int) -> tuple[float, int]:
        """Power in W, the mean since the last reading as real meters show it, and the counter in whole W.h."""
        if self._shown_us is not None and now_us > self._shown_us:
            # nJ per µs is mW
            self._power_w = (self._energy_nj - self._shown_nj) / (now_us - self._shown_us) / 1000
        self._shown_nj, self._shown_us = self._energy_nj, now_us
        return quantise(self._power_w, self._step_w), self._energy_nj // _NJ_PER_WH


class Body:
    """A mass that warms up and cools down: first order, exact for any length of step."""

    def __init__(self, temperature: float, *, constant_s: float) -> None:
        """A body at this temperature, Cel, with this time constant, s."""
        self.temperature = temperature
        self._constant_s = constant_s

    def tend(self, towards: float, from_us: int, to_us: int) -> None:
        """Approach a temperature, Cel, for this time, µs UTC."""
        self.temperature += (towards - self.temperature) * -float(np.expm1((from_us - to_us) / 1e6 / self._constant_s))
