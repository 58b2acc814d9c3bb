"""Control charts of counted things: p-chart and u-chart with the Western Electric rules, and process capability with intervals.

Limits come from a stable base period, never from the points under test. With very large samples a chart signals on trivial differences between
batches (overdispersion): that is a property of the chart, and `overdispersion` says how far it goes.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import sqrt

import msgspec
from scipy.special import gammaincinv

from workshop.errors import Rejected

_Z = 1.959963984540054
_RUN = 8


class Rule(StrEnum):
    """The four rules of the Western Electric handbook (1956), on one side of the centre line."""

    BEYOND_3 = "one point beyond three sigma"
    TWO_BEYOND_2 = "two of three successive points beyond two sigma"
    FOUR_BEYOND_1 = "four of five successive points beyond one sigma"
    EIGHT_ONE_SIDE = "eight successive points on one side of the centre"


class Point(msgspec.Struct, frozen=True):
    """One sample on a chart."""

    value: float
    low: float
    high: float
    """Three-sigma limits for this sample's size; the lower one is not below 0."""
    sigmas: float
    """Distance from the centre in standard deviations of this sample's size."""
    signals: tuple[Rule, ...]


class Chart(msgspec.Struct, frozen=True):
    """Centre line and points."""

    centre: float
    points: list[Point]
    overdispersion: float
    """Mean square of the distances in sigmas: near 1 if samples differ by chance alone."""


def p_chart(samples: Sequence[tuple[int, int]], base: Sequence[tuple[int, int]], spread: float = 1.0) -> Chart:
    """Share of defective parts per sample of (defective, inspected): p̄ ± 3 σ √(p̄ (1 − p̄) / nᵢ), p̄ from the base period.

    Normal limits: for fewer than about 5 expected defects a sample see `charts_counts.exact_p_chart`.
    Args:
        spread: σ, above 1 for a p'-chart of samples that scatter more than chance allows (`charts_counts.laney_spread`).

    Raises:
        Rejected: a count that is not 0 <= count <= size, an empty base, or a base in which all or none are defective.
    """
    for count, size in (*samples, *base):
        if not 0 <= count <= size or size < 1:
            raise Rejected(f"p-chart: {count} of {size}: needs 0 <= count <= size and a size above 0")
    centre = _centre(base, "p-chart")
    if centre >= 1:
        raise Rejected("p-chart: all of the base period are defective; there is no scatter to judge by")
    return _chart(samples, centre, centre * (1 - centre) * spread**2, 1.0)


def u_chart(samples: Sequence[tuple[int, int]], base: Sequence[tuple[int, int]]) -> Chart:
    """Defects per unit of samples of (defects, units): ū ± 3 √(ū / nᵢ); a unit may have several defects.

    Raises:
        Rejected: a negative count, no units, an empty base, or a base without defects.
    """
    for count, size in (*samples, *base):
        if count < 0 or size < 1:
            raise Rejected(f"u-chart: {count} in {size} units: needs a count of at least 0 and a size above 0")
    centre = _centre(base, "u-chart")
    return _chart(samples, centre, centre, float("inf"))


def western_electric(sigmas: Sequence[float]) -> list[tuple[Rule, ...]]:
    """The rules that each point breaks together with the points before it; distances from the centre in standard deviations."""
    found: list[tuple[Rule, ...]] = []
    for place in range(len(sigmas)):
        broken: list[Rule] = []
        for side in (1, -1):
            recent = [side * value for value in sigmas[max(0, place - _RUN + 1) : place + 1]]
            if recent[-1] > 3:
                broken.append(Rule.BEYOND_3)
            if recent[-1] > 2 and sum(value > 2 for value in recent[-3:]) >= 2:
                broken.append(Rule.TWO_BEYOND_2)
            if recent[-1] > 1 and sum(value > 1 for value in recent[-5:]) >= 4:
                broken.append(Rule.FOUR_BEYOND_1)
            if len(recent) == _RUN and min(recent) > 0:
                broken.append(Rule.EIGHT_ONE_SIDE)
        found.append(tuple(broken))
    return found


class Capability(msgspec.Struct, frozen=True):
    """Cp and Cpk with two-sided 95 % intervals."""

    cp: float
    cp_low: float
    cp_high: float
    cpk: float
    cpk_low: float
    cpk_high: float


def capability(count: int, mean: float, deviation: float, lower: float, upper: float) -> Capability:
    """Capability of a measured dimension against its tolerance: Cp = (USL − LSL)/6s, Cpk = min(USL − x̄, x̄ − LSL)/3s.

    The interval of Cp is exact for normal values (χ²), that of Cpk is Bissell's (1990): Cpk ± z √(1/(9n) + Cpk²/(2(n − 1))). Whether it is Cp or Cm
    depends on where s comes from: within subgroups, or over all.
    Raises:
        Rejected: fewer than two values, no scatter, or limits in the wrong order.
    """
    if count < 2 or not deviation > 0 or not lower < upper:
        raise Rejected(f"capability of {count} values, deviation {deviation}, limits {lower} … {upper}: needs two values, scatter, and lower < upper")
    free = count - 1
    cp, cpk = (upper - lower) / (6 * deviation), min(upper - mean, mean - lower) / (3 * deviation)
    quantiles = [2 * float(gammaincinv(free / 2, tail)) for tail in (0.025, 0.975)]
    half = _Z * sqrt(1 / (9 * count) + cpk**2 / (2 * free))
    return Capability(cp, cp * sqrt(quantiles[0] / free), cp * sqrt(quantiles[1] / free), cpk, cpk - half, cpk + half)


def _centre(base: Sequence[tuple[int, int]], name: str) -> float:
    count, size = sum(item[0] for item in base), sum(item[1] for item in base)
    if not count:
        raise Rejected(f"{name}: nothing counted in the base period; there is no scatter to judge by")
    return count / size


def _chart(samples: Sequence[tuple[int, int]], centre: float, variance: float, ceiling: float) -> Chart:
    spreads = [sqrt(variance / size) for _, size in samples]
    sigmas = [(count / size - centre) / spread for (count, size), spread in zip(samples, spreads, strict=True)]
    points = [
        Point(count / size, max(0.0, centre - 3 * spread), min(ceiling, centre + 3 * spread), sigma, signals)
        for (count, size), spread, sigma, signals in zip(samples, spreads, sigmas, western_electric(sigmas), strict=True)
    ]
    return Chart(centre, points, sum(value**2 for value in sigmas) / len(sigmas) if sigmas else 0.0)
