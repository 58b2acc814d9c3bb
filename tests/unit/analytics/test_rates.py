"""Networking rates, defect rate and numerical control of key processes, worked by hand."""

from decimal import Decimal

import msgspec
import pytest

from analytics.compute import compute
from analytics.indicator import Result, load_indicators
from tests.unit.analytics.plant import block, every, machine, reading, rows, window, workshop
from workshop.reading import Reading
from workshop.register import Equipment
from workshop.window import SECOND_US

KNOWN = load_indicators()
PRESS = machine("press-01", digital=False, numerically_controlled=False, signals=())


def connected(name: str, seconds: int, down: range = range(0)) -> list[Reading]:
    """A machine heard every second, with the link down in between."""
    link = [reading(f"{name}/link", t, 0 if t in down else 1) for t in range(seconds)]
    return link + [reading(f"{name}/state", t, 2) for t in range(seconds) if t not in down]


def rate(definition: str, readings: list[Reading], *machines: Equipment, seconds: int = 100) -> Result:
    return compute(KNOWN[f"networking_rate_{definition}"], workshop(*machines), block(readings), window(0, seconds))


@pytest.mark.parametrize(
    ("total", "digital", "networked", "a", "b"),
    [(100, 50, 45, "0.450000", "0.900000"), (40, 40, 40, "1.000000", "1.000000"), (40, 0, 0, "0.000000", None), (0, 0, 0, None, None)],
)
def test_the_vectors_of_the_reference(total: int, digital: int, networked: int, a: str, b: str | None) -> None:
    machines = [machine(f"m-{i:03d}", digital=i < digital) if i < networked else
                msgspec.structs.replace(PRESS, id=f"m-{i:03d}", digital=i < digital) for i in range(total)]
    readings = [row for i in range(networked) for row in connected(f"m-{i:03d}", 10)]
    found_a, found_b = (rate(definition, readings, *machines, seconds=10) for definition in ("all", "digital"))
    assert found_a.value == (Decimal(a) if a else None)
    assert found_b.value == (Decimal(b) if b else None)
    assert (found_a.low, found_a.high, found_a.method) == (found_a.value, found_a.value, "census")
    assert found_a.counts["networked"] == networked
    assert (found_a.counts["all"], found_a.counts["digital"]) == (total, digital)


def test_networked_without_being_digital_is_named_and_not_counted_in_b() -> None:
    machines = [machine(f"m-{i:02d}", digital=i < 10) for i in range(12)] + [msgspec.structs.replace(PRESS, id=f"p-{i:02d}") for i in range(28)]
    readings = [row for i in range(12) for row in connected(f"m-{i:02d}", 10)]
    assert rate("all", readings, *machines, seconds=10).value == Decimal("0.300000")
    found = rate("digital", readings, *machines, seconds=10)
    assert found.value == Decimal("1.000000")
    assert (found.counts["networked"], found.counts["networked_not_digital"]) == (10, 2)
    assert "not digital in the register: m-10, m-11" in found.why


@pytest.mark.parametrize(("down", "value"), [(range(50, 60), "1.000000"), (range(50, 61), "0.000000")])
def test_nine_tenths_of_the_watched_time_are_networked(down: range, value: str) -> None:
    found = rate("all", connected("cnc-01", 100, down), machine())
    assert found.detail["cnc-01"]["known_us"] == 100 * SECOND_US
    assert found.value == Decimal(value)


def test_a_link_that_is_up_without_readings_of_the_machine_is_not_networked() -> None:
    found = rate("all", every("cnc-01/link", range(100), 1), machine())
    assert found.value == 0
    assert found.coverage == 1
    silent = [reading("cnc-01/state", t, None) for t in range(100)]
    assert rate("all", every("cnc-01/link", range(100), 1) + silent, machine()).value == 0


