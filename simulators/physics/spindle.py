"""What a spindle shows: load, vibration, temperature.

* Load: P_spindle / P_rated · 100 %, with P_rated = 0.55 of the machine's rated power.
* Vibration, mm/s RMS of the velocity as ISO 20816-1 takes it: v = v_0 · (0.6 + 0.4 · load/80) · (1 + 0.8 · s) with the bearing's severity s.
  A spalling bearing's vibration grows exponentially (P. D. Samuel & D. J. Pines, J. Sound Vib. 282 (2005) 475).
* Temperature: first order towards ambient + 0.35 K/% · load + 5 K · s + 12 K · o, o the severity of overheating.
"""

import math

import numpy as np

from simulators.physics.thermal import Floats

RATED_SHARE = 0.55
IDLE_SHARE, TURNING_SHARE = 0.12, 0.03
"""Controller, hydraulics and fans as a share of rated power while the machine is on, and what a turning spindle adds."""
STANDING_VIBRATION, STANDING_NOISE = 0.04, 5.0
"""Vibration of a standing spindle, mm/s, and by how much its relative noise is larger: it is the hall's, not the spindle's."""
LOAD_WARMTH = 0.35
BEARING_VIBRATION, BEARING_WARMTH = 0.8, 5.0
OVERHEATING_WARMTH = 12.0
AXIS_WARMTH = 0.08
NOISE_LOAD, NOISE_SPEED, NOISE_TEMPERATURE, NOISE_VIBRATION = 0.8, 0.001, 0.06, 0.04
"""Usual σ of the sensors: %, share, Cel, share."""
WORST_BEARING = 6.0


def vibration(sound: float, load: float | Floats, bearing: float | Floats) -> float | Floats:
    """Vibration of a turning spindle, mm/s RMS, without noise: `sound` is that of a sound spindle at 80 % load."""
    return sound * (0.6 + 0.4 * load / 80.0) * (1.0 + BEARING_VIBRATION * bearing)


def warmth(load: float | Floats, bearing: float | Floats, overheating: float | Floats) -> float | Floats:
    """How far above ambient the spindle's temperature tends, K."""
    return LOAD_WARMTH * load + BEARING_WARMTH * bearing + OVERHEATING_WARMTH * overheating


def bearing_growth(elapsed_s: float, growth_s: float) -> float:
    """Severity so long after the wear began: exp(t/τ) - 1, up to the worst."""
    return min(WORST_BEARING, math.expm1(min(elapsed_s / growth_s, 50.0))) if elapsed_s > 0.0 else 0.0


def bearing_growth_column(elapsed_s: Floats, growth_s: float) -> Floats:
    """The same for a column of times."""
    return np.minimum(WORST_BEARING, np.expm1(np.clip(elapsed_s / growth_s, 0.0, 50.0)))
