"""Counters against integrated power and bills, power factor, load factor: by hand."""

from decimal import Decimal

import pytest

from analytics.compute import compute
from analytics.facts import Declared, Facts
from analytics.indicator import Result, load_indicators
from tests.unit.analytics.plant import block, machine, rows, window, workshop
from workshop.errors import ConfigError
from workshop.reading import Reading
from workshop.register import Equipment
from workshop.signal import Signal, SignalKind

KNOWN = load_indicators()
METER = Signal("energy", "energy_import", SignalKind.COUNTER, "kW.h", max_age_s=60)
SPAN = window(0, 3600)


def gauge(name: str, role: str, unit: str) -> Signal:
    return Signal(name, role, SignalKind.GAUGE, unit, max_age_s=60)


POWER = gauge("power", "active_power", "kW")


def result(identifier: str, readings: list[Reading], *items: Equipment, facts: Facts | None = None) -> Result:
    return compute(KNOWN[identifier], workshop(*items), block(readings), SPAN, facts=facts or Facts())


def hour(name: str, value: float, slope: float = 0) -> list[Reading]:
    return rows(name, [(t, value + slope * t / 3600) for t in range(0, 3600, 60)])


def test_counter_and_power_agree() -> None:
    readings = hour("cnc-01/power", 36) + hour("cnc-01/energy", 500, 36)
    found = result("energy_reconciliation", readings, machine(signals=(METER, POWER)))
    assert (found.counts["counter_mwh"], found.counts["power_mj"]) == (35_400_000, 129_600_000_000)  # the last minute's increase is not read yet
    assert found.value == Decimal("-0.016949")  # 1 - 36 / 35.4
    assert "differ" not in found.why


def test_a_meter_exchanged_for_one_that_stands_higher_shows_and_so_does_a_wrong_ratio() -> None:
    swapped = rows("cnc-01/energy", [(t, 500 + 36 * t / 3600 + 400 * (t >= 1800)) for t in range(0, 3600, 60)])
    found = result("energy_reconciliation", hour("cnc-01/power", 36) + swapped, machine(signals=(METER, POWER)))
    assert found.counts["counter_mwh"] == 435_400_000
    assert "differ by more than 2%: cnc-01 (0.9173)" in found.why
    double = result("energy_reconciliation", hour("cnc-01/power", 72) + hour("cnc-01/energy", 500, 36), machine(signals=(METER, POWER)))
    assert "cnc-01 (-1.0339)" in double.why


def test_a_counter_that_wraps_loses_one_step_and_reconciles() -> None:
    wrapped = rows("cnc-01/energy", [(t, (99_990 + 36 * t / 3600) % 100_000) for t in range(0, 3600, 60)])
    found = result("energy_reconciliation", hour("cnc-01/power", 36) + wrapped, machine(signals=(METER, POWER)))
    assert (found.counts["resets"], found.counts["counter_mwh"]) == (1, 34_800_000)  # 0.6 kWh between two readings are lost
    standing = result("energy_reconciliation", hour("cnc-01/power", 36) + hour("cnc-01/energy", 5), machine(signals=(METER, POWER)))
    assert standing.value is None
    assert "cnc-01 (counter stands)" in standing.why


def test_what_one_of_both_does_not_know_is_not_compared() -> None:
    half = rows("cnc-01/power", [(t, 36.0) for t in range(0, 1800, 60)])
    found = result("energy_reconciliation", half + hour("cnc-01/energy", 0, 36), machine(signals=(METER, POWER)))
    assert found.counts["power_mj"] == 36_000_000 * 1800  # 29 minutes, and one in which the last reading holds
    assert found.counts["counter_mwh"] == 18_000_000
    assert (found.value, found.counts["apart_mwh"]) == (Decimal(0), 17_400_000)
    assert found.coverage == Decimal("0.5")


def test_the_bill() -> None:
    bill = Facts((Declared("electricity_bill", Decimal("0.708"), "MW.h", SPAN.start_us, SPAN.end_us, "engineer", 1, "", "", 0),))
    readings = hour("cnc-01/energy", 0, 360) + hour("m-01/energy", 0, 720)
    pair = machine(signals=(METER,)), machine("m-01", signals=(METER,))
    found = result("energy_bill_reconciliation", readings, *pair, facts=bill)
    assert found.value == Decimal("0.500000")  # (354 + 708) / 708 - 1
    assert "differ by more than 3%" in found.why
    main = machine("m-01", equipment_class="main_meter", signals=(METER,))
    found = result("energy_bill_reconciliation", readings, pair[0], main, facts=bill)
    assert (found.value, found.counts["meters"], found.declared[0].name) == (Decimal(0), 1, "electricity_bill")
    found = result("energy_bill_reconciliation", readings, *pair)
    assert found.value is None
    assert "is declared for 0.000000" in found.why


def test_power_factor_is_weighted_by_energy() -> None:
    reactive, apparent = gauge("q", "reactive_power", "kvar"), gauge("s", "apparent_power", "kV.A")
    item = machine(signals=(POWER, reactive, apparent))
    assert result("power_factor", hour("cnc-01/power", 30) + hour("cnc-01/q", 40), item).value == Decimal("0.6000")
    only = machine("m-01", signals=(POWER, apparent))
    assert result("power_factor", hour("m-01/power", 40) + hour("m-01/s", 50), only).value == Decimal("0.8000")
    both = hour("cnc-01/power", 30) + hour("cnc-01/q", 40) + hour("m-01/power", 90) + hour("m-01/s", 150)
    found = result("power_factor", both, item, only)
    assert found.value == Decimal("0.6000")  # 120 / √(120² + 160²)
    bare = machine("b-01", signals=(POWER,))
    found = result("power_factor", hour("b-01/power", 3), bare)
    assert found.value is None
    impossible = result("power_factor", hour("m-01/power", 60) + hour("m-01/s", 50), only)
    assert impossible.value is None
    assert "less apparent than active energy: m-01" in impossible.why


def test_a_unit_that_is_none_of_power_is_refused() -> None:
    with pytest.raises(ConfigError, match="cnc-01/power: unit 'bar' is no unit of power"):
        result("energy_reconciliation", [], machine(signals=(METER, gauge("power", "active_power", "bar"))))


def test_load_factor() -> None:
    # 10, 20, 30 and 20 kWh in the four quarters: mean 20 over 30.
    def level(t: int) -> float:
        return sum(amount * min(max(t - 900 * n, 0), 900) / 900 for n, amount in enumerate((10, 20, 30, 20)))

    readings = rows("cnc-01/energy", [(t, level(t)) for t in range(-60, 3600, 60)] + [(3599.999, level(3600))])
    found = result("load_factor", readings, machine(signals=(METER,)))
    assert found.counts["quarters_known"] == 4
    assert found.value == Decimal("0.666667")
    still = result("load_factor", hour("cnc-01/energy", 5), machine(signals=(METER,)))
    assert still.value is None
    assert "nothing flowed" in still.why
