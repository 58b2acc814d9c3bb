"""Comprehensive energy of all carriers, by the reference's vector and by hand."""

from decimal import Decimal

import pytest

from analytics.compute import compute
from analytics.facts import Declared, Facts
from analytics.indicator import Result, load_indicators
from tests.unit.analytics.plant import block, machine, rows, window, workshop
from workshop.signal import Signal, SignalKind

KNOWN = load_indicators()
METER = Signal("energy", "energy_import", SignalKind.COUNTER, "kW.h", max_age_s=60)
SPAN = window(0, 3601)
UNITS = {"gas_bill": "m3", "steam_bill": "t", "diesel_bill": "kg", "water_bill": "t"}


def result(identifier: str, amounts: dict[str, str], *, metered: bool = True) -> Result:
    """An hour in which 10,000 kWh flowed."""
    readings = rows("cnc-01/energy", [(t, t * 10_000 / 3600) for t in range(0, 3601, 60)] if metered else [])
    figures = tuple(
        Declared(name, Decimal(value), UNITS[name], SPAN.start_us, SPAN.end_us, "engineer", 1, "", "", number)
        for number, (name, value) in enumerate(amounts.items())
    )
    return compute(KNOWN[identifier], workshop(machine(signals=(METER,))), block(readings), SPAN, facts=Facts(figures))


def test_the_vector_of_the_reference() -> None:
    # 10,000 kWh and 100 kg of diesel: 1229 + 145.71 = 1374.71 kgce
    found = result("comprehensive_energy_calorific", {"gas_bill": "0", "steam_bill": "0", "diesel_bill": "100"})
    assert found.value == Decimal("1374.710")
    assert "0.1229 kgce/(kW.h)" in found.why
    assert "third-party texts disagree" in found.why
    assert {item.name for item in found.declared} == {"gas_bill", "steam_bill", "diesel_bill"}


def test_every_carrier_by_hand() -> None:
    amounts = {"gas_bill": "1000", "steam_bill": "2", "diesel_bill": "100", "water_bill": "50"}
    # 3100 + 1214.3 + 257.2 + 145.71 + 12.855
    assert result("comprehensive_energy_equivalent", amounts).value == Decimal("4730.065")


@pytest.mark.parametrize("left_out", ["gas_bill", "steam_bill", "diesel_bill", "water_bill"])
def test_a_carrier_that_nobody_declared_leaves_no_value(left_out: str) -> None:
    found = result("comprehensive_energy_equivalent", {name: "0" for name in UNITS if name != left_out})
    assert found.value is None
    assert f"{left_out} (" in found.why


def test_without_electricity_there_is_no_value() -> None:
    found = result("comprehensive_energy_calorific", dict.fromkeys(("gas_bill", "steam_bill", "diesel_bill"), "1"), metered=False)
    assert found.value is None
    assert "no electricity is known" in found.why
