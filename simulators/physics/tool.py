"""Tool life and wear.

Taylor: v_c · T^n = C, so T = (C / v_c)^(1/n), min (F. W. Taylor 1907; ISO 3685, ISO 8688). Wear adds up linearly: w += t / T, and the flank wear is
VB = 0.3 mm · w, so that w = 1 is the end of regular life by ISO 3685.
"""

import msgspec

END_OF_LIFE_MM = 0.30


class Tool(msgspec.Struct, frozen=True):
    """A tool in the magazine: its number, name, Taylor's C in m/min (the speed of 1 min of life) and n (0.25 is usual for carbide)."""

    number: int
    name: str
    taylor_c: float
    taylor_n: float = 0.25

    def life_min(self, cutting_speed: float) -> float:
        """T, min, at this cutting speed, m/min."""
        return float((self.taylor_c / cutting_speed) ** (1.0 / self.taylor_n))
