"""The history: same bytes whatever the processes, the improvement, wear and scrap, energy and parts, meters, faults and frauds in whole columns."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from simulators.errors import SimulatorError
from simulators.genealogy import live_genealogy, past_genealogy
from simulators.history import history
from simulators.past.plan import Improvement
from simulators.rehearsal import rehearse
from simulators.settings import Equipment, FaultPlan, FraudPlan, Server, Settings, load_settings
from simulators.truth import read_truth

DEMO = Path(__file__).parents[3] / "config" / "demo" / "simulators.toml"
END_US = 1_767_571_200_000_000
write = partial(history, end_us=END_US, workers=1)


def some(*names: str, **more: Any) -> Settings:
    """The demo's machines of these names only."""
    demo = load_settings(DEMO)
    server = msgspec.structs.replace(demo.server[0], equipment=[
        item for block in demo.blocks() for item in block.equipment if item.id in names])
    return msgspec.structs.replace(demo, server=[server], broker=[], **more)


def column(out: Path, equipment: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of one signal, over all days."""
    tables = [pq.read_table(path) for path in sorted((out / "readings").glob(f"*/{equipment}.parquet"))]
    times, values = [], []
    for table in tables:
        rows = table.filter(pc.equal(table["name"].cast("string"), name))
        field = next(key for key in ("value_f64", "value_i64", "value_text") if rows[key].null_count < len(rows))
        times.append(rows["source_time_us"].to_numpy())
        values.append(rows[field].to_numpy())
    return np.concatenate(times), np.concatenate(values)


def parts_of(out: Path, equipment: str) -> dict[str, np.ndarray]:
    tables = [pq.read_table(path) for path in sorted((out / "truth" / "parts").glob(f"*/{equipment}.parquet"))]
    return {key: np.concatenate([table[key].cast("string").to_numpy() if key in ("reason", "program", "lot") else table[key].to_numpy()
                                 for table in tables]) for key in tables[0].column_names}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of all machines and a main meter."""
    settings = load_settings(DEMO)
    main = Server("grid", "opc.tcp://127.0.0.1:4899/", "None", [Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000)])
    out = tmp_path_factory.mktemp("history")
    write(msgspec.structs.replace(settings, server=[*settings.server, main]), days=4, out=out / "h")
    return out / "h"


def test_same_bytes_in_one_process_and_in_two(tmp_path: Path) -> None:
    settings = some("cnc-01", "robot-01", "inspection-01", "compressor-01")
    counts = [write(settings, days=2, out=tmp_path / str(workers), workers=workers) for workers in (1, 2)]
    assert counts[0] == counts[1] > 800_000
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file())
    assert len(files) == 2 * 4 + 2 + 2 + 2
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes(), file
    write(settings, days=2, out=tmp_path / "other", seed=1)
    same, other = (column(tmp_path / name, "cnc-01", "spindle_vibration")[1] for name in ("1", "other"))
    # While the machine runs; one that stands shakes by a few steps of the converter only.
    windows = [
        {values[start:start + 20].tobytes() for start in range(8000) if len(set(values[start:start + 20].tolist())) > 7} for values in (same, other)]
    assert min(len(found) for found in windows) > 5000
    assert not windows[0] & windows[1]


def test_shape_of_the_files(demo: Path) -> None:
    about = json.loads((demo / "history.json").read_text())
    assert about["days"] == 4
    files = list((demo / "readings").glob("*/*.parquet"))
    assert len(files) == 4 * 13
    assert sum(pq.read_metadata(file).num_rows for file in files) == about["readings"]
    table = pq.read_table(demo / "readings" / about["first_day"] / "cnc-01.parquet")
    assert table.column_names == ["equipment", "name", "source_time_us", "value_f64", "value_i64", "value_text", "quality"]
    given = sum(pc.is_valid(table[key]).cast("int8").to_numpy() for key in ("value_f64", "value_i64", "value_text"))
    assert (given == 1).all()
    times = table["source_time_us"].to_numpy()
    assert times.min() == about["start_us"]
    assert times.max() < about["start_us"] + 86_400_000_000 + 10_000_000
    last = max(pq.read_table(file, columns=["source_time_us"])["source_time_us"].to_numpy().max() for file in files)
    assert last < about["end_us"], "what ends after the last midnight is no history"


