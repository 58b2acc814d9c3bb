"""Bodies that warm up and cool down, first order.

τ · dθ/dt = θ_∞ - θ, with θ_∞ = ambient + R · P; over a step Δ: θ += (θ_∞ - θ) · (1 - exp(-Δ/τ)), exact for a constant θ_∞ (lumped capacity,
Incropera & DeWitt, Fundamentals of Heat and Mass Transfer, chapter 5). Length changes by α · L · Δθ with α = 11.5 µm/(m·K) for steel.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_STEEL_UM_PER_M_K = 11.5


def first_order(targets: Floats, keep: float, start: float) -> Floats:
    """y[i] = keep · y[i-1] + (1 - keep) · targets[i] with y[-1] = start, for the whole column at once.

    Doubling: after k passes y holds the last 2^k terms; the passes end when the weight of what is older is below 1e-15.
    """
    y = (1.0 - keep) * targets
    if y.size == 0:
        return y
    y[0] += keep * start
    step, weight = 1, keep
    while step < y.size and weight > 1e-15:
        # the right-hand side is complete before anything is written
        y[step:] += weight * y[:-step].copy()
        step, weight = step * 2, weight * weight
    return y


def growth_um(length_m: float, warming: float) -> float:
    """How much longer a steel part of this length gets when it is so much warmer, µm."""
    return _STEEL_UM_PER_M_K * length_m * warming


def ambient(time_us: npt.ArrayLike) -> Floats:
    """Temperature of the hall, Cel: 22 ± 2 over the day, warmest at 15 h, with a slow swing of 1 over the year; times in µs UTC, hall at UTC+8."""
    day = (np.asarray(time_us, dtype=np.float64) / 86_400e6 + 8.0 / 24.0)
    return np.asarray(22.0 + 2.0 * np.cos(2 * np.pi * (day - 15.0 / 24.0)) + np.sin(2 * np.pi * day / 365.25), dtype=np.float64)
