"""Rates of parts that come in batches: the interval covers where batches differ, is the formula's where they do not, and keeps a verdict back."""

from decimal import Decimal

import numpy as np
import pytest

from analytics.batches import FEWEST, BatchBounds, batch_bounds, with_batches
from analytics.reduction import Counted, Outcome, judge_reduction

CLAIMED = Decimal("0.70")


def days(dice: np.random.Generator, rate: float, alike: float, count: int = 30, size: int = 400) -> list[Counted]:
    """Days whose rates are spread about the rate: beta with a correlation of `alike` between parts of one day, 0 for none."""
    rates = np.full(count, rate) if not alike else dice.beta(rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1), count)
    return [Counted(int(found), size) for found in dice.binomial(size, rates)]


def together(batches: list[Counted]) -> Counted:
    return Counted(sum(one.count for one in batches), sum(one.total for one in batches))


def test_where_batches_do_not_differ_the_bounds_are_near_those_of_the_formula() -> None:
    dice, wider = np.random.default_rng(5), list[float]()
    for _ in range(40):
        before, after = days(dice, 0.03, 0), days(dice, 0.018, 0)
        found, by_formula = batch_bounds(after, before, 999), judge_reduction(together(after), together(before))
        assert found.high is not None and by_formula.high is not None and by_formula.ratio is not None
        wider.append(float(found.high - by_formula.ratio) / float(by_formula.high - by_formula.ratio))
    assert 0.9 < np.mean(wider) < 1.1


def test_parts_of_one_batch_that_are_alike_confirm_far_too_often_by_the_formula_and_not_by_batches() -> None:
    dice, draws = np.random.default_rng(6), 400
    wrong = {"formula": 0, "batches": 0}
    for _ in range(draws):
        # The ratio is truly 0.70, so 5 % of all draws may confirm more.
        before, after = days(dice, 0.03, 0.02), days(dice, 0.021, 0.02)
        wrong["formula"] += judge_reduction(together(after), together(before)).outcome is Outcome.CONFIRMED
        high = batch_bounds(after, before, 499).high
        wrong["batches"] += high is not None and high <= CLAIMED
    # 30 batches a period: a bootstrap is a little short, 6 to 7 %; three standard errors of 400 draws are 3.5 %.
    assert wrong["formula"] / draws > 0.18 and wrong["batches"] / draws < 0.105


def test_the_same_batches_give_the_same_bounds_and_empty_ones_count_nothing() -> None:
    dice = np.random.default_rng(7)
    before, after = days(dice, 0.03, 0.02), days(dice, 0.02, 0.02)
    found = batch_bounds(after, before)
    assert found == batch_bounds([*after, Counted(0, 0)], before) and (found.before, found.after) == (30, 30)


@pytest.mark.parametrize(("before", "after"), [
    ([Counted(3, 100)] * (FEWEST - 1), [Counted(2, 100)] * 30), ([Counted(3, 100)] * 30, [Counted(0, 100)] * 30), ([], []),
])
def test_too_few_batches_or_no_defects_give_no_bounds(before: list[Counted], after: list[Counted]) -> None:
    found = batch_bounds(after, before)
    assert found.low is None and found.high is None
    answer = judge_reduction(Counted(180, 15_000), Counted(300, 15_000))
    judged = with_batches(answer, found, CLAIMED, "day")
    assert judged.outcome is answer.outcome is Outcome.CONFIRMED and "taken as independent" in judged.why


@pytest.mark.parametrize(("after", "low", "high", "outcome"), [
    (180, "0.5", "0.69", Outcome.CONFIRMED), (180, "0.5", "0.75", Outcome.UNDETERMINED), (120, "0.3", "0.5", Outcome.CONFIRMED),
    (300, "0.8", "1.2", Outcome.REFUTED), (300, "0.6", "1.6", Outcome.UNDETERMINED), (190, "0.5", "0.69", Outcome.UNDETERMINED),
])
def test_a_verdict_stands_only_if_the_batches_bear_it_out(after: int, low: str, high: str, outcome: Outcome) -> None:
    answer = judge_reduction(Counted(after, 15_000), Counted(300, 15_000))
    judged = with_batches(answer, BatchBounds(30, 30, Decimal(low), Decimal(high)), CLAIMED, "day")
    assert judged.outcome is outcome and "bootstrap of batches" in judged.why
    assert ("do not bear it out" in judged.why) == (outcome is not answer.outcome)
