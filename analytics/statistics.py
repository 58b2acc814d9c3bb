"""Intervals for shares of counted things."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from scipy.special import betaincinv

from workshop.errors import Rejected

WILSON = "Wilson 95 %"
CLOPPER_PEARSON = "Clopper-Pearson 95 %"

_Z = Decimal("1.95996398454005423552")  # 97.5 % quantile of the normal distribution
_TAIL = 0.025
# A context of its own: the result must not depend on what a caller has set for the process.
_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)


def wilson(count: int, total: int, places: int) -> tuple[Decimal, Decimal]:
    """The Wilson score interval of count / total, two-sided 95 %, rounded to so many places, halves to even; for showing.

    Centre (p + z²/2n) / (1 + z²/n), half width z √(p(1 − p)/n + z²/4n²) / (1 + z²/n), kept within [0, 1]. In decimals throughout, so
    that the digits are the same on every computer.
    Raises:
        Rejected: not 0 <= count <= total with total > 0.
    """
    _check(count, total)
    c = _CONTEXT
    n, k, z2 = Decimal(total), Decimal(count), c.multiply(_Z, _Z)
    scale = c.add(n, z2)
    centre = c.divide(c.add(k, c.divide(z2, Decimal(2))), scale)
    spread = c.add(c.divide(c.multiply(k, c.subtract(n, k)), n), c.divide(z2, Decimal(4)))
    half = c.divide(c.multiply(_Z, c.sqrt(spread)), scale)
    low = Decimal(0) if count == 0 else max(Decimal(0), c.subtract(centre, half))
    high = Decimal(1) if count == total else min(Decimal(1), c.add(centre, half))
    return _round(low, places), _round(high, places)


def clopper_pearson(count: int, total: int, places: int) -> tuple[Decimal, Decimal]:
    """The Clopper–Pearson interval of count / total, two-sided 95 %, rounded to so many places, halves to even; for a claim.

    Quantiles of Beta(k, n − k + 1) at 2.5 % and Beta(k + 1, n − k) at 97.5 %: covers the truth in at least 95 % of cases, whatever it is.
    The quantiles are floats; a difference between computers in their last bit vanishes in the rounding.
    Raises:
        Rejected: not 0 <= count <= total with total > 0.
    """
    _check(count, total)
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, _TAIL))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - _TAIL))
    return _round(Decimal(low), places), _round(Decimal(high), places)


def _round(value: Decimal, places: int) -> Decimal:
    return Decimal(f"{round(Fraction(value) * 10**places)}e-{places}")


def _check(count: int, total: int) -> None:
    if not 0 <= count <= total or total == 0:
        raise Rejected(f"interval of {count} / {total}: needs 0 <= count <= total and a total above 0")
