"""Figures with declared inputs, by hand."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from analytics.compute import compute
from analytics.explain import explain
from analytics.facts import Declared, Facts
from analytics.indicator import Result, load_indicators
from workshop.block import empty_block
from workshop.register import parse_register
from workshop.window import HOUR_US, Window

KNOWN = load_indicators()
_FILE = Path(__file__).parents[3] / "config" / "demo" / "workshop.toml"
REGISTER = parse_register(_FILE.read_text(encoding="utf-8"), _FILE.name)
START_US = 1_790_002_800_000_000
WINDOW = Window(START_US, START_US + 100 * HOUR_US)
Row = tuple[str, str, str]


def facts_of(rows: Sequence[Row], window: Window = WINDOW) -> Facts:
    return Facts(tuple(
        Declared(name, Decimal(value), unit, window.start_us, window.end_us, "engineer:Li Na", START_US, "ab" * 32, "", n)
        for n, (name, value, unit) in enumerate(rows)
    ))


def result(identifier: str, rows: Sequence[Row], window: Window = WINDOW) -> Result:
    return compute(KNOWN[identifier], REGISTER, empty_block(), WINDOW, facts=facts_of(rows, window))


VECTORS: list[tuple[str, list[Row], str]] = [
    ("labour_productivity", [("value_added", "120", "10000.{currency}"), ("headcount", "40", "{person}")], "30000.00"),
    ("output_per_land_area", [("output_value", "60000000", "{currency}"), ("land_area", "2000", "m2")], "20000000.00"),  # 2000 m² are 3 亩
    ("value_added_per_land_area", [("value_added", "900", "{currency}"), ("land_area", "1.5", "{mu}")], "600.00"),
]


@pytest.mark.parametrize(("identifier", "rows", "value"), VECTORS)
def test_by_hand(identifier: str, rows: list[Row], value: str) -> None:
    found = result(identifier, rows)
    assert (found.value, found.low, found.high, found.coverage) == (*[Decimal(value)] * 3, 1)
    assert {item.name for item in found.declared} == set(KNOWN[identifier].facts)
    assert found.method == "declared, no interval"
    assert "declared, not measured" in found.why


@pytest.mark.parametrize(("identifier", "rows", "value"), VECTORS)
def test_half_a_window_declared_is_no_value(identifier: str, rows: list[Row], value: str) -> None:
    found = result(identifier, rows, Window(START_US, START_US + 50 * HOUR_US))
    assert found.value is None
    assert found.coverage == Decimal("0.5")
    assert "is declared for 0.500000 of the window" in found.why


def test_nothing_to_divide_by_is_undefined() -> None:
    found = result("labour_productivity", [("value_added", "1", "{currency}"), ("headcount", "0", "{person}")])
    assert found.value is None
    assert "nothing to divide by" in found.why


@pytest.mark.parametrize(("language", "words"), [
    ("zh", ["申报输入(非测量)", "headcount (从业人员数) = 40 {person}", "申报人 engineer:Li Na", "sha256 abab", "仅申报值"]),
    ("en", ["declared inputs, not measured", "by engineer:Li Na", "declared figures alone", "1 200 000 000 / 40 000"]),
])
def test_explained_with_author_date_and_attachment(language: str, words: list[str]) -> None:
    found = result("labour_productivity", VECTORS[0][1])
    text = explain(KNOWN["labour_productivity"], found, REGISTER, WINDOW, language).text
    assert [item for item in words if item not in text] == []
