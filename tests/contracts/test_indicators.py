"""Every file in analytics/indicators is an indicator that keeps the rules."""

import random
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from analytics import indicators
from analytics.compute import components_of, compute
from analytics.declared_figures import CATALOGUE
from analytics.factors import GRID_CO2
from analytics.facts import Declared, Facts
from analytics.indicator import Indicator, load_indicators
from workshop.block import Block, block_of, empty_block
from workshop.order import Order
from workshop.reading import Quality, Reading
from workshop.register import Workshop
from workshop.register_file import parse_register
from workshop.signal import SignalKind
from workshop.window import SECOND_US, Window

ROOT = Path(__file__).parents[2]
KNOWN = load_indicators()
START_US = 1_790_002_799_000_000  # a second before a full hour
WINDOW = Window(START_US, START_US + 40 * SECOND_US)
WITHOUT_ROLES = {"first_pass_yield", "rework_ratio", "networking_rate_platform", "door_open_moving_share", "inspection_rounds_on_time",
                 "power_factor", "defects_per_opportunity", "part_lead_time", "logistics_time"}
"""No equipment of the demo has signals for these: they have no value and say so, and nothing fails."""
ORDERS = tuple(
    Order(f"A-{name}", "shaft", 1, name, WINDOW.end_us - 1, WINDOW.start_us, WINDOW.end_us)
    for name in ("cnc-01", "cnc-02", "lathe-01", "inspect-01")
)
FACTS = Facts(tuple(
    Declared(name, Decimal(1), known.unit, WINDOW.start_us, WINDOW.end_us, "engineer", 1, "", "", number)
    for number, (name, known) in enumerate(CATALOGUE.items())
), ORDERS)
"""One of everything that may be declared, and orders."""
WITHOUT_TEXTS = {"defect_leading_reason_share"}
"""These readings hold numbers only."""
TOO_SHORT = {"peak_demand", "load_factor", "alarm_stale"}
"""Forty seconds hold no quarter hour, and no day."""


@pytest.fixture(scope="module")
def register() -> Workshop:
    file = ROOT / "config" / "demo" / "workshop.toml"
    return parse_register(file.read_text(encoding="utf-8"), file.name)


@pytest.fixture(scope="module")
def readings(register: Workshop) -> Block:
    """Every numeric signal of the demo each second, with bad readings, repetitions and conflicts."""
    dice = random.Random(7)
    rows = []
    for name, _, signal in register.signals():
        if signal.role == "serial":
            rows += [Reading(name, START_US + second * SECOND_US, START_US + second * SECOND_US + 5, f"EP-{second}") for second in range(-5, 45)]
        if signal.kind in (SignalKind.TEXT, SignalKind.EVENT):
            continue
        count = 0
        for second in range(-5, 45):
            count += dice.randrange(3)
            state = dice.choice((0, *[1] * 30)) if signal.role == "link_state" else dice.choice((1, 2, 3, 3, 3))
            gauge = 25 + dice.randrange(-9, 9) / 1000 if signal.role == "diameter" else 1.5
            value = {SignalKind.COUNTER: count, SignalKind.STATE: state}.get(signal.kind, gauge)
            time_us = START_US + second * SECOND_US
            bad = dice.random() < 0.02
            rows.append(Reading(name, time_us, time_us + 5, None if bad else value, Quality.BAD if bad else Quality.GOOD))
            if dice.random() < 0.02:
                rows.append(Reading(name, time_us, time_us + 9, 77))
    return block_of(rows)


def test_every_file_is_an_indicator() -> None:
    files = {path.stem for path in Path(next(iter(indicators.__path__))).glob("*.py")} - {"__init__"}
    assert set(KNOWN) == files
    assert files >= {
        "networking_rate_all", "networking_rate_digital", "defect_rate", "availability", "effectiveness", "quality_ratio", "oee",
        "energy_per_good_part", "key_process_nc_rate",
    }


