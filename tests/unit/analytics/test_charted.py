"""Exact limits, Laney's chart and the notes about a base period, against enumeration, vectors by hand and draws from a known process."""

from decimal import Decimal
from fractions import Fraction
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.charted import Kind, Sample, charted
from analytics.charts import Rule, p_chart
from analytics.charts_counts import binomial_limits, binomial_sigmas, dispersion, laney_spread
from workshop.errors import Rejected

BEYOND = Fraction(Decimal("0.0013498980316300945"))


def tail(size: int, share: Fraction, counts: range) -> Fraction:
    return sum((comb(size, k) * share**k * (1 - share) ** (size - k) for k in counts), Fraction(0))


@given(st.integers(1, 60), st.integers(1, 99))
@settings(max_examples=60, deadline=None)
def test_exact_limits_agree_with_enumeration_and_sigmas_with_them(size: int, percent: int) -> None:
    share = Fraction(percent, 100)
    low, high = binomial_limits(size, percent / 100)
    inside = [
        k for k in range(size + 1) if tail(size, share, range(k + 1)) >= BEYOND and tail(size, share, range(k, size + 1)) >= BEYOND
    ]
    assert (low, high) == (min(inside), max(inside))
    for count in range(size + 1):
        assert (abs(binomial_sigmas(count, size, percent / 100)) > 3) == (count not in inside)


def test_exact_limits_by_hand() -> None:
    # n = 20, p = 0.05: P(X >= 5) = 0.00257, P(X >= 6) = 0.00033 < 0.00135: 5 is the most; the normal limit would be 3.92.
    assert binomial_limits(20, 0.05) == (0, 5)
    assert p_chart([(4, 20)], [(50, 1000)]).points[0].signals == (Rule.BEYOND_3,)
    assert binomial_sigmas(4, 20, 0.05) < 3 < binomial_sigmas(6, 20, 0.05)


def test_the_spread_of_laney_by_hand() -> None:
    # p̄ = 0.1, n = 100, σ = 0.03: shares 0.10, 0.16, 0.04, 0.10 are 0, 2, −2, 0 sigmas; ranges 2, 4, 2; σ_z = 8/3 / 1.128.
    base = [(10, 100), (16, 100), (4, 100), (10, 100)]
    assert laney_spread(base, 0.1) == pytest.approx(8 / 3 / 1.128)
    assert dispersion(base, 0.1, 0.09)[0] == pytest.approx(8 / 3)
    point = p_chart([(16, 100)], base, laney_spread(base, 0.1)).points[0]
    assert point.sigmas == pytest.approx(2 / (8 / 3 / 1.128)) and point.high == pytest.approx(0.1 + 3 * 0.03 * 8 / 3 / 1.128)
    for wrong in ([(1, 9)], [(1, 9), (1, 9)]):
        with pytest.raises(Rejected, match="p'-chart"):
            laney_spread(wrong, 0.1)


def samples(counts: list[int], size: int) -> list[Sample]:
    return [Sample(str(number), count, size) for number, count in enumerate(counts)]


def test_limits_come_from_the_base_and_the_chart_suits_the_sizes() -> None:
    base = samples([20, 18, 22, 21, 19, 20, 23, 17], 1000)
    found = charted(samples([20, 60], 1000), base)
    assert (found.kind, found.chart.centre, found.signals) == (Kind.P, 0.02, [("1", (Rule.BEYOND_3,))])
    small = charted([Sample("few", 1, 40), Sample("none", 0, 0)], base)
    assert (small.kind, small.signals, small.empty) == (Kind.EXACT, [], ["none"])
    assert "--chart exact" in charted([Sample("few", 1, 40)], base, Kind.P).notes_en[0]


def test_a_base_that_is_short_unknown_or_unstable_is_said() -> None:
    base = samples([20, 18, 22, 21, 19, 20, 23, 17], 1000)
    with pytest.raises(Rejected, match="7 samples"):
        charted(base, base[:7])
    with pytest.raises(Rejected, match="7 samples"):
        charted(base, [*base[:7], Sample("x", 1, 1000, known=False)])
    with pytest.raises(Rejected, match="nothing counted"):
        charted(base, samples([0] * 8, 1000))
    wild = charted(base, samples([20, 80, 5, 21, 60, 3, 70, 17], 1000))
    assert any("not stable" in note for note in wild.notes_en) and any("--chart laney" in note for note in wild.notes_en)
    assert not any("--chart laney" in note for note in charted(base, samples([20, 80, 5, 21, 60, 3, 70, 17], 1000), Kind.LANEY).notes_en)
    assert "too little" in charted([Sample("holey", 3, 500, known=False)], base).notes_en[-1]


def test_a_u_chart_takes_more_defects_than_units() -> None:
    found = charted([Sample("a", 250, 100)], samples([150] * 7 + [151], 100), Kind.U)
    assert found.chart.centre > 1 and found.signals[0][1] == (Rule.BEYOND_3,)


@pytest.mark.parametrize(("size", "share"), [(30, 0.02), (200, 0.01), (2_000, 0.02)])
def test_false_alarms_of_a_stable_process_are_as_rare_as_three_sigma_says(size: int, share: float) -> None:
    counts = np.random.default_rng(5).binomial(size, share, 2_000).tolist()
    base = samples(np.random.default_rng(6).binomial(20_000, share, 40).tolist(), 20_000)
    found = charted(samples(counts, size), base, Kind.EXACT)
    alarms = sum(Rule.BEYOND_3 in point.signals for point in found.chart.points)
    assert alarms / 2_000 <= 0.0027 + 3 * sqrt(0.0027 / 2_000)


def test_laney_keeps_quiet_where_batches_differ_and_the_plain_chart_does_not() -> None:
    dice = np.random.default_rng(9)
    shares = np.clip(dice.normal(0.02, 0.005, 400), 0.001, None)
    counts = dice.binomial(20_000, shares).tolist()
    base, later = samples(counts[:100], 20_000), samples(counts[100:], 20_000)
    plain, laney = (charted(later, base, kind) for kind in (Kind.P, Kind.LANEY))
    beyond = [sum(Rule.BEYOND_3 in point.signals for point in one.chart.points) / 300 for one in (plain, laney)]
    assert beyond[0] > 0.2 and beyond[1] < 0.02
    assert plain.dispersion > plain.dispersion_bound
