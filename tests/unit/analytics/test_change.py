"""A change against a baseline: by hand, and its bounds hold whatever the true values are."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.change import change_of, difference_bounds, ratio_bounds
from analytics.indicator import Result, load_indicators
from workshop.window import HOUR_US

RATE = load_indicators()["networking_rate_all"]


def result(value: str | None, low: str | None = None, high: str | None = None, coverage: str = "1") -> Result:
    numbers = [None if text is None else Decimal(text) for text in (value, low or value, high or value)]
    return Result("networking_rate_all", 1, *numbers, "", "1", Decimal(coverage), {}, [], "so it came about")


def test_by_hand() -> None:
    found = change_of(RATE, result("0.40", "0.35", "0.50"), result("0.60", "0.55", "0.70"))
    assert (found.difference, found.difference_low, found.difference_high) == (Decimal("0.20"), Decimal("0.050000"), Decimal("0.350000"))
    assert (found.ratio, found.ratio_low, found.ratio_high) == (Decimal("1.500000"), Decimal("1.100000"), Decimal("2.000000"))
    assert found.why == ""


@pytest.mark.parametrize(("before", "after", "words"), [
    (result(None), result("0.5"), "undefined: a figure has no value; baseline: so it came about"),
    (result("0"), result("0.5"), "no ratio: the baseline may be 0"), (result("0.5"), result("0.5", coverage="0.1"), "window: so it came about"),
])
def test_what_cannot_be_compared_is_said(before: Result, after: Result, words: str) -> None:
    assert words in change_of(RATE, before, after).why


def test_sums_over_unequal_times_have_no_change() -> None:
    cost = load_indicators()["operating_cost"]
    lengths = (31 * 24 * HOUR_US, 28 * 24 * HOUR_US)
    found = change_of(cost, result("1000"), result("700"), lengths)
    assert (found.before, found.after, found.ratio, found.difference) == (Decimal(1000), Decimal(700), None, None)
    assert "sums over 744 h and 672 h do not compare" in found.why
    assert change_of(cost, result("1000"), result("700"), (lengths[0], lengths[0])).ratio == Decimal("0.700000")
    assert change_of(RATE, result("1.0"), result("0.7"), lengths).ratio == Decimal("0.700000")


SHARES = st.decimals(Decimal("0.01"), 1, places=3)


@settings(deadline=None)
@given(ends=st.lists(SHARES, min_size=4, max_size=4), at=st.fractions(0, 1), then=st.fractions(0, 1))
def test_the_change_lies_within_its_bounds_wherever_the_figures_lie_in_theirs(ends: list[Decimal], at: Fraction, then: Fraction) -> None:
    before, after = (min(ends[:2]), max(ends[:2])), (min(ends[2:]), max(ends[2:]))
    b, a = (Fraction(span[0]) + share * (Fraction(span[1]) - Fraction(span[0])) for span, share in ((before, at), (after, then)))
    low, high = difference_bounds(before, after)
    assert low <= a - b <= high
    ratios = ratio_bounds(before, after)
    assert ratios is not None and ratios[0] <= a / b <= ratios[1]
