"""Vectors worked by hand for the indicators of connectivity, quality, time elements, energy and alarms."""

from decimal import Decimal

import msgspec
import pytest

from analytics.compute import compute
from analytics.factors import GRID_CO2, of_year
from analytics.indicator import Result, load_indicators
from analytics.missing import missing_of
from tests.unit.analytics.plant import SIGNALS, START_US, block, every, machine, reading, rows, window, workshop
from workshop.reading import Reading
from workshop.register import Shift, TariffPeriod
from workshop.signal import Signal, SignalKind

KNOWN = load_indicators()
MINUTE, HOUR = 60, 3600
METER = Signal("energy", "energy_import", SignalKind.COUNTER, "kW.h", max_age_s=60)


def result(identifier: str, readings: list[Reading], end_s: float, *machines: object, start_s: float = 0, **kind: object) -> Result:
    items = machines or (machine(),)
    return compute(KNOWN[identifier], workshop(*items, **kind), block(readings), window(start_s, end_s))  # type: ignore[arg-type]


def made(apt: int, setup: int, delay: int, total: int, produced: int, good: int) -> list[Reading]:
    """So many minutes of production, setup and delay, then waiting, seen every 5 s; all parts appear after 10 s."""
    found = []
    for t in range(0, total * MINUTE, 5):
        minute = t / MINUTE
        state = 3 if minute < apt + setup else 1 if minute < apt + setup + delay else 2
        found += [reading("cnc-01/state", t, state), reading("cnc-01/mode", t, 2 if apt <= minute < apt + setup else 3)]
        found += [reading("cnc-01/parts", t, 1000 + produced * (t >= 10)), reading("cnc-01/good", t, 900 + good * (t >= 10))]
    return found


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("nee", "0.783750"), ("setup_rate", "0.090909"),                     # the reference: PBT 480, APT 400, AUST 40, PQ 360, GQ 342
        ("technical_efficiency", "0.952381"),                                # 400 / 420
        ("utilisation_efficiency", "0.869565"),                              # 400 / 460
        ("allocation_efficiency", "0.958333"),                               # 460 / 480
        ("allocation_ratio", "0.958333"),                                    # 460 / 480: the last 20 min it waits
        ("throughput_rate", "45.0000"),                                      # 360 parts in 8 h
        ("scrap_ratio", None), ("mtbf", "7.6667"), ("mtbf_iso", "3.8333"), ("mttr", "0.3333"), ("mttr_iso", "0.1667"),
    ],
)
def test_time_elements_of_one_shift(identifier: str, value: str | None) -> None:
    found = result(identifier, made(400, 40, 20, 480, 360, 342), 480 * MINUTE)
    assert found.value == (None if value is None else Decimal(value))


def test_changeovers_lots_and_cycles() -> None:
    # Two changeovers of 20 min, the second over the border of an hour (from minute 50 to 70); 3 parts before, 30 between, 12 after.
    modes = [(t, 2 if 600 <= t < 1800 or 3000 <= t < 4200 else 3) for t in range(0, 7200, 5)]
    parts = [(t, 100 + 3 * (t >= 300) + 30 * (t >= 2400) + 12 * (t >= 5000)) for t in range(0, 7200, 5)]
    readings = rows("cnc-01/mode", modes) + rows("cnc-01/parts", parts) + every("cnc-01/state", range(0, 7200, 5), 3)
    found = result("changeover_time", readings, 7200)
    assert (found.value, found.counts["changeovers"], found.counts["setup_s"]) == (Decimal("20.000"), 2, 2400)
    found = result("lot_size", readings, 7200)
    assert (found.value, found.counts["produced"]) == (Decimal("22.500"), 45)
    found = result("actual_cycle_time", readings, 7200)
    assert (found.value, found.low, found.high) == (Decimal("106.667"), Decimal("106.667"), Decimal("106.667"))  # 4800 s of production for 45
    assert "ideal by the register 60.000 s" in found.why
    calm = rows("cnc-01/mode", [(t, 3) for t in range(0, 600, 5)])
    assert result("changeover_time", calm, 600).value is None and "no changeover" in result("lot_size", calm, 600).why


