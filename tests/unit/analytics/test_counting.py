"""Finite lots, reductions, control charts and capability against vectors and enumeration; coverage, size and power over 2,000 draws."""

from decimal import Decimal
from fractions import Fraction
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.charts import Rule, capability, p_chart, u_chart, western_electric
from analytics.reduction import Counted, Outcome, judge_reduction, katz, parts_needed
from analytics.statistics import clopper_pearson, least_in_lot, lot_interval, most_in_lot, sample_for_lot, wilson
from workshop.errors import Rejected

DRAWS = 2_000


@pytest.mark.parametrize(
    ("after", "before", "ratio", "upper", "outcome"),
    [
        (Counted(180, 15_000), Counted(300, 15_000), "0.600000", "0.699832", Outcome.CONFIRMED),
        (Counted(120, 10_000), Counted(200, 10_000), "0.600000", "0.724463", Outcome.UNDETERMINED),
        (Counted(60, 5_000), Counted(100, 5_000), "0.600000", "0.783296", Outcome.UNDETERMINED),
        (Counted(140, 20_000), Counted(400, 20_000), "0.350000", "0.411009", Outcome.CONFIRMED),
    ],
)
def test_reductions_of_the_reference(after: Counted, before: Counted, ratio: str, upper: str, outcome: Outcome) -> None:
    found = judge_reduction(after, before)
    assert (found.ratio, found.high, found.outcome) == (Decimal(ratio), Decimal(upper), outcome)


def test_a_reduction_that_is_not_there_is_refuted_and_zero_is_undetermined() -> None:
    assert judge_reduction(Counted(400, 20_000), Counted(400, 20_000)).outcome is Outcome.REFUTED
    for after, before in ((Counted(0, 100), Counted(9, 100)), (Counted(9, 100), Counted(0, 100))):
        found = judge_reduction(after, before)
        assert (found.outcome, found.ratio) == (Outcome.UNDETERMINED, None)
        assert "0" in found.why
    with pytest.raises(Rejected):
        judge_reduction(Counted(3, 2), Counted(1, 2))


def test_parts_needed() -> None:
    # (1.644854)² · (0.988/0.012 + 0.98/0.02) / ln(0.7/0.6)² = 2.705543 · 131.3333 / 0.0237625
    assert parts_needed(Fraction(2, 100), Fraction(12, 1000)) == 14_954
    assert parts_needed(Fraction(2, 100), Fraction(12, 1000), power=Fraction(8, 10)) > 30_000
    with pytest.raises(Rejected, match="that is not there"):
        parts_needed(Fraction(2, 100), Fraction(14, 1000))


@given(st.integers(1, 500), st.integers(1, 500))
@settings(max_examples=50, deadline=None)
def test_the_katz_interval_holds_the_ratio_and_turns_over(after: int, before: int) -> None:
    there, back = katz(Counted(after, 500), Counted(before, 500)), katz(Counted(before, 500), Counted(after, 500))
    assert there is not None
    assert back is not None
    # Both are rounded to 50 digits: where there is no scatter at all, they may differ in the last.
    small = Decimal("1e-40")
    assert there[0] <= Decimal(after) / Decimal(before) + small
    assert Decimal(after) / Decimal(before) <= there[1] + Decimal("1e-25")
    assert abs(there[0] * back[1] - 1) < Decimal("1e-25")


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_bounds_of_a_lot_agree_with_enumeration(data: st.DataObject) -> None:
    lot = data.draw(st.integers(1, 40))
    sampled = data.draw(st.integers(1, lot))
    found = data.draw(st.integers(0, sampled))

    def at_most(bad: int) -> Fraction:
        return sum((Fraction(comb(bad, k) * comb(lot - bad, sampled - k), comb(lot, sampled)) for k in range(found + 1)), Fraction(0))

    possible = [bad for bad in range(found, lot - sampled + found + 1) if at_most(bad) >= Fraction(5, 100)]
    assert most_in_lot(found, sampled, lot) == max(possible)
    assert least_in_lot(found, sampled, lot) == lot - most_in_lot(sampled - found, sampled, lot)
    assert lot_interval(found, sampled, lot)[0] <= found * lot // sampled + 1
    if sampled == lot:
        assert lot_interval(found, sampled, lot) == (found, found)  # a census has no sampling error


