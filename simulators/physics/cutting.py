"""Cutting power from the specific cutting force.

Kienzle: k_c = k_c1.1 · h^(-m_c), N/mm², with the chip thickness h in mm (O. Kienzle, VDI-Z 94 (1952) 299; the values are typical of handbooks).

* Turning: h = f · sin κ, F_c = k_c · a_p · f, P_c = F_c · v_c / 60, W, with v_c in m/min.
* Milling: v_f = f_z · z · n, h_m = f_z · √(a_e / D), P_c = a_p · a_e · v_f · k_c / 60 000, W, with lengths in mm and v_f in mm/min.
"""

import math

import msgspec

_SPINDLE_EFFICIENCY = 0.85
BLUNTING = 0.30
"""How much more force a tool at the end of its life needs: F = F_sharp · (1 + 0.30 · w); 30 to 50 % is usual for VB = 0.3 mm."""


class Material(msgspec.Struct, frozen=True):
    """A work material: k_c1.1 in N/mm² and m_c."""

    name: str
    kc11: float
    mc: float

    def specific_force(self, chip_mm: float) -> float:
        """k_c for this chip thickness, N/mm²."""
        return float(self.kc11 * chip_mm ** -self.mc)


C45 = Material("C45", 2220.0, 0.14)
CRMO4 = Material("42CrMo4", 2500.0, 0.26)
ALSI10 = Material("AlSi10Mg", 830.0, 0.23)


class Turning(msgspec.Struct, frozen=True):
    """Cutting data of a turning operation: v_c m/min, f mm/rev, a_p mm, work diameter mm, κ degrees."""

    cutting_speed: float
    feed: float
    depth: float
    diameter: float
    entering_angle: float = 95.0

    @property
    def spindle_speed(self) -> float:
        """n = 1000 v_c / (π D), {rev}/min."""
        return 1000.0 * self.cutting_speed / (math.pi * self.diameter)

    def power(self, material: Material) -> float:
        """Electrical power of the spindle when the tool is sharp, W."""
        chip_mm = self.feed * math.sin(math.radians(self.entering_angle))
        force = material.specific_force(chip_mm) * self.depth * self.feed
        return force * self.cutting_speed / 60.0 / _SPINDLE_EFFICIENCY


class Milling(msgspec.Struct, frozen=True):
    """Cutting data of a milling operation: v_c m/min, f_z mm, a_p mm, a_e mm, tool diameter mm, teeth."""

    cutting_speed: float
    feed: float
    depth: float
    width: float
    diameter: float
    teeth: int

    @property
    def spindle_speed(self) -> float:
        """n = 1000 v_c / (π D), {rev}/min."""
        return 1000.0 * self.cutting_speed / (math.pi * self.diameter)

    def power(self, material: Material) -> float:
        """Electrical power of the spindle when the tool is sharp, W."""
        chip_mm = self.feed * math.sqrt(self.width / self.diameter)
        removal = self.depth * self.width * self.feed * self.teeth * self.spindle_speed
        return removal * material.specific_force(chip_mm) / 60_000.0 / _SPINDLE_EFFICIENCY
