"""Leaks of compressed air: the leak test by hand, what rest is, and the simulators' leak, found where there is one and nowhere else."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from analytics.compute import compute
from analytics.energy.advice import Advice, advise
from analytics.energy.compressed_air import ACCEPTED, LeakTest, leak_tests
from analytics.grouping import local_days
from analytics.indicator import load_indicators
from chejian.demo.past import past_register
from chejian.history_parquet import columns_of
from simulators.history import history
from simulators.settings import FaultPlan, load_settings
from tests.unit.analytics.plant import block, machine, rows, window, workshop
from workshop.block import Block, concat
from workshop.reading import Reading
from workshop.register import Workshop
from workshop.register_file import parse_register
from workshop.signal import Signal, SignalKind
from workshop.window import SECOND_US, Window

DEMO = Path(__file__).parents[3] / "config" / "demo"
END_US, DAYS, DAY_S = 1_767_571_200_000_000, 10, 86_400
KNOWN = load_indicators()
STATE = Signal("state", "item_state", SignalKind.STATE, max_age_s=60)
METER = Signal("energy", "energy_import", SignalKind.COUNTER, "W.h", max_age_s=60)
EXECUTING, UNLOADED = 3, 2


def hall(*others: str) -> Workshop:
    air = machine("air-01", equipment_class="compressor", signals=(STATE, METER))
    return workshop(air, *(machine(name, signals=(STATE,)) for name in others))


def states(name: str, seconds: int, loaded_of_100: int) -> list[Reading]:
    """A compressor that is loaded at the beginning of every 100 s."""
    turns = [(t, EXECUTING if t % 100 < loaded_of_100 else UNLOADED) for t in range(0, seconds, 10)]
    return rows(f"{name}/state", turns)


def energy(name: str, loaded_of_100: int, seconds: int) -> list[Reading]:
    """30 kW loaded, 10 kW unloaded."""
    per_s = (10 + 20 * loaded_of_100 / 100) / 3600 * 1000
    return rows(f"{name}/energy", [(t, per_s * t) for t in range(0, seconds, 50)])


def leaks_of(plant: Workshop, readings: Block, hours: int) -> tuple[list[LeakTest], list[str]]:
    def read(signals: list[str], span: Window) -> Block:
        chosen = np.isin(readings.signal, [number for number, name in enumerate(readings.signals) if name in signals])
        chosen &= (readings.source_time_us >= span.start_us) & (readings.source_time_us < span.end_us)
        return readings.take(np.flatnonzero(chosen))

    return leak_tests([(window(3600 * hour, 3600 * (hour + 1)), plant) for hour in range(hours)], read)


def day_of_work(pauses: int, loaded_of_100: int) -> list[Reading]:
    """A machine that works but for the last 20 minutes of so many hours, and a compressor that is then loaded so many seconds of 100."""
    found = rows("cnc-01/state", [(t, EXECUTING if t % 3600 < 2400 or t >= 3600 * pauses else UNLOADED) for t in range(0, 28_800, 10)])
    counted, level = [], 0.0
    for t in range(0, 28_800, 10):
        now = loaded_of_100 if t % 3600 >= 2400 and t < 3600 * pauses else 50
        on = t % 100 < now
        found += rows("air-01/state", [(t, EXECUTING if on else UNLOADED)])
        counted.append((t, level))
        level += (30 if on else 10) * 1000 / 360
    return found + rows("air-01/energy", counted)


def test_the_leak_test_by_hand() -> None:
    (found,), doubts = leaks_of(hall("cnc-01"), block(day_of_work(8, 20)), 8)
    assert doubts == []
    assert (found.tests, found.rest_h) == (8, pytest.approx(8 / 3))
    assert (found.share, found.low, found.high) == (pytest.approx(0.2), pytest.approx(0.2), pytest.approx(0.2))
    assert (found.run_h, found.extra_kw) == (pytest.approx(8, abs=0.01), pytest.approx(20, rel=0.02))


def test_somebody_who_draws_air_in_fewer_than_half_of_the_tests_makes_no_leak() -> None:
    used = day_of_work(3, 60), [row for row in day_of_work(8, 5) if row.source_time_us >= window(3 * 3600, 3600 * 4).start_us]
    first = [row for row in used[0] if row.source_time_us < window(3 * 3600, 3600 * 4).start_us and not row.signal.endswith("energy")]
    counter = [row for row in day_of_work(8, 20) if row.signal.endswith("energy")]
    (found,), _ = leaks_of(hall("cnc-01"), block(first, [row for row in used[1] if not row.signal.endswith("energy")], counter), 8)
    assert found.tests == 8
    assert (found.share, found.low) == (pytest.approx(0.1), pytest.approx(0.1))  # states of ten seconds: 5 s of 100 are told as 10
    assert found.high == pytest.approx(0.6)


def test_nothing_is_tested_without_rest_that_is_known() -> None:
    work = day_of_work(4, 20)
    assert leaks_of(hall("cnc-01"), block(work), 8)[1] == [
        "air-01: 4 times of rest of ten minutes or more with known states; 5 are needed to test for leaks"]
    # Nobody knows what the second machine does, or there is no other: that is no rest.
    (doubt,) = leaks_of(hall("cnc-01", "cnc-02"), block(day_of_work(8, 20)), 8)[1]
    assert doubt == ("air-01: 0 times of rest of ten minutes or more with known states; 5 are needed to test for leaks; "
                     "their state is mostly unknown, so that nobody knows whether they rest: cnc-02")
    assert "air-01: 0 times of rest" in leaks_of(hall(), block(day_of_work(8, 20)), 8)[1][0]
    busy = rows("cnc-02/state", [(t, EXECUTING) for t in range(0, 28_800, 10)])
    assert leaks_of(hall("cnc-01", "cnc-02"), block(day_of_work(8, 20), busy), 8)[0] == []
    assert leaks_of(workshop(machine("cnc-01", signals=(STATE,))), block(work), 8) == ([], [])


def test_a_meter_that_does_not_follow_the_load_gives_no_advice() -> None:
    flat = [item for item in day_of_work(8, 20) if not item.signal.endswith("energy")]
    found, doubts = leaks_of(hall("cnc-01"), block(flat, rows("air-01/energy", [(t, t) for t in range(0, 28_800, 10)])), 8)
    assert found == []
    assert "do not say what loading costs" in doubts[0]


def advised(plant: Workshop, readings: Block, leaks: list[LeakTest], span: Window) -> list[Advice]:
    results = {name: compute(KNOWN[name], plant, readings, span) for name in ("energy_standby", "electricity_cost")}
    return [item for item in advise(results, [], plant, span, leaks=leaks) if item.kind == "mend-leaks"]


def test_the_advice_by_hand_and_silence_below_a_tenth() -> None:
    plant, span = hall("cnc-01"), window(0, 28_800)
    for seconds, some in ((20, True), (10, False), (5, False)):
        readings = block(day_of_work(8, seconds))
        leaks, _ = leaks_of(plant, readings, 8)
        found = advised(plant, readings, leaks, span)
        assert bool(found) is some, seconds
    (leak,) = leaks_of(plant, block(day_of_work(8, 20)), 8)[0]
    (item,) = advised(plant, block(day_of_work(8, 20)), [leak], span)
    assert item.kwh_year == pytest.approx((0.2 - ACCEPTED) * 20 * 8760, rel=0.02)
    assert item.money_year is None
    assert item.kwh_low <= item.kwh_year <= item.kwh_high
    assert "mending leaves 10%" in item.assumption
    assert "20%" in item.zh and "泄漏" in item.zh


def made(out: Path, seed: int, *faults: FaultPlan) -> tuple[Workshop, Block, list[tuple[Window, Workshop]], Window]:
    """Ten days of four machines as their histories tell them, and the last five of them as local days."""
    demo = load_settings(DEMO / "simulators.toml")
    names = ("cnc-01", "robot-01", "inspection-01", "compressor-01")
    chosen = [item for part in demo.blocks() for item in part.equipment if item.id in names]
    settings = msgspec.structs.replace(
        demo, server=[msgspec.structs.replace(demo.server[0], equipment=chosen)], broker=[], fault=list(faults))
    history(settings, days=DAYS, out=out, end_us=END_US, seed=seed, gauge_s=60, repeat_s=60, cycle_factor=60, faults_per_day=0.0, workers=1)
    register = past_register(parse_register((DEMO / "workshop.toml").read_text(encoding="utf-8"), "workshop.toml"))
    register = msgspec.structs.replace(register, equipment=tuple(item for item in register.equipment if item.id in names))
    blocks = []
    for file in sorted((out / "readings").glob("*/*.parquet")):
        for columns in columns_of(file, {}) or ():
            wanted = [n for n, name in enumerate(columns.block.signals) if name.endswith(("/item_state", "/energy_import"))]
            blocks.append(columns.block.take(np.flatnonzero(np.isin(columns.block.signal, wanted))))
    about = json.loads((out / "history.json").read_text())
    span = Window(about["start_us"] + DAYS // 2 * DAY_S * SECOND_US, about["end_us"])
    return register, concat(blocks), [(part, register) for _, part in local_days(register, span)], span


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_simulated_leak_is_found_with_its_size_and_a_tight_system_is_silent(seed: int, tmp_path: Path) -> None:
    shares = {}
    for name, faults in (("tight", ()), ("leaking", (FaultPlan("air_leak", "compressor-01", 0, DAYS * DAY_S, 1.5),))):
        register, readings, days, span = made(tmp_path / name, seed, *faults)

        def read(signals: list[str], part: Window, readings: Block = readings) -> Block:
            chosen = np.isin(readings.signal, [number for number, name in enumerate(readings.signals) if name in signals])
            return readings.take(np.flatnonzero(chosen & (readings.source_time_us >= part.start_us) & (readings.source_time_us < part.end_us)))

        leaks, doubts = leak_tests(days, read)
        assert doubts == []
        (leak,) = leaks
        assert leak.tests >= 15
        shares[name] = leak.share
        found = advised(register, readings, leaks, span)
        assert bool(found) is (name == "leaking"), leak
        if found:
            # Loaded 85 %, unloaded 25 % of 37 kW, times the machine's own factor of 0.96 to 1.04.
            assert 0.6 * 37 * 0.95 < leak.extra_kw < 0.6 * 37 * 1.05
            assert found[0].equipment == "compressor-01"
            assert found[0].money_year is not None and found[0].money_year > 0
    # Truth: the leak grows evenly from nothing to 1.5 · 15 % of the delivery in ten days, of which the last five are seen.
    assert shares["leaking"] - shares["tight"] == pytest.approx(0.75 * 1.5 * 0.15, abs=0.02)
    assert 0.02 <= shares["tight"] <= 0.055


def test_the_truth_of_a_history_holds_the_leak(tmp_path: Path) -> None:
    made(tmp_path / "h", 1, FaultPlan("air_leak", "compressor-01", 3600, 7200, 2.0))
    (entry,) = [json.loads(line) for line in (tmp_path / "h" / "truth" / "faults.jsonl").read_text().splitlines()]
    assert (entry["kind"], entry["severity"], entry["end_us"] - entry["start_us"]) == ("air_leak", 2.0, 7200 * SECOND_US)
