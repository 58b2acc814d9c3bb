"""Is a rate down? The ratio of two rates of counted things, its interval, and the test of a claimed reduction.

"Down 30 %" is relative: p₁ / p₀ <= 0.70. It holds only if the one-sided 95 % upper bound of the ratio says so; a ratio of 0.60 from a few hundred
defects says nothing yet. Computed in decimals throughout, so that every computer gives the same digits.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from fractions import Fraction

import msgspec

from workshop.errors import Rejected

KATZ = "Katz log, one-sided 95 %"
_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)
_Z_ONE_SIDED = Decimal("1.64485362695147271486")  # 95 % quantile of the normal distribution
_Z_TWO_SIDED = Decimal("1.95996398454005423552")
_POWERS = {Fraction(1, 2): Decimal(0), Fraction(8, 10): Decimal("0.84162123357291436113"), Fraction(9, 10): Decimal("1.28155156554460046697")}
"""Quantiles of the normal distribution by the chance of confirmation that is wanted."""


class Outcome(StrEnum):
    """What the counts say about a claimed reduction."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDETERMINED = "undetermined"


class Counted(msgspec.Struct, frozen=True):
    """So many of so many."""

    count: int
    total: int


class Reduction(msgspec.Struct, frozen=True):
    """The answer of the test, with what it rests on. Decimals are rounded to six places, halves to even."""

    outcome: Outcome
    ratio: Decimal | None
    low: Decimal | None
    high: Decimal | None
    """One-sided 95 % bounds of the ratio; None where the formula fails."""
    why: str


def katz(after: Counted, before: Counted, z: Decimal = _Z_TWO_SIDED) -> tuple[Decimal, Decimal] | None:
    """The Katz log interval of the ratio of two rates, two-sided 95 % by default, not rounded.

    ln R ± z √((1 − p₁)/x₁ + (1 − p₀)/x₀) (Katz et al. 1978).
    Returns:
        None where one of the counts is 0: the formula fails there.
    Raises:
        Rejected: not 0 <= count <= total with total > 0.
    """
    for item in (after, before):
        if not 0 <= item.count <= item.total or item.total == 0:
            raise Rejected(f"ratio of rates: {item.count} / {item.total}: needs 0 <= count <= total and a total above 0")
    if not after.count or not before.count:
        return None
    c = _CONTEXT
    spread = Fraction(after.total - after.count, after.count * after.total) + Fraction(before.total - before.count, before.count * before.total)
    half = c.multiply(z, c.sqrt(_decimal(spread)))
    middle = c.ln(_decimal(_ratio(after, before)))
    return c.exp(c.subtract(middle, half)), c.exp(c.add(middle, half))


def judge_reduction(after: Counted, before: Counted, at_most: Decimal = Decimal("0.70")) -> Reduction:
    """Whether the rate after is at most this share of the rate before.

    Confirmed if the one-sided 95 % upper bound of the ratio is at most that, refuted if the lower one is above it, else undetermined.
    Raises:
        Rejected: not 0 <= count <= total with total > 0, or a bound that is not above 0.
    """
    if not at_most > 0:
        raise Rejected(f"reduction to at most {at_most}: the bound must be above 0")
    bounds = katz(after, before, _Z_ONE_SIDED)
    shown = f"{after.count} of {after.total} after, {before.count} of {before.total} before"
    if bounds is None:
        return Reduction(Outcome.UNDETERMINED, None, None, None, f"{shown}: with a count of 0 the interval of the ratio is undefined")
    low, high = bounds
    outcome = Outcome.CONFIRMED if high <= at_most else Outcome.REFUTED if low > at_most else Outcome.UNDETERMINED
    ratio, rounded_low, rounded_high = (_round(Fraction(item)) for item in (_ratio(after, before), low, high))
    why = f"{shown}: ratio {ratio}, {KATZ} bounds {rounded_low} and {rounded_high}, claimed at most {at_most}"
    if outcome is Outcome.UNDETERMINED and _ratio(after, before) < Fraction(at_most):
        needed = parts_needed(Fraction(before.count, before.total), Fraction(after.count, after.total), at_most)
        why += f"; about {needed} inspected in each period would confirm such a ratio in every second case"
    return Reduction(outcome, ratio, rounded_low, rounded_high, why)




def parts_needed(before: Fraction, after: Fraction, at_most: Decimal = Decimal("0.70"), power: Fraction = Fraction(1, 2)) -> int:
    """Inspected things in each of two equal periods, for the reduction to be confirmed with this chance if the rates are truly these.

    n = (z₉₅ + z_power)² · ((1 − p₁)/p₁ + (1 − p₀)/p₀) / (ln bound − ln p₁/p₀)², rounded up.
    Raises:
        Rejected: rates outside (0, 1), a ratio that does not lie below the bound, or a power other than 0.5, 0.8 or 0.9.
    """
    if not (0 < before < 1 and 0 < after < 1) or after / before >= Fraction(at_most):
        raise Rejected(f"rates {before} and {after}: no number of parts confirms a ratio of at most {at_most} that is not there")
    if power not in _POWERS:
        raise Rejected(f"power {power}: choose 1/2, 8/10 or 9/10")
    c = _CONTEXT
    distance = c.subtract(c.ln(at_most), c.ln(_decimal(after / before)))
    z = c.add(_Z_ONE_SIDED, _POWERS[power])
    spread = _decimal((1 - after) / after + (1 - before) / before)
    found = c.divide(c.multiply(c.multiply(z, z), spread), c.multiply(distance, distance))
    return int(found.to_integral_value(rounding="ROUND_CEILING"))


def _ratio(after: Counted, before: Counted) -> Fraction:
    return Fraction(after.count * before.total, after.total * before.count)


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _round(value: Fraction) -> Decimal:
    return Decimal(f"{round(value * 10**6)}e-6")
