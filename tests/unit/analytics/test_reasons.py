"""The Pareto of reasons of rejection, worked by hand; the window cut anywhere."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from analytics.compute import components_of, compute
from analytics.indicator import load_indicators, merge_all
from analytics.reasons import bars_of, pareto
from tests.unit.analytics.plant import block, machine, reading, rows, window, workshop
from workshop.reading import Quality
from workshop.signal import Signal, SignalKind

LEADING = load_indicators()["defect_leading_reason_share"]
STATION = machine("insp-01", signals=(
    Signal("rejected", "rejected_count", SignalKind.COUNTER, "{part}", max_age_s=30),
    Signal("code", "defect_code", SignalKind.TEXT, max_age_s=30),
))
REGISTER = workshop(STATION)
NAME = "insp-01/code"


def codes(*values: tuple[float, str | None]) -> list:  # type: ignore[type-arg]
    return rows(NAME, values)


def rejected(*values: tuple[float, int]) -> list:  # type: ignore[type-arg]
    return rows("insp-01/rejected", values)


PARTS = (
    rejected((0, 10), (10, 11), (20, 13), (30, 14), (40, 14), (50, 15)),
    codes((0, ""), (10, "burr"), (20, "scratch"), (30, "burr"), (40, ""), (50, "尺寸超差 ")),
)
"""Rejected: 1 burr, 2 scratch, 1 burr, 1 with a reason in Chinese and a space behind it."""


def test_rejected_parts_are_counted_under_the_reason_that_came_with_them() -> None:
    found = compute(LEADING, REGISTER, block(*PARTS), window(0, 60))
    assert found.value == Decimal("0.400000")
    assert found.counts == {
        "leading": 2, "rejected": 5, "without_reason": 0, "reasons": 3, "reason:burr": 2, "reason:scratch": 2, "reason:尺寸超差": 1,
    }
    bars = pareto(found.counts)
    assert [(bar.reason, bar.parts, bar.cumulative) for bar in bars] == [
        ("burr", 2, Decimal("0.400000")), ("scratch", 2, Decimal("0.800000")), ("尺寸超差", 1, Decimal("1.000000")),
    ]


def test_a_part_without_a_reason_stays_in_the_denominator() -> None:
    found = compute(LEADING, REGISTER, block(rejected((0, 0), (10, 1), (50, 2)), codes((10, "burr"))), window(0, 60))
    assert found.value == Decimal("0.500000"), "the text of second 10 is too old at second 50"
    assert found.counts["without_reason"] == 1
    assert [(bar.reason, bar.parts) for bar in bars_of(found.counts)] == [("burr", 1), ("", 1)]


@given(st.integers(1, 59))
def test_a_window_cut_anywhere_counts_the_same_reasons(cut_s: int) -> None:
    whole = compute(LEADING, REGISTER, block(*PARTS), window(0, 60))
    pieces = [piece for part in (window(0, cut_s), window(cut_s, 60)) for piece in components_of(LEADING, REGISTER, block(*PARTS), part)]
    assert len(merge_all(pieces)) == 1
    assert LEADING.evaluate(pieces, REGISTER, window(0, 60)) == whole


def test_uncertain_texts_are_no_reason() -> None:
    doubtful = [reading(NAME, 10, "burr", Quality.UNCERTAIN)]
    found = compute(LEADING, REGISTER, block(rejected((0, 0), (10, 1)), doubtful), window(0, 60))
    assert found.value is None
    assert found.counts["without_reason"] == 1
