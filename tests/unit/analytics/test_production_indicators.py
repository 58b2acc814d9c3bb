"""Availability, effectiveness, quality ratio, OEE and energy against values worked by hand (ISO 22400-2; the reference's vectors)."""

from decimal import Decimal

import msgspec
import pytest

from analytics.compute import components_of, compute
from analytics.indicator import Components, Result, load_indicators
from tests.unit.analytics.plant import START_US, block, every, machine, reading, rows, window, workshop
from workshop.errors import ConfigError
from workshop.reading import Reading
from workshop.register import Shift
from workshop.states import STATE_MAPPING
from workshop.window import SECOND_US

KNOWN = load_indicators()
MINUTE = 60


def shift_of(name: str, minutes: int, apt: int, produced: int, good: int, setup: int = 0) -> list[Reading]:
    """A machine that is seen every 5 s for so many minutes: production first, then setup, then waiting; all parts appear at once, after 10 s."""
    seen = range(0, minutes * MINUTE, 5)
    state = [reading(f"{name}/state", t, 3 if t < (apt + setup) * MINUTE else 2) for t in seen]
    mode = [reading(f"{name}/mode", t, 2 if apt * MINUTE <= t < (apt + setup) * MINUTE else 3) for t in seen]
    return state + mode + [reading(f"{name}/parts", t, 1000 + produced * (t >= 10)) for t in seen] + [
        reading(f"{name}/good", t, 900 + good * (t >= 10)) for t in seen
    ]


def result(identifier: str, readings: list[Reading], end_s: float, *machines: object, start_s: float = 0, **kind: object) -> Result:
    items = machines or (machine(),)
    return compute(KNOWN[identifier], workshop(*items, **kind), block(readings), window(start_s, end_s))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("identifier", "value"), [("availability", "0.833333"), ("effectiveness", "0.900000"), ("quality_ratio", "0.950000"), ("oee", "0.712500")],
)
def test_the_vector_of_the_reference(identifier: str, value: str) -> None:
    # PBT 480 min, APT 400 min, PRI 1 min, PQ 360, GQ 342.
    found = result(identifier, shift_of("cnc-01", 480, 400, 360, 342), 480 * MINUTE)
    assert found.value == Decimal(value)
    assert found.coverage == 1
    assert found.low == found.high == found.value


def test_setup_within_planned_time_is_a_loss() -> None:
    found = result("availability", shift_of("cnc-01", 480, 400, 360, 342, setup=40), 480 * MINUTE)
    assert found.value == Decimal("0.833333")
    assert (found.counts["apt_s"], found.counts["aust_s"], found.counts["adot_s"]) == (400 * 60, 40 * 60, 40 * 60)
    assert STATE_MAPPING in found.why


def test_a_group_sums_numerators_and_denominators() -> None:
    # Two machines, PBT 100 and APT 90, PBT 300 and APT 150, in minutes: 240 / 400, not the mean 0.70. The first one is in service for less time.
    shifts = (Shift("all", "00:00", "00:00"),)
    readings = shift_of("cnc-01", 100, 90, 1, 1) + shift_of("cnc-02", 300, 150, 1, 1)
    parts = [*components_of(KNOWN["availability"], workshop(machine(), shifts=shifts), block(readings), window(0, 100 * MINUTE)),
             *components_of(KNOWN["availability"], workshop(machine("cnc-02"), shifts=shifts), block(readings), window(0, 300 * MINUTE))]
    found = KNOWN["availability"].evaluate(parts, workshop(machine(), machine("cnc-02"), shifts=shifts), window(0, 300 * MINUTE))
    assert found.value == Decimal("0.600000")
    assert found.coverage == Decimal("0.666666")  # cnc-01 was not measured for 200 of its 300 min; rounded down
    assert "undetermined" in found.why


def test_out_of_service_is_delay_and_switched_off_is_known() -> None:
    readings = rows("cnc-01/state", [(0, 1), (4, 0), (8, 3), (12, 3)]) + rows("cnc-01/mode", [(8, 3)])
    found = result("availability", readings, 15)
    # Mode need not be known in states in which it does not matter; from 13 on it is unknown and the machine executes.
    assert found.detail["cnc-01"] | {"conflicts": 0} == {
        "adet_us": 4 * SECOND_US, "other_us": 4 * SECOND_US, "apt_us": 5 * SECOND_US, "aust_us": 0, "adot_us": 0, "conflicts": 0,
        "covered_us": 13 * SECOND_US, "window_us": 15 * SECOND_US,
    }
    assert found.value == Decimal("0.384615")                                          # 5 / 13
    assert (found.low, found.high) == (Decimal("0.333333"), Decimal("0.466667"))        # 5 / 15, 7 / 15


