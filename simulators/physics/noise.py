"""The colour of a sensor's noise: no two machines have the same, and a replay shows.

AR(1): x[i] = φ · x[i-1] + √(1 - φ²) · σ · ε[i], ε ~ N(0, 1): variance σ², spectrum falling with φ (Box & Jenkins, Time Series Analysis). φ is drawn
per machine and signal from 0.15 to 0.85, and σ within ±20 % of the signal's usual one; the converter then rounds to its step.
"""

import math

import msgspec
import numpy as np

from simulators.machine import generator
from simulators.physics.thermal import Floats, first_order


class Colour(msgspec.Struct, frozen=True):
    """φ and σ of one signal of one machine."""

    phi: float
    sigma: float


def colour(seed: int, equipment: str, signal: str, sigma: float) -> Colour:
    """This machine's own colour of this signal, of which σ is usual; the same live and in the history."""
    dice = generator(seed, equipment, "colour", signal)
    return Colour(float(dice.uniform(0.15, 0.85)), sigma * float(dice.uniform(0.8, 1.2)))


class Noise:
    """One signal's noise, value by value."""

    def __init__(self, own: Colour, dice: np.random.Generator) -> None:
        self._phi, self._fresh = own.phi, own.sigma * math.sqrt(1.0 - own.phi**2)
        self._dice = dice
        self._x = own.sigma * float(dice.standard_normal())

    def next(self) -> float:
        """The next value."""
        self._x = self._phi * self._x + self._fresh * float(self._dice.standard_normal())
        return self._x


def noise_column(own: Colour, dice: np.random.Generator, count: int) -> Floats:
    """So many values at once, starting anywhere in the stationary process."""
    fresh = dice.standard_normal(count)
    fresh *= own.sigma * math.sqrt(1.0 - own.phi**2) / (1.0 - own.phi)
    return first_order(fresh, own.phi, own.sigma * float(dice.standard_normal()))


def quantise_column(values: Floats, step: float) -> Floats:
    """A column as a converter with this step shows it, bit-equal to the decimal number: 43.7 for a step of 0.1.

    A step of 1/k is rounded by dividing by k, because the multiplication with 0.1 leaves 0.30000000000000004.
    """
    if step < 1.0:
        per_unit = float(round(1.0 / step))
        return np.rint(values * per_unit) / per_unit
    return np.rint(values / step) * step
