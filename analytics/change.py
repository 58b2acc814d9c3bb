"""A figure against the same figure in a baseline window: difference and ratio, with bounds.

Each figure has an interval; the change lies within the worst that both allow. Where the intervals are of 95 % confidence each, both hold together
with at least 90 % (Bonferroni). Two sampled rates of counted things have a sharper test, `analytics.reduction`.
"""

from decimal import Decimal
from fractions import Fraction

import msgspec

from analytics.definition import Definition
from analytics.indicator import Indicator, Result, decimal_of, sentences
from workshop.window import HOUR_US

WORST = "bounds of both figures at their worst"
PLACES = 6


class Change(msgspec.Struct, frozen=True):
    """After against before. Decimals are rounded, the difference as the indicator states and the ratio to six places; None where undefined."""

    before: Decimal | None
    after: Decimal | None
    difference: Decimal | None
    """after − before, in the indicator's unit; of a rate with unit 1 times 100 it is percentage points."""
    difference_low: Decimal | None
    difference_high: Decimal | None
    ratio: Decimal | None
    """after / before: 0.70 is "down 30 %"."""
    ratio_low: Decimal | None
    ratio_high: Decimal | None
    method: str
    why: str


def difference_bounds(before: tuple[Decimal, Decimal], after: tuple[Decimal, Decimal]) -> tuple[Fraction, Fraction]:
    """The least and the greatest after − before."""
    return Fraction(after[0]) - Fraction(before[1]), Fraction(after[1]) - Fraction(before[0])


def ratio_bounds(before: tuple[Decimal, Decimal], after: tuple[Decimal, Decimal]) -> tuple[Fraction, Fraction] | None:
    """The least and the greatest after / before; None where before may be 0 or less, or after less than 0."""
    if before[0] <= 0 or after[0] < 0:
        return None
    return Fraction(after[0]) / Fraction(before[1]), Fraction(after[1]) / Fraction(before[0])


def change_of(indicator: Indicator, before: Result, after: Result, lengths_us: tuple[int, int] | None = None) -> Change:
    """The change between two results of one indicator in two windows.

    Args:
        lengths_us: of the two windows; sums over unequal times have no change.
    """
    if isinstance(indicator, Definition) and indicator.over_time and lengths_us is not None and lengths_us[0] != lengths_us[1]:
        hours = [f"{length / HOUR_US:g} h" for length in lengths_us]
        why = f"undefined: sums over {hours[0]} and {hours[1]} do not compare; choose windows of one length"
        return Change(before.value, after.value, None, None, None, None, None, None, WORST, why)
    doubts = [f"{name}: {item.why}" for name, item in (("baseline", before), ("window", after)) if item.value is None or _thin(indicator, item)]
    if before.value is None or after.value is None:
        return Change(before.value, after.value, None, None, None, None, None, None, WORST, sentences("undefined: a figure has no value", *doubts))
    spans = [
        (value if item.low is None else item.low, value if item.high is None else item.high)
        for item, value in ((before, before.value), (after, after.value))
    ]
    low, high = difference_bounds(spans[0], spans[1])
    ratios = ratio_bounds(spans[0], spans[1])
    ratio = ratio_low = ratio_high = None
    if ratios is not None:
        ratio, ratio_low, ratio_high = (decimal_of(item, PLACES) for item in (Fraction(after.value) / Fraction(before.value), *ratios))
    return Change(
        before.value, after.value, after.value - before.value, decimal_of(low, indicator.places), decimal_of(high, indicator.places),
        ratio, ratio_low, ratio_high, WORST, sentences("" if ratios is not None else "no ratio: the baseline may be 0", *doubts),
    )


def _thin(indicator: Indicator, result: Result) -> bool:
    least = result.coverage if result.least_coverage is None else min(result.coverage, result.least_coverage)
    return least < indicator.min_coverage or result.lost_us > 0