@pytest.mark.parametrize("identifier", ["availability", "effectiveness", "quality_ratio", "oee"])
def test_without_planned_busy_time_it_is_undefined_and_not_1(identifier: str) -> None:
    readings = shift_of("cnc-01", 60, 50, 40, 40)
    nowhere = (Shift("later", "09:00", "10:00"),)  # 23:00 in Shanghai is outside
    for shifts in ((), nowhere):
        found = result(identifier, readings, 3600, shifts=shifts)
        assert found.value is None
        assert found.coverage == 0
        assert "PBT comes from the shifts" in found.why


def test_only_planned_busy_time_counts() -> None:
    # The window is 23:00 to 01:00 in Shanghai; the shift ends at midnight.
    found = result("availability", shift_of("cnc-01", 120, 90, 10, 10), 7200, shifts=(Shift("late", "22:00", "00:00"),))
    assert found.value == 1
    assert found.counts["pbt_s"] == 3600


def test_effectiveness_above_1_is_said_and_not_clamped() -> None:
    found = result("effectiveness", shift_of("cnc-01", 10, 10, 12, 12), 600)
    assert found.value == Decimal("1.200000")
    assert "not the true minimum: cnc-01" in found.why
    assert result("oee", shift_of("cnc-01", 10, 10, 12, 12), 600).value == Decimal("1.200000")


def test_parts_that_nobody_saw_made_do_not_raise_effectiveness() -> None:
    # Seen from 0 to 600 s and from 1800 s on; meanwhile it made 30 parts.
    parts = shift_of("cnc-01", 10, 10, 1, 1)
    for second in range(1800, 3600, 5):
        parts += [reading("cnc-01/state", second, 3), reading("cnc-01/mode", second, 3)]
        parts += [reading("cnc-01/parts", second, 1031), reading("cnc-01/good", second, 931)]
    found = result("effectiveness", parts, 3600)
    assert found.counts["unobserved"] == 30
    assert found.counts["produced"] == 31
    assert found.counts["ideal_s"] == 60
    assert found.coverage == Decimal("0.666666")
    assert result("quality_ratio", parts, 3600).counts["good"] == 31


def test_nothing_produced_is_undefined() -> None:
    readings = shift_of("cnc-01", 10, 5, 0, 0)
    assert result("quality_ratio", readings, 600).value is None
    found = result("oee", readings, 600)
    assert found.value is None
    assert "undefined: PQ is 0" in found.why


def test_energy_per_good_part_sums_all_meters_and_all_good_parts() -> None:
    meter = machine("compressor-01", ideal_cycle_ms=None, signals=tuple(s for s in machine().signals if s.role == "energy_import"))
    press = machine("press-01", signals=())
    seen = range(0, 60, 5)
    readings = [reading("cnc-01/energy", t, 10_000 + t) for t in seen] + [reading("compressor-01/energy", t, 5.5 + 2 * t) for t in seen]
    readings += [reading("cnc-01/good", t, t // 10) for t in seen]
    found = result("energy_per_good_part", readings, 60, machine(), meter, press)
    assert found.counts["energy_mwh"] == 55_000 + 110_000
    assert found.counts["good"] == 5
    assert found.value == Decimal("0.0330")
    assert found.coverage == 1
    assert [item.equipment for item in found.excluded] == ["press-01"]


def test_a_meter_in_another_unit_is_a_config_error() -> None:
    joules = tuple(msgspec.structs.replace(s, unit="J") if s.role == "energy_import" else s for s in machine().signals)
    with pytest.raises(ConfigError, match="unit 'J'"):
        result("energy_per_good_part", [], 60, machine(signals=joules))


def test_components_are_cut_at_local_hours() -> None:
    register = workshop(machine(), zone="Asia/Kolkata")
    found: list[Components] = components_of(KNOWN["availability"], register, block(every("cnc-01/state", range(0, 7200, 5), 2)), window(0, 7200))
    assert [(item.start_us - START_US) // SECOND_US for item in found] == [0, 1800, 5400]
    assert [(item.hour_us - START_US) // SECOND_US for item in found] == [-1800, 1800, 5400]
