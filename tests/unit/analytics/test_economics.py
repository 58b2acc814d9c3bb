"""Figures with declared inputs, by hand."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from analytics.compute import compute
from analytics.explain import explain
from analytics.facts import Declared, Facts
from analytics.indicator import Result, load_indicators
from workshop.block import block_of, empty_block
from workshop.reading import Reading
from workshop.register_file import parse_register
from workshop.signal import signal_id
from workshop.window import HOUR_US, SECOND_US, Window

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
    ("headcount", [("headcount", "41.5", "{person}")], "41.50"),
    ("management_digitalisation", [("management_digitalisation", "62.5", "%")], "0.6250"),
    ("design_digitalisation", [("design_digitalisation", "0.4", "1")], "0.4000"),
    ("systems_integration", [("pcs_mes_erp_integrated", "1", "1"), ("plm_integrated", "0", "1")], "0.5000"),
    ("security_measures", [("security_graded", "1", "1"), ("security_policy", "1", "1")], "1.0000"),
    ("digitalisation_investment", [
        ("equipment_investment", "1600", "10000.{currency}"), ("software_investment", "400", "10000.{currency}"),
    ], "20000000.00"),
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


@pytest.mark.parametrize(("language", "words"), [("zh", "废品数为测量值"), ("en", "declared, not measured: scrap_part_cost")])
def test_scrap_is_counted_and_its_price_declared(language: str, words: str) -> None:
    machine = next(item for item in REGISTER.equipment if item.signal("scrap_count"))
    register = msgspec.structs.replace(REGISTER, equipment=(machine,), shifts=())
    signal = signal_id(machine.id, machine.signal("scrap_count").name)  # type: ignore[union-attr]
    window = Window(START_US, START_US + 10 * SECOND_US)
    rows = [Reading(signal, START_US + n * SECOND_US, START_US + n * SECOND_US, 100 + n // 2) for n in range(-1, 10)]
    facts = facts_of([("scrap_part_cost", "12.5", "{currency}/{part}")], window)
    found = compute(KNOWN["scrap_cost"], register, block_of(rows), window, facts=facts)
    assert (found.value, found.counts["scrap"], found.coverage) == (Decimal("62.50"), 5, 1)  # 99 → 104 at 12.50
    assert found.method == "declared and measured, no interval"
    assert words in explain(KNOWN["scrap_cost"], found, register, window, language).text
    assert compute(KNOWN["scrap_cost"], register, block_of(rows), window).value is None
    assert compute(KNOWN["scrap_cost"], register, empty_block(), window, facts=facts).value is None


COSTS = ("labour_cost", "material_cost", "maintenance_cost", "depreciation_cost", "other_cost")


def test_operating_cost_adds_measured_electricity_to_what_is_declared() -> None:
    meters = tuple(item for item in REGISTER.equipment if item.signal("energy_import"))[:1]
    register = msgspec.structs.replace(REGISTER, equipment=meters)
    signal = meters[0].signal("energy_import")
    assert signal is not None
    window = Window(START_US, START_US + 3600 * SECOND_US)
    step = {"kW.h": 1, "W.h": 1000}[signal.unit]
    rows = [
        Reading(signal_id(meters[0].id, signal.name), START_US + n * SECOND_US, START_US + n * SECOND_US, step * (n // 360)) for n in range(-1, 3600)
    ]
    facts = facts_of([(name, str(10 * n), "{currency}") for n, name in enumerate(COSTS)], window)
    found = compute(KNOWN["operating_cost"], register, block_of(rows), window, facts=facts)
    power = compute(KNOWN["electricity_cost"], register, block_of(rows), window)
    assert power.value is not None and power.value > 0
    assert found.value == power.value + 10 + 20 + 30 + 40
    assert {item.name for item in found.declared} == set(COSTS)
    assert found.counts["electricity_measured_milli"] == round(power.value * 1000)
    fewer = compute(KNOWN["operating_cost"], register, block_of(rows), window, facts=Facts(facts.figures[1:]))
    assert fewer.value is None and "labour_cost" in fewer.why


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
