"""What makes two machines of a kind two machines: small differences that stay with each for life."""

import msgspec

from simulators.machine import generator


class Personality(msgspec.Struct, frozen=True):
    """Factors around 1 of one machine, the same live and in its history."""

    idle: float
    """On the power of the machine that is on but does not cut."""
    cutting: float
    """On cutting power: losses of its drives."""
    wear: float
    """On tool wear: its stiffness, its coolant."""
    vibration: float
    warmth: float
    phase: tuple[float, float, float]
    """Share of the three conductors in its current."""
    short: float
    long: float
    """The waiting between two parts lies evenly between these shares of the ideal cycle."""


def personality(seed: int, equipment: str) -> Personality:
    """The machine's own factors, drawn once from its name and the seed."""
    dice = generator(seed, equipment, "personality")
    idle, cutting, wear, vibration, warmth = (float(dice.uniform(1.0 - spread, 1.0 + spread)) for spread in (0.08, 0.04, 0.15, 0.12, 0.08))
    one, two = float(dice.uniform(-0.03, 0.03)), float(dice.uniform(-0.03, 0.03))
    return Personality(
        idle, cutting, wear, vibration, warmth, (1.0 + one, 1.0 + two, 1.0 - one - two),
        float(dice.uniform(0.020, 0.035)), float(dice.uniform(0.075, 0.095)),
    )