def test_counters_reconcile_with_each_other_and_with_the_truth(demo: Path) -> None:
    ends = {name: column(demo, "cnc-02", name)[1] for name in ("part_count", "good_count", "scrap_count")}
    parts = parts_of(demo, "cnc-02")
    done = parts["end_us"] < json.loads((demo / "history.json").read_text())["end_us"]
    assert ends["part_count"][-1] == ends["good_count"][-1] + ends["scrap_count"][-1] == done.sum()
    assert parts["part"].tolist() == list(range(1, len(done) + 1)) and (~done).sum() <= 1, "at most the part in process at the end is not told"
    assert ends["good_count"][-1] == parts["good"][done].sum()
    assert ((parts["reason"] == "") == parts["good"]).all()
    assert (parts["start_us"][1:] >= parts["end_us"][:-1]).all()


def test_states_alternate_and_respect_the_calendar(demo: Path) -> None:
    times, states = column(demo, "cnc-03", "item_state")
    assert (np.diff(times) >= 0).all()
    noon = json.loads((demo / "history.json").read_text())["start_us"] + 12 * 3_600_000_000
    lunch = states[(times > noon + 10_000_000) & (times < noon + 39 * 60_000_000)]
    assert set(lunch.tolist()) <= {2}
    alarm_t, alarm = column(demo, "cnc-03", "alarm")
    blocked = set(times[states == 1].tolist())
    assert set(alarm_t[alarm != 0].tolist()) <= blocked


def test_wear_raises_scrap_over_its_quartiles(demo: Path) -> None:
    all_parts = [parts_of(demo, f"cnc-0{number}") for number in range(1, 6)]
    wear, good = (np.concatenate([parts[key] for parts in all_parts]) for key in ("wear", "good"))
    edges = np.quantile(wear, [0.25, 0.5, 0.75])
    rates = [1.0 - good[np.searchsorted(edges, wear) == quarter].mean() for quarter in range(4)]
    assert rates == sorted(rates)
    assert rates[3] > 1.5 * rates[0]


def test_energy_explains_parts_by_the_hour(demo: Path) -> None:
    about = json.loads((demo / "history.json").read_text())
    for equipment in ("cnc-01", "cnc-04", "lathe-01", "lathe-02"):
        times, energy = column(demo, equipment, "energy_import")
        hours = np.arange(about["improved_from_us"], about["end_us"] - 1, 3_600_000_000)
        # The counter may have been reset by a fault: only increases count.
        grown = np.concatenate([[0], np.cumsum(np.maximum(np.diff(energy), 0))])
        spent = np.diff(np.interp(hours, times, grown))
        made = np.diff(np.searchsorted(parts_of(demo, equipment)["end_us"], hours))
        design = np.stack([np.ones(len(made)), made], axis=1)
        weights = np.ones(len(made))
        for _ in range(20):
            root = np.sqrt(weights)
            fit = np.linalg.lstsq(design * root[:, None], spent * root, rcond=None)[0]
            away = spent - design @ fit
            weights = np.minimum(1.0, 1.345 * 1.4826 * np.median(np.abs(away)) / np.maximum(np.abs(away), 1e-9))
        assert 1.0 - (away**2).sum() / ((spent - spent.mean()) ** 2).sum() >= 0.95, equipment
        assert (fit > 0).all()


def test_sub_meters_never_exceed_the_main_meter(tmp_path: Path) -> None:
    settings = load_settings(DEMO)
    main = Server("grid", "opc.tcp://127.0.0.1:4899/", "None", [Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000)])
    write(msgspec.structs.replace(settings, server=[*settings.server, main]), days=1, out=tmp_path / "h", faults_per_day=0.0)
    grid, main_w = column(tmp_path / "h", "meter-01", "power")
    below = np.zeros(len(grid))
    for block in settings.blocks():
        for item in block.equipment:
            times, power = column(tmp_path / "h", item.id, "power")
            assert (times == grid).all()
            below += power
    assert (below <= main_w).all()
    counter = column(tmp_path / "h", "meter-01", "energy_import")[1]
    assert (np.diff(counter) < 0).sum() == 1


