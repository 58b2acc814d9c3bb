"""Limits of ISO 10816-3:2009 / ISO 20816-3:2022 for vibration severity: zone A, B, C or D by machine group and support.

Velocity RMS in mm/s, 10-1000 Hz, machines above 15 kW. Not for spindles of machine tools (ISO/TR 17243), and not for the trend value of a
controller. Boundaries from third-party texts; the clause was not available when this was written, so edition and source travel with the zone.
"""

import msgspec

from workshop.errors import Rejected

EDITION = "ISO 10816-3:2009"
SOURCE = "boundaries as several third-party texts agree; compare with your copy of the standard"
BOUNDARIES = {
    (1, "rigid"): (2.3, 4.5, 7.1), (1, "flexible"): (3.5, 7.1, 11.0),
    (2, "rigid"): (1.4, 2.8, 4.5), (2, "flexible"): (2.3, 4.5, 7.1),
}
"""(group, support) -> A/B, B/C, C/D in mm/s. Group 1: above 300 kW; group 2: 15 to 300 kW."""


class Zone(msgspec.Struct, frozen=True):
    """A zone with what it rests on."""

    zone: str
    velocity_mm_s: float
    boundaries: tuple[float, float, float]
    edition: str = EDITION
    source: str = SOURCE


def zone_of(velocity_mm_s: float, power_kw: float, support: str) -> Zone:
    """The zone of a machine; a value on a boundary belongs to the lower zone.

    Raises:
        Rejected: a machine of 15 kW or less, a support that is neither rigid nor flexible, a negative value.
    """
    if not power_kw > 15:
        raise Rejected(f"{power_kw:g} kW: {EDITION} is for machines above 15 kW")
    group = 1 if power_kw > 300 else 2
    if (group, support) not in BOUNDARIES:
        raise Rejected(f"support '{support}': there are rigid and flexible")
    if not velocity_mm_s >= 0:
        raise Rejected(f"velocity {velocity_mm_s}: an RMS is not negative")
    boundaries = BOUNDARIES[group, support]
    return Zone("ABCD"[sum(velocity_mm_s > boundary for boundary in boundaries)], velocity_mm_s, boundaries)
