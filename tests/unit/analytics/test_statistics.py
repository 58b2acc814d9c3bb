"""Intervals against published values and against their own definition."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.statistics import clopper_pearson, wilson
from workshop.errors import Rejected


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(7, 50, "0.069508", "0.261862"), (0, 50, "0.000000", "0.071348"), (50, 50, "0.928652", "1.000000")],
)
def test_wilson(count: int, total: int, low: str, high: str) -> None:
    assert wilson(count, total, 6) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(7, 50, "0.058192", "0.267396"), (0, 50, "0.000000", "0.071122"), (50, 50, "0.928878", "1.000000")],
)
def test_clopper_pearson(count: int, total: int, low: str, high: str) -> None:
    assert clopper_pearson(count, total, 6) == (Decimal(low), Decimal(high))


@given(total=st.integers(1, 60), data=st.data())
def test_clopper_pearson_leaves_a_fortieth_on_each_side(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    low, high = (Fraction(bound) for bound in clopper_pearson(count, total, 9))

    def probability(counts: range, p: Fraction) -> Fraction:
        return sum((comb(total, k) * p**k * (1 - p) ** (total - k) for k in counts), Fraction(0))

    # At its bounds the interval leaves exactly 2.5 % for a count as extreme as the one seen; nine places of p allow a small error.
    if count > 0:
        assert abs(probability(range(count, total + 1), low) - Fraction(1, 40)) < Fraction(1, 10**6)
    if count < total:
        assert abs(probability(range(count + 1), high) - Fraction(1, 40)) < Fraction(1, 10**6)


@given(total=st.integers(1, 10**7), data=st.data())
def test_intervals_hold_the_share_and_stay_between_0_and_1(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    share = Decimal(f"{round(Fraction(count, total) * 10**6)}e-6")
    for interval in (wilson, clopper_pearson):
        low, high = interval(count, total, 6)
        assert 0 <= low <= share <= high <= 1


def test_the_process_wide_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        assert wilson(7, 50, 6) == (Decimal("0.069508"), Decimal("0.261862"))


@pytest.mark.parametrize(("count", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_rejected(count: int, total: int) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(Rejected):
            interval(count, total, 6)