def test_a_machine_whose_link_nobody_knows_is_undetermined() -> None:
    machines = [machine(f"m-{i:02d}") for i in range(20)]
    readings = [row for i in range(19) for row in connected(f"m-{i:02d}", 100)] + connected("m-19", 80)
    found = rate("all", readings, *machines)
    # 80 s, and 2 s until the last link state is too old: 82 of 100 s are known.
    assert found.detail["m-19"]["known_us"] == 82 * SECOND_US
    assert (found.value, found.low, found.high) == (Decimal("0.950000"), Decimal("0.950000"), Decimal("1.000000"))
    assert (found.method, found.coverage, found.counts["undetermined"]) == ("census with unknown", Decimal("0.950000"), 1)
    assert "m-19" in found.why


def test_too_many_undetermined_machines_give_no_value() -> None:
    found = rate("all", connected("m-00", 100), *[machine(f"m-{i:02d}") for i in range(4)])
    assert found.value is None
    assert (found.low, found.high, found.coverage) == (Decimal("0.250000"), Decimal("1.000000"), Decimal("0.250000"))
    assert "undetermined: coverage" in found.why


def test_equipment_without_signals_is_in_the_denominator_with_full_coverage() -> None:
    found = rate("all", connected("cnc-01", 100), machine(), PRESS)
    assert (found.value, found.coverage) == (Decimal("0.500000"), Decimal("1.000000"))
    assert "nothing to observe, so not networked: press-01" in found.why


def test_equipment_out_of_service_is_not_counted() -> None:
    gone = machine("old-01", in_service_to="2021-12-31")
    found = rate("all", connected("cnc-01", 100), machine(), gone)
    assert (found.value, found.counts["all"]) == (1, 1)


def counted(good: int, scrap: int, seconds: int = 60) -> list[Reading]:
    """Counters seen every 5 s; all parts of the window appear at 10 s."""
    seen = range(0, seconds, 5)
    return [reading("cnc-01/good", t, 500 + good * (t >= 10)) for t in seen] + [reading("cnc-01/scrap", t, 9 + scrap * (t >= 10)) for t in seen]


def test_defect_rate_with_both_intervals() -> None:
    found = compute(KNOWN["defect_rate"], workshop(machine(), PRESS), block(counted(43, 7)), window(0, 60))
    assert found.value == Decimal("0.140000")
    assert (found.low, found.high, found.method) == (Decimal("0.058192"), Decimal("0.267396"), "Clopper-Pearson 95 %")
    assert (found.display_low, found.display_high, found.display_method) == (Decimal("0.069508"), Decimal("0.261862"), "Wilson 95 %")
    assert found.counts == {"defective": 7, "inspected": 50, "good": 43, "resets": 0, "beginnings": 2, "conflicts": 0}
    assert found.coverage == 1


def test_no_parts_inspected_is_undefined() -> None:
    found = compute(KNOWN["defect_rate"], workshop(machine()), block(counted(0, 0)), window(0, 60))
    assert (found.value, found.low, found.high) == (None, None, None)


def test_missing_counters_lower_the_coverage_of_the_defect_rate() -> None:
    readings = [row for row in counted(43, 7) if not row.signal.endswith("scrap")] + rows("cnc-01/scrap", [(0, 9), (55, 16)])
    found = compute(KNOWN["defect_rate"], workshop(machine()), block(readings), window(0, 60))
    assert found.value == Decimal("0.140000")
    assert found.coverage == Decimal("0.166666")
    assert "undetermined" in found.why


def test_key_processes_of_the_register() -> None:
    register = workshop(machine(), machine("robot-01", process="handling", numerically_controlled=False))
    found = compute(KNOWN["key_process_nc_rate"], register, block(), window(0, 60))
    assert (found.value, found.counts) == (1, {"controlled": 1, "key_processes": 1})
    mixed = workshop(machine(), msgspec.structs.replace(PRESS, process="milling"))
    assert compute(KNOWN["key_process_nc_rate"], mixed, block(), window(0, 60)).value == 0


def test_a_key_process_without_equipment_in_service_does_not_count_as_controlled() -> None:
    found = compute(KNOWN["key_process_nc_rate"], workshop(machine(in_service_to="2021-12-31")), block(), window(0, 60))
    assert found.value == 0