def test_a_changeover_in_a_loss_is_not_known_though_the_counter_is() -> None:
    readings = rows("cnc-01/mode", [(t, 2 if t == 300 else 3) for t in range(0, 600, 5) if not 200 <= t < 220])
    readings += rows("cnc-01/parts", [(t, 100 + t // 60) for t in range(-5, 600, 5)])
    gap = missing_of([(("cnc-01/mode",), START_US + 200_000_000, START_US + 220_000_000)])
    found = compute(KNOWN["lot_size"], workshop(machine()), block(readings), window(0, 600), gap)
    assert found.value is not None and found.lost_us == 20_000_000 and "what was counted in 20000000 µs is not known" in found.why


def test_teep_counts_time_without_a_shift() -> None:
    # 23:00 to 01:00 in Shanghai; the shift ends at midnight: OEE 1 × 0.9 × 0.95 in one of two hours.
    readings = made(60, 0, 0, 120, 54, 51)
    late = (Shift("late", "22:00", "00:00"),)
    assert result("teep", readings, 2 * HOUR, shifts=late).value == Decimal("0.425000")
    assert result("teep", readings, 2 * HOUR, shifts=()).value is None


def test_a_failure_over_the_border_of_an_hour_counts_once_and_unknown_time_does_not_end_it() -> None:
    states = [(t, 3 if t < 3000 or t >= 4200 else 1) for t in range(0, 7200, 5) if not 3300 <= t < 3400]
    found = result("mttr", rows("cnc-01/state", states), 7200)
    assert (found.counts["failures"], found.counts["down_s"]) == (1, 1100)  # 1200 s less the unknown 100
    assert result("mtbf", every("cnc-01/state", range(0, 7200, 5), 3), 7200).value is None


def test_ratios_of_the_register() -> None:
    machines = [machine(f"m-{n}", digital=n < 50, numerically_controlled=n < 30, signals=SIGNALS if n < 45 else ()) for n in range(100)]
    values = {name: result(name, [], 60, *machines).value for name in ("digitalisation_rate", "numerical_control_rate", "networking_rate_declared")}
    assert {name: str(value) for name, value in values.items()} == {
        "digitalisation_rate": "0.500000", "numerical_control_rate": "0.300000", "networking_rate_declared": "0.450000",
    }
    gone = result("digitalisation_rate", [], 60, machine(in_service_to="2021-01-01"))
    assert (gone.value, gone.coverage) == (None, 0)


def test_links() -> None:
    # Down from 10 to 20 and from 3590 to 3630 (over the hour); unknown from 102 to 200 (a reading holds 3 s).
    readings = [reading("cnc-01/link", t, 0 if 10 <= t < 20 or 3590 <= t < 3630 else 1) for t in range(0, 4000) if not 100 <= t < 200]
    found = result("time_to_restore", readings, 4000)
    assert (found.value, found.counts["outages"], found.coverage) == (Decimal("25.000"), 2, Decimal("0.975500"))
    only = machine(signals=tuple(item for item in SIGNALS if item.role in ("link_state", "item_state", "good_count")))
    heard = every("cnc-01/link", range(0, 100), 1) + every("cnc-01/state", range(0, 100, 5), 3) + every("cnc-01/good", range(0, 50, 5), 7)
    found = result("data_completeness", heard, 100, only)
    assert found.value == Decimal("0.750000")  # one of two signals for all, the other for half of the time
    assert found.excluded[0].us == 50_000_000
    cloud = machine(signals=(Signal("cloud", "platform_link_state", SignalKind.STATE, max_age_s=5),))
    found = result("networking_rate_platform", every("cnc-01/cloud", range(0, 100, 5), 1), 100, cloud, machine("cnc-02", signals=()))
    assert found.value == Decimal("0.500000")


def test_counts() -> None:
    item = machine(signals=(Signal("i", "inspected_count", SignalKind.COUNTER), Signal("r", "rejected_count", SignalKind.COUNTER),
                            Signal("f", "first_pass_good_count", SignalKind.COUNTER)))
    readings = [reading(f"cnc-01/{name}", t, end * (t > 5)) for name, end in (("i", 50), ("r", 7), ("f", 40)) for t in range(0, 60, 5)]
    found = result("inspection_pass_rate", readings, 60, item)
    assert (found.value, found.low, found.high) == (Decimal("0.860000"), Decimal("0.732604"), Decimal("0.941808"))  # 43 of 50
    assert result("first_pass_yield", readings, 60, item).value == Decimal("0.800000")
    worked = machine(signals=(Signal("p", "produced_count", SignalKind.COUNTER), Signal("w", "rework_count", SignalKind.COUNTER),
                              Signal("s", "scrap_count", SignalKind.COUNTER)))
    readings = [reading(f"cnc-01/{name}", t, end * (t > 5)) for name, end in (("p", 80), ("w", 6), ("s", 2)) for t in range(0, 60, 5)]
    found = result("rework_ratio", readings, 60, worked)
    assert (found.value, found.counts["counted"], found.counts["of"]) == (Decimal("0.075000"), 6, 80)
    assert result("scrap_ratio", readings, 60, worked).value == Decimal("0.025000")
    odd = result("inspection_pass_rate", [reading("cnc-01/i", 0, 0), reading("cnc-01/i", 5, 1), *rows("cnc-01/r", [(0, 0), (5, 3)])], 10, item)
    assert odd.value == Decimal("-2.000000")
    assert "do not count the same parts: cnc-01" in odd.why


def metered(values: list[tuple[float, float]]) -> list[Reading]:
    return rows("cnc-01/energy", values)


def test_energy_over_a_reset_is_the_sum_of_positive_increases() -> None:
    item = machine(signals=(METER,))
    found = result("energy_total", metered([(0, 98), (30, 99), (60, 100), (90, 0), (120, 3)]), 150, item)
    assert (found.value, found.counts["resets"]) == (Decimal("5.000"), 1)
    assert "1 resets" in found.why
    whole = metered([(t, t * 10_000 / 3600) for t in range(0, 3601, 60)])
    assert result("coal_calorific", whole, 3601, item).value == Decimal("1229.000")  # the electricity of the reference's vector: 10,000 kWh
    assert result("coal_equivalent", whole, 3601, item).value == Decimal("3100.000")
    carbon = result("co2_zhejiang", whole, 3601, item)
    assert carbon.value == Decimal("4974.000")
    assert "none published for 2026 here" in carbon.why
    assert of_year(GRID_CO2["national"], 2022).value == Decimal("0.5366")


@pytest.mark.parametrize(("region", "factor"), [
    ("national", "0.5306"), ("zhejiang", "0.4974"), ("jiangsu", "0.5827"), ("hubei", "0.4044"), ("hunan", "0.4976"),
])
def test_carbon_of_a_thousand_kilowatt_hours_in_each_region(region: str, factor: str) -> None:
    found = result(f"co2_{region}", metered([(0, 5000), (60, 6000)]), 61, machine(signals=(METER,)))
    assert (found.value, found.counts["energy_mwh"]) == (Decimal(factor) * 1000, 10**9)
    assert f"{factor} kg/(kW.h)" in found.why


def test_time_that_nobody_knows_is_the_width_of_the_interval() -> None:
    # 480 min planned, of which 48 in delay or waiting are missing: from minute 432 to the end of the shift.
    readings = [row for row in made(400, 40, 20, 480, 360, 342) if row.source_time_us < START_US + 432 * MINUTE * 10**6]
    def interval(identifier: str) -> tuple[str, str, str, str]:
        found = result(identifier, readings, 480 * MINUTE)
        return str(found.coverage), str(found.low), str(found.value), str(found.high)

    # Known: APT 400 and AUST 32 of 480; 48 unknown.
    assert interval("setup_rate") == ("0.900000", "0.066667", "0.074074", "0.166667")  # 32/480, 32/432, 80/480
    assert interval("allocation_efficiency") == ("0.900000", "0.900000", "1.000000", "1.000000")
    assert interval("utilisation_efficiency") == ("0.900000", "0.833333", "0.925926", "0.933333")  # 400/480, 400/432, 448/480
    assert interval("throughput_rate") == ("0.900000", "45.0000", "50.0000", "50.0000")  # 360 in 8 h, 360 in 7.2 h
    # NEE: all 48 min production without a part, 480/480 × 360/448 × 0.95; as known, 432/432 × 360/400 × 0.95; all ideal, 480/480 × 1 × 0.95.
    assert interval("nee") == ("0.900000", "0.763393", "0.855000", "0.950000")
    assert interval("teep") == ("0.900000", "0.712500", "0.791667", "0.812500")  # 342/480, 342/432, (342 + 48)/480: ideal and all good


def test_carbon_takes_each_local_year_for_itself() -> None:
    # 2022-12-31 15:59:30 UTC is half a minute before the new year in Shanghai.
    start_s = 1_672_502_370 - 1_790_002_800
    readings = metered([(start_s, 0), (start_s + 30, 100), (start_s + 60, 300)])
    found = result("co2_hunan", readings, start_s + 61, machine(signals=(METER,)), start_s=start_s)
    assert found.value == Decimal("148.520")  # 100 × 0.4900 + 200 × 0.4976


def test_peak_demand_is_that_of_all_meters_together_over_the_border_of_a_window() -> None:
    def load(name: str, first_kw: float, second_kw: float) -> list[Reading]:
        values, energy = [], 0.0
        for t in range(0, 3600, 30):
            values.append(reading(f"{name}/energy", t, energy))
            energy += (first_kw if t < 1800 else second_kw) * 30 / 3600
        return values

    items = (machine(signals=(METER,)), machine("cnc-02", signals=(METER,)))
    found = result("peak_demand", load("cnc-01", 40, 10) + load("cnc-02", 5, 20), 3600, *items)
    assert found.value == Decimal("45.000")  # not 40 + 20
    assert found.counts["quarters_known"] == 4
    lonely = result("peak_demand", load("cnc-01", 40, 10), 3600, *items)
    assert lonely.value is None


def test_energy_by_state_and_price() -> None:
    item = machine(signals=(METER, *(signal for signal in SIGNALS if signal.role == "item_state")))
    states = rows("cnc-01/state", [(t, 3 if t < 100 else 2 if t < 200 else 0) for t in range(0, 300, 5)])
    readings = metered([(t, t) for t in range(0, 301, 10)]) + states
    assert result("energy_idle", readings, 301, item).value == Decimal("100.000")
    assert result("energy_standby", readings, 301, item).value == Decimal("100.000")
    tariff = (TariffPeriod("峰", "08:00", "23:02", "1.00"), TariffPeriod("谷", "23:02", "08:00", "0.25"))
    register = msgspec.structs.replace(workshop(item), tariff=tariff)
    found = compute(KNOWN["electricity_cost"], register, block(readings), window(0, 301))
    assert (found.value, found.counts["峰_mwh"], found.counts["谷_mwh"]) == (Decimal("165.00"), 120_000_000, 180_000_000)
    silent = compute(KNOWN["electricity_cost"], register, block(metered([(0, 0), (300, 300)])), window(0, 301))
    assert (silent.low, silent.value, silent.high) == (0, Decimal("75.00"), Decimal("300.00"))
    assert "no tariff" in result("electricity_cost", readings, 301, item).why
    assert result("energy_per_part", readings + rows("cnc-01/parts", [(0, 0), (5, 60)]), 301, machine(signals=(METER, SIGNALS[2]))).value == 5


def test_alarms() -> None:
    item = machine(signals=(Signal("alarm", "alarm", SignalKind.STATE, max_age_s=60),))
    # 22 annunciations within the ten minutes that the hour of the window's middle begins, 1 later; repetition and 0 are none.
    codes = [(3600 + 10 * n, n % 3) for n in range(33)] + [(4800, 5), (4810, 5), (4820, 0)]
    readings = every("cnc-01/alarm", range(0, 3600, 30), 0) + rows("cnc-01/alarm", codes) + every("cnc-01/alarm", range(4850, 7200, 30), 0)
    readings += every("cnc-01/alarm", range(3930, 4800, 30), 0)
    found = result("alarm_rate", readings, 7200, item)
    assert (found.counts["annunciations"], found.value) == (23, Decimal("1.916667"))  # 23 in 12 slots
    flood = result("alarm_flood_share", readings, 7200, item)
    assert (flood.counts["floods"], flood.value) == (1, Decimal("0.083333"))