@pytest.mark.parametrize(("kind", "begins_wh"), [("counter_reset", 0), ("meter_exchange", 10_000_000)])
def test_a_main_meter_that_begins_anew_before_its_wrap_goes_on_over_it(kind: str, begins_wh: int, tmp_path: Path) -> None:
    grid = [*some("cnc-01").server[0].equipment, Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000)]
    plain = msgspec.structs.replace(some("cnc-01"), server=[Server("grid", "opc.tcp://127.0.0.1:4899/", "None", grid)])
    for name, fault in (("plain", []), (kind, [FaultPlan(kind, "meter-01", 900)])):
        write(msgspec.structs.replace(plain, fault=fault), days=1, out=tmp_path / name, faults_per_day=0.0, gauge_s=60)
    sound, anew = (column(tmp_path / name, "meter-01", "energy_import")[1] for name in ("plain", kind))
    assert (np.diff(sound) < 0).sum() == 1, "it wraps"
    assert anew.min() >= 0
    after = anew[anew < 900_000_000]
    assert after[0] == pytest.approx(begins_wh, abs=500)
    assert (np.diff(after) >= 0).all()
    assert after[-1] - after[0] == pytest.approx((np.diff(sound) % 1_000_000_000).sum(), rel=0.02)


def test_improvement_is_there(tmp_path: Path) -> None:
    """Defect rate -30 %, cycle -10 %, energy for each part -15 %: half before, half after."""
    settings = some("cnc-01")
    write(settings, days=6, out=tmp_path / "h", faults_per_day=0.0)
    since = json.loads((tmp_path / "h" / "history.json").read_text())["improved_from_us"]
    parts = parts_of(tmp_path / "h", "cnc-01")
    after = parts["start_us"] >= since
    rates = [1.0 - parts["good"][half].mean() for half in (~after, after)]
    assert rates[1] / rates[0] == pytest.approx(0.70, abs=0.08)
    cycles = [np.median(parts["end_us"][half] - parts["start_us"][half]) for half in (~after, after)]
    assert cycles[1] / cycles[0] == pytest.approx(0.90, abs=0.01)
    times, energy = column(tmp_path / "h", "cnc-01", "energy_import")
    middle = energy[np.searchsorted(times, since)]
    each = [(middle - energy[0]) / (~after).sum(), (energy[-1] - middle) / after.sum()]
    assert each[1] / each[0] == pytest.approx(0.85, abs=0.03)
    write(settings, days=2, out=tmp_path / "none", improvement=Improvement(after=0.0))
    unchanged = np.median(np.diff(parts_of(tmp_path / "none", "cnc-01")["start_us"]))
    assert unchanged == pytest.approx(np.median(np.diff(parts["start_us"][after])), rel=0.01)


