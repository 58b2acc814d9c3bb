"""Verdicts on the factory's own claims."""

from decimal import Decimal

import pytest

from evidence.claim import Claim
from evidence.verdict import Figure, Outcome, compare, interval_of, judge, local_date_of_end, merge_revisions, too_thin
from workshop.batch import Provenance
from workshop.window import HOUR_US, Window

D = Decimal
AT_LEAST = Claim("a", "网", "net", indicator="rate", at_least="0.95")
AT_MOST = Claim("b", "废", "scrap", indicator="rate", at_most="0.10", min_count={"inspected": 100})


def figure(value: str | None, low: str | None = None, high: str | None = None, **more: object) -> Figure:
    texts = (None if text is None else D(text) for text in (value, low, high))
    return Figure("rate", 1, *texts, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("low", "high", "outcome"), [
    ("0.95", "0.99", "confirmed"), ("0.96", "0.96", "confirmed"), ("0.94", "0.96", "undetermined"), ("0.90", "0.9499", "refuted"),
    ("0.90", "0.95", "undetermined"), ("0.95", "0.95", "confirmed"),
])
def test_at_least_needs_the_whole_interval(low: str, high: str, outcome: str) -> None:
    assert compare(D(low), D(high), at_least=D("0.95")) == outcome


@pytest.mark.parametrize(("low", "high", "outcome"), [
    ("0", "0.1", "confirmed"), ("0.05", "0.11", "undetermined"), ("0.1", "0.2", "undetermined"), ("0.1001", "0.2", "refuted"),
])
def test_at_most_needs_the_whole_interval(low: str, high: str, outcome: str) -> None:
    assert compare(D(low), D(high), at_most=D("0.1")) == outcome


def test_strict_words_leave_out_the_bound() -> None:
    assert compare(D("0.6"), D("0.6"), at_least=D("0.6"), inclusive=False) == Outcome.REFUTED
    assert compare(D("0.6"), D("0.6"), at_most=D("0.6"), inclusive=False) == Outcome.REFUTED
    with pytest.raises(ValueError, match="bound"):
        compare(D(0), D(1))


def test_a_census_is_a_point_and_comparison_is_after_rounding() -> None:
    assert interval_of(figure("0.94996", places=4)) == (D("0.9500"), D("0.9500"))
    assert judge(AT_LEAST, figure("0.94996", places=4), "2026-01-05").outcome is Outcome.CONFIRMED
    assert judge(AT_LEAST, figure("0.94996", places=6), "2026-01-05").outcome is Outcome.REFUTED
    with pytest.raises(ValueError, match="no value"):
        interval_of(figure(None))


@pytest.mark.parametrize(("given", "words"), [
    (figure(None, why="nothing inspected"), "nothing inspected"),
    (figure(None), "no usable readings"),
    (figure("0.01", coverage=D("0.89"), min_coverage=D("0.9"), counts={"inspected": 500}), "coverage 0.89"),
    (figure("0.01", counts={"inspected": 99}), "99"),
    (figure("0.01", counts={}), "does not count"),
])
def test_thin_data_is_undetermined_in_words(given: Figure, words: str) -> None:
    verdict = judge(AT_MOST, given, "2026-01-05")
    assert verdict.outcome is Outcome.UNDETERMINED and words in verdict.reason and verdict.reason_zh
    assert too_thin(given, min_count=AT_MOST.min_count) is not None


def test_enough_data_decides_and_the_reason_holds_the_figures() -> None:
    verdict = judge(AT_MOST, figure("0.02", "0.01", "0.05", counts={"inspected": 100}, method="Clopper-Pearson"), "2026-01-05")
    assert verdict.outcome is Outcome.CONFIRMED and verdict.bound == "≤ 0.10" and verdict.as_of == "2026-01-05"
    assert "[0.01, 0.05] Clopper-Pearson" in verdict.reason and "inspected 100" in verdict.reason and "区间" in verdict.reason_zh


def test_inputs_that_are_not_plant_are_named() -> None:
    plant = judge(AT_LEAST, figure("0.99", provenance=(Provenance.PLANT,)), "2026-01-05")
    mixed = judge(AT_LEAST, figure("0.99", provenance=(Provenance.IMPORTED, Provenance.PLANT)), "2026-01-05")
    assert plant.provenance == () and "not plant" not in plant.reason
    assert mixed.provenance == (Provenance.IMPORTED,) and "imported data, not plant data" in mixed.reason and "imported" in mixed.reason_zh


def test_an_indicator_that_is_not_known_is_undetermined() -> None:
    assert judge(AT_LEAST, None, "2026-01-05").outcome is Outcome.UNDETERMINED


def test_the_date_is_that_of_the_last_instant_in_the_workshops_zone() -> None:
    midnight = 1_767_542_400_000_000  # 2026-01-05 00:00 in Shanghai
    assert local_date_of_end(Window(midnight - HOUR_US, midnight), "Asia/Shanghai") == "2026-01-04"
    assert local_date_of_end(Window(midnight - HOUR_US, midnight + 1), "Asia/Shanghai") == "2026-01-05"
    assert local_date_of_end(Window(midnight - HOUR_US, midnight + 1), "UTC") == "2026-01-04"


def test_revisions_that_disagree_leave_it_undetermined() -> None:
    yes, no = (judge(AT_LEAST, figure(value), "2026-01-05") for value in ("0.99", "0.90"))
    assert merge_revisions([yes, yes]).outcome is Outcome.CONFIRMED
    mixed = merge_revisions([no, yes])
    assert mixed.outcome is Outcome.UNDETERMINED and "refuted, confirmed" in mixed.reason and "台账" in mixed.reason_zh
