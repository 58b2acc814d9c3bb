"""Why parts are bad.

p = p_0 · (0.38 + 1.35 · w²) + p_0 · 0.04 · (Δθ/K)² + 0.02 · s + 0.02 · b + 0.05 · c

w wear of the most worn tool (0 new, 1 end of life: evenly spread, the first two terms are p_0 with the usual Δθ), Δθ distance of the spindle's
temperature from the warmed-up machine's, s bearing, b backlash, c coolant loss. Wear raises scrap more than in proportion (quadratic); the
coefficients are this simulation's own and fixed here, before any detector exists.
"""

from typing import Final

import numpy as np

from simulators.physics.thermal import Floats

CODES: Final = ("DIM-WEAR", "DIM-THERMAL", "SURF-CHATTER", "DIM-BACKLASH", "SURF-BURN", "MATERIAL", "TOOL-BREAK", "COLLISION")
"""Reason codes; the first six are drawn by their share of p, the others are certain."""
CERTAIN: Final = {"tool_breakage": "TOOL-BREAK", "collision_stop": "COLLISION"}


def hazards(base: float, wear: Floats, off_k: Floats, bearing: Floats, backlash: Floats, coolant: Floats) -> Floats:
    """Probability of each of the first six codes, one row per code, one column per part."""
    zero = np.zeros_like(wear)
    return np.stack([
        base * (0.08 + 1.35 * wear**2), base * np.minimum(0.04 * off_k**2, 2.0), 0.02 * bearing + zero,
        0.02 * backlash + zero, 0.05 * coolant + zero, base * 0.30 + zero,
    ])


def reasons(hazard: Floats, draws: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Index of the code for each part, or -1 for a good one: the first code whose cumulative probability exceeds the draw (uniform in 0…1)."""
    edges = np.minimum(np.cumsum(hazard, axis=0), 0.95)
    index = (draws[None, :] >= edges).sum(axis=0)
    return np.where(index == len(hazard), -1, index).astype(np.int64)