def test_faults_and_frauds_show_and_stand_in_the_truth(tmp_path: Path) -> None:
    faults = [FaultPlan("spindle_overheating", "cnc-01", 40_000, 3600, 2.0), FaultPlan("sensor_stuck", "cnc-01", 50_000, 3600, 1.0, "spindle_load")]
    honest = some("cnc-01", "cnc-02")
    write(honest, days=2, out=tmp_path / "honest", faults_per_day=0.0)
    write(msgspec.structs.replace(honest, fault=faults), days=2, out=tmp_path / "faulty", faults_per_day=0.0)
    told = [json.loads(line) for line in (tmp_path / "faulty" / "truth" / "faults.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in told] == ["spindle_overheating", "sensor_stuck"]
    start_us = told[0]["start_us"]
    times, warm = column(tmp_path / "faulty", "cnc-01", "spindle_temperature")
    more = warm - column(tmp_path / "honest", "cnc-01", "spindle_temperature")[1]
    at = np.searchsorted(times, start_us)
    assert abs(more[:at]).max() == 0.0
    assert more[at + 1] < more[at + 5] < more[at + 40]
    assert more[at + 40] > 20.0
    times, load = column(tmp_path / "faulty", "cnc-01", "spindle_load")
    inside = (times >= told[1]["start_us"]) & (times < told[1]["end_us"])
    assert len(set(load[inside].tolist())) == 1
    day = 86_400.0
    for fraud in (FraudPlan("replayed_day", "cnc-01", day), FraudPlan("one_machine_as_two", "cnc-01", day, None, 1, "cnc-02"),
                  FraudPlan("inflated_part_counter", "cnc-01", day, None, 2), FraudPlan("dropped_bad_parts", "cnc-01", day, None, 3)):
        write(msgspec.structs.replace(honest, fraud=[fraud]), days=2, out=tmp_path / fraud.kind, faults_per_day=0.0)
    _, replayed = column(tmp_path / "replayed_day", "cnc-01", "spindle_vibration")
    assert (replayed[8640:] == replayed[:8640]).all()
    assert (column(tmp_path / "one_machine_as_two", "cnc-01", "power")[1][8640:] == column(tmp_path / "honest", "cnc-02", "power")[1][8640:]).all()
    for kind, name, share in (("inflated_part_counter", "part_count", 0.3), ("dropped_bad_parts", "scrap_count", -0.6)):
        true, lied = (column(tmp_path / where, "cnc-01", name) for where in ("honest", kind))
        grown = true[1][-1] - true[1][np.searchsorted(true[0], start_us - 40_000_000_000 + 86_400_000_000)]
        assert lied[1][-1] - true[1][-1] == pytest.approx(share * grown, abs=2)


def test_options(tmp_path: Path) -> None:
    settings = some("cnc-01")
    count = write(settings, days=1, out=tmp_path / "h", gauge_s=60, repeat_s=60, cycle_factor=60.0)
    assert 15_000 < count < 30_000
    times, _ = column(tmp_path / "h", "cnc-01", "item_state")
    assert np.diff(times).max() <= 60_000_000
    for wrong, words in (({"days": 0}, "0 days"), ({"gauge_s": 7.0}, "every 7.0 s"), ({"cycle_factor": 0.0}, "cycle factor"), ({}, "already")):
        with pytest.raises(SimulatorError, match=words):
            write(settings, out=tmp_path / "h", **{"days": 1, **wrong})


def test_detail_shows_coolant_and_tools_and_changes_nothing_else(tmp_path: Path) -> None:
    lossy = some("cnc-01", fault=[FaultPlan("coolant_loss", "cnc-01", 40_000, 3600, 1.0)])
    write(lossy, days=1, out=tmp_path / "plain", faults_per_day=0.0)
    write(lossy, days=1, out=tmp_path / "detail", faults_per_day=0.0, detail=True)
    for name in ("spindle_load", "energy_import", "item_state"):
        assert all((one == other).all() for one, other in zip(*(column(tmp_path / out, "cnc-01", name) for out in ("plain", "detail")), strict=True))
    times, flow = column(tmp_path / "detail", "cnc-01", "coolant_flow")
    at_us = json.loads((tmp_path / "detail" / "truth" / "faults.jsonl").read_text().splitlines()[0])
    lost = (times >= at_us["start_us"]) & (times < at_us["end_us"])
    assert flow[~lost & (flow > 0)].mean() == pytest.approx(24.0, abs=0.1)
    assert flow[lost & (flow > 0)].mean() == pytest.approx(12.0, abs=0.3)
    assert set(column(tmp_path / "detail", "cnc-01", "tool_number")[1].tolist()) == {1, 2, 3}
    wear = column(tmp_path / "detail", "cnc-01", "tool_wear")[1]
    assert wear.min() >= 0.0
    assert wear.max() <= 1.0
    with pytest.raises(StopIteration):
        column(tmp_path / "plain", "cnc-01", "coolant_flow")


def test_every_part_has_its_genealogy(demo: Path, tmp_path: Path) -> None:
    found = past_genealogy(demo, "lathe-01-000123")
    assert (found.equipment, found.order[:12]) == ("lathe-01", "WO-lathe-01-")
    assert len(found.steps) == 3
    assert found.start_us < found.steps[0].start_us < found.steps[-1].end_us < found.end_us
    assert found.good == (found.reason == "")
    with pytest.raises(SimulatorError, match="no such part"):
        past_genealogy(demo, "lathe-01-99999999")
    rehearse(load_settings(DEMO), start_us=END_US, seconds=20, out=tmp_path)
    events = read_truth([tmp_path / "truth-rehearsal.jsonl"]).events
    serial = next(event["serial"] for event in events if event["event"] == "part" and event["e"] == "cnc-01")
    live = live_genealogy(events, serial)
    assert [step.tool for step in live.steps] == [1, 2, 3]
    assert live.lot.startswith("LOT-")
