"""Vectors worked by hand: inspection coverage, defects per opportunity, capability of a dimension; and their sums cut anywhere."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.capability import stations
from analytics.charts import capability
from analytics.compute import components_of, compute
from analytics.indicator import Result, load_indicators, merge_all
from analytics.measured import gather
from analytics.missing import missing_of
from analytics.statistics import clopper_pearson
from tests.unit.analytics.plant import START_US, block, machine, reading, rows, window, workshop
from workshop.errors import ConfigError
from workshop.reading import Reading
from workshop.register import Workshop
from workshop.register_file import check_register
from workshop.signal import Signal, SignalKind
from workshop.window import SECOND_US

KNOWN = load_indicators()
WIDTH = Signal("width", "diameter", SignalKind.GAUGE, "mm", max_age_s=30, lower="24.98", upper="25.02")
SERIAL = Signal("serial", "serial", SignalKind.EVENT)
LOOKED = Signal("looked", "inspected_count", SignalKind.COUNTER, "{part}", max_age_s=5)
FOUND = Signal("found", "defect_count", SignalKind.COUNTER, "{defect}", max_age_s=5)


def grown(name: str, role: str, amount: int) -> list[Reading]:
    """A counter seen every 5 s that grows at 10 s."""
    return [reading(f"{name}/{role}", t, 70 + amount * (t >= 10)) for t in range(0, 60, 5)]


def test_the_inspected_share_with_the_bounds_of_the_defect_rate_of_all() -> None:
    # 100 made, 40 looked at, 2 of them bad: of all between 2 % and (2 + 60) %.
    readings = grown("cnc-01", "parts", 100) + grown("cnc-01", "good", 38) + grown("cnc-01", "scrap", 2)
    found = compute(KNOWN["inspection_coverage"], workshop(machine()), block(readings), window(0, 60))
    assert (found.value, found.low, found.counts["not_inspected"], found.coverage) == (Decimal("0.400000"), Decimal("0.400000"), 60, Decimal(1))
    assert "between 0.020000 and 0.620000" in found.why and "less than 9/10 inspected: cnc-01" in found.why
    assert compute(KNOWN["defect_rate"], workshop(machine()), block(readings), window(0, 60)).value == Decimal("0.050000")


def test_what_one_machine_counts_twice_does_not_hide_what_another_leaves_out() -> None:
    readings = grown("cnc-01", "parts", 50) + grown("cnc-01", "good", 100) + grown("cnc-01", "scrap", 0)
    readings += grown("cnc-02", "parts", 50) + grown("cnc-02", "good", 0) + grown("cnc-02", "scrap", 0)
    found = compute(KNOWN["inspection_coverage"], workshop(machine(), machine("cnc-02")), block(readings), window(0, 60))
    assert found.value == Decimal("0.500000")
    assert [(item.equipment, item.what) for item in found.excluded] == [("cnc-01", "more inspected than produced")]


def test_nothing_produced_has_no_coverage() -> None:
    readings = [row for role in ("parts", "good", "scrap") for row in grown("cnc-01", role, 0)]
    assert compute(KNOWN["inspection_coverage"], workshop(machine()), block(readings), window(0, 60)).value is None


def station(name: str, opportunities: int | msgspec.UnsetType) -> Workshop:
    return workshop(machine(name, signals=(LOOKED, FOUND), opportunities=opportunities))


def test_defects_per_opportunity_of_two_stations() -> None:
    # 40 parts with 5 opportunities and 10 with 30: 500 opportunities, 7 + 3 defects.
    both = workshop(*(station(*one).equipment[0] for one in (("eye-01", 5), ("eye-02", 30))))
    readings = grown("eye-01", "looked", 40) + grown("eye-01", "found", 7) + grown("eye-02", "looked", 10) + grown("eye-02", "found", 3)
    found = compute(KNOWN["defects_per_opportunity"], both, block(readings), window(0, 60))
    assert (found.value, found.counts["opportunities"], found.counts["defects"]) == (Decimal("0.020000000"), 500, 10)
    assert (found.low, found.high) == clopper_pearson(10, 500, 9)


def test_more_defects_than_opportunities_are_said_and_not_clamped() -> None:
    readings = grown("eye-01", "looked", 4) + grown("eye-01", "found", 6)
    found = compute(KNOWN["defects_per_opportunity"], station("eye-01", 1), block(readings), window(0, 60))
    assert (found.value, found.low, found.method) == (Decimal("1.500000000"), Decimal("1.500000000"), "none: no share")
    assert "more defects than opportunities" in found.why


def test_without_opportunities_in_the_register_there_is_no_figure() -> None:
    found = compute(KNOWN["defects_per_opportunity"], station("eye-01", msgspec.UNSET), block(grown("eye-01", "looked", 4)), window(0, 60))
    assert found.value is None and "undefined: no equipment" in found.why
    assert b"opportunities" not in msgspec.json.encode(station("eye-01", msgspec.UNSET))
    assert msgspec.json.decode(msgspec.json.encode(station("eye-01", 3)), type=Workshop) == station("eye-01", 3)
    for wrong in (0, -1, 100_001):
        with pytest.raises(ConfigError, match=f"opportunities {wrong}"):
            check_register(station("eye-01", wrong))


def gauge(values: list[float], unit: str = "mm", *, serials: bool = True) -> Result:
    register = workshop(machine("eye-01", signals=(msgspec.structs.replace(WIDTH, unit=unit), *([SERIAL] if serials else []))))
    readings = rows("eye-01/width", [(2 * n, value) for n, value in enumerate(values)])
    readings += rows("eye-01/serial", [(2 * n, f"EP-{n}") for n in range(len(values))])
    return compute(KNOWN["process_capability_cp"], register, block(readings), window(0, 2 * len(values) + 1))


def test_capability_of_five_parts() -> None:
    # Deviations −8, −4, 0, 4, 13 µm: mean 1 µm, squares 81 + 25 + 1 + 9 + 144 = 260, s² = 65 µm², s = 8.0623 µm.
    values = [24.992, 24.996, 25.0, 25.004, 25.013]
    register = workshop(machine("eye-01", signals=(WIDTH, SERIAL)))
    readings = rows("eye-01/width", [(n, value) for n, value in enumerate(values)]) + rows("eye-01/serial", [(n, f"EP-{n}") for n in range(5)])
    cp, cpk = (compute(KNOWN[name], register, block(readings), window(0, 5)) for name in ("process_capability_cp", "process_capability_cpk"))
    assert cp.value == Decimal(str(round(40 / (6 * sqrt(65)), 4))) == Decimal("0.8269")
    assert cpk.value == Decimal(str(round(19 / (3 * sqrt(65)), 4))) == Decimal("0.7856")
    assert cp.counts["parts"] == 5 and "fewer than 50 parts" in cp.why
    # χ² quantiles of 4 degrees of freedom: 0.484419 and 11.143287.
    assert cp.low == Decimal(str(round(40 / (6 * sqrt(65)) * sqrt(0.48441856 / 4), 4)))
    assert cp.high == Decimal(str(round(40 / (6 * sqrt(65)) * sqrt(11.14328678 / 4), 4)))
    half = 1.95996398 * sqrt(1 / 45 + (19 / (3 * sqrt(65))) ** 2 / 8)
    assert cpk.low == Decimal(str(round(19 / (3 * sqrt(65)) - half, 4)))


def test_a_part_counts_once_however_often_its_gauge_repeats_itself() -> None:
    register = workshop(machine("eye-01", signals=(WIDTH, SERIAL)))
    told = [(0, 24.99), (1, 24.99), (2, 24.99), (3, 25.01), (4, 25.01)]
    readings = rows("eye-01/width", told) + rows("eye-01/serial", [(0, "EP-1"), (1, "EP-1"), (3, "EP-2")])
    assert compute(KNOWN["process_capability_cp"], register, block(readings), window(0, 5)).counts["parts"] == 2
    without = workshop(machine("eye-01", signals=(WIDTH,)))
    assert compute(KNOWN["process_capability_cp"], without, block(readings[:5]), window(0, 5)).counts["parts"] == 5


@pytest.mark.parametrize("values", [[], [25.0], [25.0, 25.0, 25.0], [float("nan"), float("inf"), 1e30, -400.0]])
def test_too_little_scatter_or_nonsense_has_no_capability(values: list[float]) -> None:
    found = gauge(values)
    assert found.value is None and "undefined: no parts that differ" in found.why
    assert found.counts["unusable"] == (4 if len(values) == 4 else 0)


def test_the_least_capable_station_counts_and_units_do_not_matter() -> None:
    good, bad = [24.999, 25.0, 25.001, 25.0], [24.985, 25.0, 25.015, 25.0]
    register = workshop(*(machine(name, signals=(WIDTH, SERIAL)) for name in ("eye-01", "eye-02")))
    readings = []
    for name, values in (("eye-01", good), ("eye-02", bad)):
        readings += rows(f"{name}/width", list(enumerate(values))) + rows(f"{name}/serial", [(n, f"{name}-{n}") for n in range(4)])
    both = compute(KNOWN["process_capability_cpk"], register, block(readings), window(0, 4))
    assert both.why.startswith("eye-02 of 2, the least capable") and both.value is not None and both.value < 1
    micro = msgspec.structs.replace(WIDTH, unit="um", lower="24980", upper="25020")
    in_um = workshop(machine("eye-02", signals=(micro, SERIAL)))
    readings = rows("eye-02/width", [(n, value * 1000) for n, value in enumerate(bad)]) + rows("eye-02/serial", [(n, f"p{n}") for n in range(4)])
    assert compute(KNOWN["process_capability_cpk"], in_um, block(readings), window(0, 4)).value == both.value


def test_missing_parts_leave_the_capability_undetermined() -> None:
    register = workshop(machine("eye-01", signals=(WIDTH, SERIAL)))
    readings = rows("eye-01/width", [(n, 25 + n % 3 / 1000) for n in range(60)]) + rows("eye-01/serial", [(n, f"p{n}") for n in range(60)])
    hole = missing_of([(("eye-01/serial",), START_US + 20 * SECOND_US, START_US + 30 * SECOND_US)])
    found = compute(KNOWN["process_capability_cp"], register, block(readings), window(0, 60), hole)
    assert found.lost_us > 0 and "undetermined" in found.why


@given(values=st.lists(st.integers(-100_000, 100_000), min_size=2, max_size=30), cuts=st.lists(st.integers(1, 59), max_size=4))
@settings(max_examples=60, deadline=None)
def test_sums_cut_anywhere_merge_to_the_exact_variance(values: list[int], cuts: list[int]) -> None:
    register = workshop(machine("eye-01", signals=(WIDTH, SERIAL)))
    readings = rows("eye-01/width", [(2 * n, 25 + value / 10**6) for n, value in enumerate(values)])
    readings += rows("eye-01/serial", [(2 * n, f"p{n}") for n in range(len(values))])
    indicator, edges = KNOWN["process_capability_cp"], sorted({0, 60, *cuts})
    spans = [window(start, end) for start, end in pairwise(edges)]
    pieces = [piece for span in spans for piece in components_of(indicator, register, block(readings), span)]
    whole = merge_all(components_of(indicator, register, block(readings), window(0, 60)))
    assert [item.values for item in merge_all(pieces)] == [item.values for item in whole]
    mean = Fraction(sum(values), len(values))
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    found = stations(gather(indicator, pieces, register, window(0, 60)), register)
    assert (found["eye-01"].variance, found["eye-01"].mean) == (variance, mean) if variance else not found


def test_the_interval_of_cp_covers_as_often_as_it_says_and_that_of_cpk_nearly() -> None:
    dice = np.random.default_rng(21)
    inside = [0, 0]
    for _ in range(2_000):
        sample = dice.normal(0.5, 1.0, 60)
        found = capability(60, float(sample.mean()), float(sample.std(ddof=1)), -4.0, 4.0)
        inside[0] += found.cp_low <= 8 / 6 <= found.cp_high
        inside[1] += found.cpk_low <= 3.5 / 3 <= found.cpk_high
    assert abs(inside[0] / 2_000 - 0.95) <= 3 * sqrt(0.95 * 0.05 / 2_000)
    assert 0.93 <= inside[1] / 2_000 <= 0.97  # an approximation
