"""Intervals for shares of counted things."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import comb

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


def most_in_lot(found: int, sampled: int, lot: int, confidence: Fraction = Fraction(95, 100)) -> int:
    """Upper one-sided bound on how many of a finite lot have a property, when so many of a random sample without return have it.

    The largest D for which a sample as small as this, P(X <= found | D), is still as likely as 1 − confidence or more; hypergeometric, exact in
    integers. With none found it is the bound on what was left out.
    Raises:
        Rejected: not 0 <= found <= sampled <= lot with sampled > 0, or a confidence outside (0, 1).
    """
    _check_lot(found, sampled, lot, confidence)
    low, high = found, lot - (sampled - found)
    while low < high:  # the probability falls as D grows
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _at_most(found, sampled, lot, middle) >= 1 - confidence else (low, middle - 1)
    return low


def least_in_lot(found: int, sampled: int, lot: int, confidence: Fraction = Fraction(95, 100)) -> int:
    """Lower one-sided bound, as `most_in_lot`: what does not have the property is counted instead."""
    return lot - most_in_lot(sampled - found, sampled, lot, confidence)


def lot_interval(found: int, sampled: int, lot: int) -> tuple[int, int]:
    """Two-sided 95 % bounds on the number in the lot: 97.5 % on each side."""
    each = Fraction(975, 1000)
    return least_in_lot(found, sampled, lot, each), most_in_lot(found, sampled, lot, each)


def sample_for_lot(bad: int, lot: int, confidence: Fraction = Fraction(95, 100)) -> int:
    """The smallest sample that holds at least one of `bad` among `lot` with this probability.

    Raises:
        Rejected: not 0 < bad <= lot, or a confidence outside (0, 1).
    """
    if not 0 < bad <= lot:
        raise Rejected(f"sample of a lot: needs 0 < {bad} <= {lot}")
    _check_lot(0, 1, lot, confidence)
    low, high = 1, lot - bad + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _at_most(0, middle, lot, bad) <= 1 - confidence else (middle + 1, high)
    return low


def _at_most(found: int, sampled: int, lot: int, bad: int) -> Fraction:
    """P(X <= found) for X of `sampled` drawn from `lot` with `bad` among them."""
    ways = sum(comb(bad, k) * comb(lot - bad, sampled - k) for k in range(max(0, sampled - lot + bad), min(found, bad) + 1))
    return Fraction(ways, comb(lot, sampled))


def _check_lot(found: int, sampled: int, lot: int, confidence: Fraction) -> None:
    if not 0 <= found <= sampled <= lot or sampled == 0:
        raise Rejected(f"{found} of a sample of {sampled} from {lot}: needs 0 <= found <= sampled <= lot and a sample above 0")
    if not 0 < confidence < 1:
        raise Rejected(f"confidence {confidence} does not lie between 0 and 1")


def _round(value: Decimal, places: int) -> Decimal:
    return Decimal(f"{round(Fraction(value) * 10**places)}e-{places}")


def _check(count: int, total: int) -> None:
    if not 0 <= count <= total or total == 0:
        raise Rejected(f"interval of {count} / {total}: needs 0 <= count <= total and a total above 0")
