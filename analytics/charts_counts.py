"""Where the p-chart of the textbook misleads: samples with few defects have exact binomial limits, samples that scatter more than chance allows
are judged by their own scatter (Laney's p'-chart)."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from scipy.special import bdtr, bdtrc, chdtri, ndtr, ndtri

from analytics.charts import Chart, Point, western_electric
from workshop.errors import Rejected

FEW = 5
"""Below so many expected defects the normal limits are wrong, and the exact ones are taken."""
_BEYOND = float(ndtr(-3.0))
"""What lies beyond three sigma on one side of a normal distribution: 0.00135."""
_D2 = 1.128
"""Mean range of two normal values in standard deviations: 2 / √π."""


def binomial_limits(size: int, centre: float) -> tuple[int, int]:
    """The least and the greatest count of a sample that three sigma allow, exact: what lies beyond has a probability below 0.00135 on each side."""
    counts = range(size + 1)
    low = bisect_left(counts, True, key=lambda count: float(bdtr(count, size, centre)) >= _BEYOND)
    high = bisect_left(counts, True, lo=1, key=lambda count: float(bdtrc(count - 1, size, centre)) < _BEYOND) - 1
    return low, high


def binomial_sigmas(count: int, size: int, centre: float) -> float:
    """The distance of a count from the centre as a normal distribution would have it with the same tail: beyond 3 exactly beyond the limits.

    0 where neither tail holds less than half, which is the middle of the distribution.
    """
    above = 1.0 if count == 0 else float(bdtrc(count - 1, size, centre))
    upper, lower = -float(ndtri(above)) if above < 1 else 0.0, float(ndtri(float(bdtr(count, size, centre))))
    return min(upper, 38.0) if upper > 0 else max(lower, -38.0) if lower < 0 else 0.0


def exact_p_chart(samples: Sequence[tuple[int, int]], centre: float) -> Chart:
    """A p-chart with exact binomial limits, whatever the sizes."""
    sigmas = [binomial_sigmas(count, size, centre) for count, size in samples]
    limits = [binomial_limits(size, centre) for _, size in samples]
    points = [
        Point(count / size, low / size, high / size, sigma, signals)
        for (count, size), (low, high), sigma, signals in zip(samples, limits, sigmas, western_electric(sigmas), strict=True)
    ]
    return Chart(centre, points, sum(value**2 for value in sigmas) / len(sigmas) if sigmas else 0.0)


def laney_spread(base: Sequence[tuple[int, int]], centre: float) -> float:
    """σ_z of Laney (2002): mean moving range of the base period's standardised shares / 1.128; 1 where samples differ by chance alone.

    Raises:
        Rejected: fewer than two samples, or samples that do not differ.
    """
    if len(base) < 2:
        raise Rejected(f"p'-chart: {len(base)} samples in the base period; at least two are needed to see how they scatter")
    standard = [(count / size - centre) / sqrt(centre * (1 - centre) / size) for count, size in base]
    spread = sum(abs(after - before) for before, after in pairwise(standard)) / (len(standard) - 1) / _D2
    if not spread > 0:
        raise Rejected("p'-chart: the samples of the base period do not differ; there is no scatter to judge by")
    return spread


def dispersion(base: Sequence[tuple[int, int]], centre: float, variance: float) -> tuple[float, float]:
    """(χ² / degrees of freedom of the base period, its 95 % bound if samples differ by chance alone); above the bound they are overdispersed.

    Args:
        variance: of one unit: p̄ (1 − p̄), or ū.
    """
    free = len(base) - 1
    if free < 1:
        return 0.0, float("inf")
    return sum((count / size - centre) ** 2 * size / variance for count, size in base) / free, float(chdtri(free, 0.05)) / free