def test_samples_of_a_lot() -> None:
    # 100 machines, 5 omitted: the chance to meet none of them with n is C(95, n)/C(100, n); below 5 % first at 45.
    assert sample_for_lot(5, 100) == 45
    assert Fraction(comb(95, 45), comb(100, 45)) <= Fraction(5, 100) < Fraction(comb(95, 44), comb(100, 44))
    assert most_in_lot(0, 45, 100) == 4
    for arguments in ((3, 2, 10), (0, 11, 10), (0, 0, 10)):
        with pytest.raises(Rejected):
            most_in_lot(*arguments)


@pytest.mark.parametrize(("share", "size"), [(0.02, 400), (0.05, 300), (0.3, 100)])
def test_intervals_cover_the_truth_as_often_as_they_say(share: float, size: int) -> None:
    counts = np.random.default_rng(11).binomial(size, share, DRAWS).tolist()
    truth = Decimal(str(share))
    known = {count: (wilson(count, size, 9), clopper_pearson(count, size, 9)) for count in set(counts)}
    inside = [sum(known[count][kind][0] <= truth <= known[count][kind][1] for count in counts) / DRAWS for kind in (0, 1)]
    assert 0.93 <= inside[0] <= 0.97
    assert inside[1] >= 0.95 - 2 * sqrt(0.95 * 0.05 / DRAWS)


def test_size_and_power_of_the_reduction_test() -> None:
    dice = np.random.default_rng(12)

    def confirmed(after: float, size: int) -> float:
        pairs = zip(dice.binomial(size, after, DRAWS).tolist(), dice.binomial(size, 0.02, DRAWS).tolist(), strict=True)
        return sum(judge_reduction(Counted(x, size), Counted(y, size)).outcome is Outcome.CONFIRMED for x, y in pairs) / DRAWS

    assert confirmed(0.014, 15_000) <= 0.05 + 3 * sqrt(0.05 * 0.95 / DRAWS)  # on the boundary: the error of the first kind
    assert abs(confirmed(0.012, 14_954) - 0.5) <= 3 * sqrt(0.25 / DRAWS)
    assert abs(confirmed(0.012, parts_needed(Fraction(2, 100), Fraction(12, 1000), power=Fraction(8, 10))) - 0.8) <= 0.03


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(60, 200)), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_charts_keep_to_their_range(samples: list[tuple[int, int]]) -> None:
    chart = p_chart(samples, [(5, 100)])
    assert all(0 <= point.low <= chart.centre <= point.high <= 1 for point in chart.points)
    for point, (count, size) in zip(chart.points, samples, strict=True):
        assert (Rule.BEYOND_3 in point.signals) == (abs(count / size - 0.05) > 3 * sqrt(0.05 * 0.95 / size))
    assert all(point.low >= 0 for point in u_chart(samples, [(5, 100)]).points)


def test_limits_of_the_reference_and_the_four_rules() -> None:
    point = p_chart([(5, 100)], [(50, 1000)]).points[0]
    assert (round(point.high, 6), point.low) == (0.115383, 0.0)
    assert western_electric([3.1]) == [(Rule.BEYOND_3,)]
    assert western_electric([2.1, 0, -2.5, 0, 2.1, 2.2])[-1] == (Rule.TWO_BEYOND_2,)
    assert western_electric([1.1, 1.2, 0, 1.3, 1.1])[-1] == (Rule.FOUR_BEYOND_1,)
    assert western_electric([-0.1] * 8) == [()] * 7 + [(Rule.EIGHT_ONE_SIDE,)]
    for samples, base in (([(3, 2)], [(1, 2)]), ([(1, 2)], [(0, 9)]), ([(1, 2)], [])):
        with pytest.raises(Rejected):
            p_chart(samples, base)


def test_capability_with_its_interval() -> None:
    # n = 50, x̄ = 10.01, s = 0.02, 10 ± 0.1: Cp 1.6667, Cpk 1.5; χ² quantiles of 49: 31.5549 and 70.2224.
    found = capability(50, 10.01, 0.02, 9.9, 10.1)
    assert (round(found.cp, 4), round(found.cpk, 4)) == (1.6667, 1.5)
    assert (round(found.cp_low, 4), round(found.cp_high, 4)) == (round(1.6666667 * sqrt(31.5549 / 49), 4), round(1.6666667 * sqrt(70.2224 / 49), 4))
    assert round(found.cpk_high - found.cpk, 4) == round(1.959964 * sqrt(1 / 450 + 2.25 / 98), 4)
    with pytest.raises(Rejected):
        capability(50, 10, 0, 9, 11)
