"""Three-phase quantities of a meter.

P = √3 · U · I · cos φ, so I = P / (√3 · U · cos φ), A, with the line voltage U; voltage stays within 400 V ± 10 % (EN 50160), and the power factor of
drives rises with load: cos φ = 0.55 + 0.40 · P / P_rated, at most 0.95. Import counters have eight digits of 0.1 kWh, or wrap at 2^32 W.h, by meter.
"""

import math
from typing import Final

LINE_V = 400.0
REGISTER_WH: Final = 2**32
"""Where a counter of 32 bits begins again."""
MAIN_REGISTER_WH: Final = 1_000_000_000
"""Where a main meter's counter begins again."""
EXCHANGED_WH: Final = 10_000_000
"""What a meter stands at that is put in instead of another one, per unit of severity."""
LOSS_SHARE = 0.015
"""What the workshop's main meter sees beyond its sub-meters in proportion: cables and transformer."""
LIGHTING_W = 2400.0
"""And what nobody meters: lighting, offices."""


def power_factor(power_w: float, rated_w: float, dip: float = 0.0) -> float:
    """cos φ at this load; `dip` is the severity of a power-quality event, 0.1 each."""
    return max(0.2, min(0.95, 0.55 + 0.40 * power_w / rated_w) - 0.1 * dip)


def line_voltage(noise_v: float, dip: float = 0.0) -> float:
    """Line voltage, V, with the meter's own noise and a dip of 10 % per unit of severity."""
    return max(0.0, LINE_V * (1.0 - 0.1 * dip) + noise_v)


def phase_currents(power_w: float, voltage_v: float, factor: float, unbalance: tuple[float, float, float]) -> tuple[float, float, float]:
    """Currents of the three conductors, A; the unbalance are factors around 1 with a mean of 1."""
    mean = power_w / (math.sqrt(3.0) * max(voltage_v, 1.0) * factor)
    return mean * unbalance[0], mean * unbalance[1], mean * unbalance[2]