def test_every_indicator_has_vectors_of_its_own() -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "unit" / "analytics").glob("test_*.py"))
    grids = {f"co2_{region}" for region in GRID_CO2}  # one test, by region
    assert {name for name in KNOWN if f'"{name}"' not in told} <= grids


@pytest.fixture(params=list(KNOWN))
def indicator(request: pytest.FixtureRequest) -> Indicator:
    return KNOWN[request.param]


def test_it_says_what_it_is_in_both_languages(indicator: Indicator) -> None:
    chinese = re.compile("[\u4e00-\u9fff]")
    assert chinese.search(indicator.title_zh)
    assert chinese.search(indicator.notes_zh)
    for text in (indicator.title_en, indicator.notes_en, indicator.formula, indicator.source, indicator.unit):
        assert text.strip()
    assert indicator.version >= 1
    assert 2 <= indicator.places <= 9
    assert 0 < indicator.min_coverage <= 1
    assert type(indicator).__doc__


def test_an_empty_window_has_no_value(indicator: Indicator, register: Workshop, readings: Block) -> None:
    found = compute(indicator, register, readings, Window(START_US, START_US))
    assert found.value is None
    assert found.coverage == 0
    assert found.why


def test_it_is_deterministic_and_does_not_look_at_the_order(indicator: Indicator, register: Workshop, readings: Block) -> None:
    expected = compute(indicator, register, readings, WINDOW)
    assert compute(indicator, register, readings, WINDOW) == expected
    shuffled = readings.take(np.random.default_rng(1).permutation(len(readings)))
    assert compute(indicator, register, shuffled, WINDOW) == expected
    parts = components_of(indicator, register, shuffled, WINDOW)
    random.Random(1).shuffle(parts)
    assert indicator.evaluate(parts, register, WINDOW) == expected


def test_values_are_rounded_as_stated_and_coverage_is_a_share(indicator: Indicator, register: Workshop, readings: Block) -> None:
    found = compute(indicator, register, readings, WINDOW, facts=FACTS)
    assert {item.name for item in found.declared} == set(indicator.facts)
    assert (found.indicator, found.version, found.unit) == (indicator.id, indicator.version, indicator.unit)
    if indicator.id in WITHOUT_ROLES | TOO_SHORT:
        assert found.value is None
        assert "undefined: no " in found.why
    elif indicator.id in WITHOUT_TEXTS:
        assert found.value is None and found.counts["without_reason"] > 0
    else:
        assert found.value is not None
    for number in (found.value, found.low, found.high):
        assert number is None or number.as_tuple().exponent == -indicator.places
    assert indicator.id in WITHOUT_ROLES | WITHOUT_TEXTS or Decimal("0.5") < found.coverage <= 1
    assert found.method


def test_without_readings_nothing_is_covered(indicator: Indicator, register: Workshop) -> None:
    found = compute(indicator, register, empty_block(), WINDOW)
    if set(indicator.facts) - {"orders"}:
        assert found.value is None
        assert "is declared for 0.000000 of the window" in found.why
    elif not indicator.roles:
        assert found.value is not None
        return
    assert found.value is None
    assert found.coverage < indicator.min_coverage


def test_components_are_integers_that_canonical_json_can_hold(indicator: Indicator, register: Workshop, readings: Block) -> None:
    for piece in components_of(indicator, register, readings, WINDOW):
        assert (piece.indicator, piece.version) == (indicator.id, indicator.version)
        assert 0 <= piece.covered_us <= piece.window_us <= piece.end_us - piece.start_us
        assert all(type(value) is int and abs(value) < 2**53 for value in piece.values.values())


def test_importing_indicators_loads_no_learning_and_no_database() -> None:
    code = (
        "import sys; from analytics.indicator import load_indicators; import analytics.compute; load_indicators();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sklearn', 'pyarrow', 'duckdb', 'fastapi', 'nicegui', 'httpx'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_register_of_the_demo_has_three_of_four_key_processes_under_numerical_control(register: Workshop) -> None:
    assert compute(KNOWN["key_process_nc_rate"], register, empty_block(), WINDOW).value == Decimal("0.75")
