"""What the truth alone must show: the same bytes every time, energy that explains parts, meters that add up, counters that reconcile."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from simulators.orders import orders_of
from simulators.rehearsal import rehearse
from simulators.settings import Equipment, FaultPlan, FraudPlan, Server, Settings, load_settings
from simulators.shifts import Calendar, Span
from simulators.truth import Truth, read_truth

ROOT = Path(__file__).parents[3]
START_US = 1_767_571_200_000_000
DEMO = ROOT / "config" / "demo" / "simulators.toml"


def one_server(*equipment: Equipment, **more: object) -> Settings:
    return msgspec.convert({"seed": 5, "server": [{
        "name": "cell", "url": "opc.tcp://127.0.0.1:4840/", "security": "None", "equipment": msgspec.to_builtins(equipment)}],
        **{key: msgspec.to_builtins(value) for key, value in more.items()}}, Settings)


def truth_of(settings: Settings, seconds: float, folder: Path) -> Truth:
    rehearse(settings, start_us=START_US, seconds=seconds, out=folder)
    return read_truth([folder / "truth-rehearsal.jsonl"])


def column(truth: Truth, equipment: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    rows = [(time_us, value) for owner, signal, time_us, value in truth.rows() if owner == equipment and signal == name]
    return np.array([time_us for time_us, _ in rows]), np.array([value for _, value in rows])


def events(truth: Truth, name: str, equipment: str) -> list[dict[str, object]]:
    return [event for event in truth.events if event["event"] == name and event["e"] == equipment]


CNC = Equipment(id="cnc-01", kind="machining_centre", rated_power_w=19000)


def test_truth_is_the_same_bytes_in_two_runs_and_two_processes(tmp_path: Path) -> None:
    settings = load_settings(DEMO)
    for name in ("one", "two"):
        rehearse(settings, start_us=START_US, seconds=90, out=tmp_path / name)
    code = (
        "from pathlib import Path; from simulators.rehearsal import rehearse; from simulators.settings import load_settings; "
        f"rehearse(load_settings(Path({str(DEMO)!r})), start_us={START_US}, seconds=90, out=Path({str(tmp_path / 'three')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PYTHONHASHSEED": "77"})
    first, *others = [(tmp_path / name / "truth-rehearsal.jsonl").read_bytes() for name in ("one", "two", "three")]
    assert all(first == other for other in others)
    rehearse(settings, start_us=START_US, seconds=90, out=tmp_path / "four", seed=1)
    assert (tmp_path / "four" / "truth-rehearsal.jsonl").read_bytes() != first


def test_no_noise_window_is_equal_between_machines_or_seeds(tmp_path: Path) -> None:
    """Twenty readings of a noisy gauge in a row are found once only, whatever the machine and the seed."""
    windows: set[bytes] = set()
    found = 0
    for seed in (1, 2):
        settings = msgspec.structs.replace(load_settings(DEMO), seed=seed)
        truth = truth_of(settings, 120, tmp_path / str(seed))
        for equipment in {owner for owner in truth.equipment if owner.startswith(("cnc", "lathe"))}:
            _, values = column(truth, equipment, "spindle_vibration")
            for start in range(len(values) - 20):
                windows.add(values[start:start + 20].tobytes())
                found += 1
    assert found > 1000
    assert len(windows) == found


def test_energy_explains_parts(tmp_path: Path) -> None:
    """E = P0 · T + e · N over windows of two minutes with breaks and stops in between; Huber weights, R² of at least 0.95."""
    breaks = [Span(f"08:{minute:02d}", 3) for minute in (7, 18, 26, 37, 48)]
    settings = one_server(CNC, msgspec.structs.replace(CNC, id="lathe-01", kind="lathe", rated_power_w=15000), calendar=Calendar(breaks=breaks))
    truth = truth_of(settings, 3600, tmp_path)
    for equipment in ("cnc-01", "lathe-01"):
        edges = START_US + np.arange(0, 3601, 120) * 1_000_000
        times, energy = column(truth, equipment, "energy_import")
        spent = np.diff(np.interp(edges, times, energy.astype(float)))
        _, parts = column(truth, equipment, "part_count")
        made = np.diff(np.interp(edges, times, parts.astype(float)))
        assert robust_r2(made, spent) >= 0.95


def robust_r2(made: np.ndarray, spent: np.ndarray) -> float:
    design = np.stack([np.ones(len(made)), made], axis=1)
    weights = np.ones(len(made))
    for _ in range(20):
        root = np.sqrt(weights)[:, None]
        fit = np.linalg.lstsq(design * root, spent * root[:, 0], rcond=None)[0]
        away = spent - design @ fit
        scale = 1.345 * 1.4826 * np.median(np.abs(away))
        weights = np.minimum(1.0, scale / np.maximum(np.abs(away), 1e-9))
    assert fit[0] > 0.0
    assert fit[1] > 0.0
    return float(1.0 - (away**2).sum() / ((spent - spent.mean()) ** 2).sum())


def test_sub_meters_never_exceed_the_main_meter(tmp_path: Path) -> None:
    demo = load_settings(DEMO)
    main = Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000)
    server = Server("grid", "opc.tcp://127.0.0.1:4899/", "None", [main])
    truth = truth_of(msgspec.structs.replace(demo, server=[*demo.server, server]), 600, tmp_path)
    last: dict[str, float] = {}
    compared = 0
    # Rows are in the order of the file: at the main meter's own stamp all sub-meters have been read.
    for equipment, name, _, value in truth.rows():
        if name != "power":
            continue
        if equipment == "meter-01":
            assert sum(last.values()) <= float(value)
            compared += len(last) == 12
        else:
            last[equipment] = float(value)
    assert compared > 590
    _, counter = column(truth, "meter-01", "energy_import")
    assert counter.max() < 1_000_000_000


def test_counters_reconcile_and_bad_parts_have_reasons(tmp_path: Path) -> None:
    truth = truth_of(one_server(CNC), 1800, tmp_path)
    _, total = column(truth, "cnc-01", "part_count")
    _, good = column(truth, "cnc-01", "good_count")
    _, bad = column(truth, "cnc-01", "scrap_count")
    assert (total == good + bad).all()
    parts = events(truth, "part", "cnc-01")
    assert sum(not part["good"] for part in parts) == bad[-1] - bad[0] > 0
    assert all((part["reason"] == "") == part["good"] for part in parts)
    # Genealogy: each part has its order, lot, and a start and end for each tool.
    for part in parts:
        steps = [[int(value) for value in step.split(":")] for step in str(part["steps"]).split(";")]
        assert len(steps) == 3
        assert all(start < end <= part["t"] for _, start, end in steps)
        assert str(part["order"]).startswith("WO-cnc-01-")
        assert str(part["lot"]).startswith("LOT-")
    assert events(truth, "tool_changed", "cnc-01")
    orders = orders_of(truth.events)
    done = [order for order in orders if order.completed_us]
    assert len(done) > 20
    assert all(order.good + order.scrap == order.quantity and order.released_us < order.completed_us for order in done)
    assert sum(order.good + order.scrap for order in done) <= len(parts)


def faulty(kind: str, *, equipment: Equipment = CNC, for_s: float = 300.0, signal: str = "") -> Settings:
    return one_server(equipment, fault=[FaultPlan(kind, equipment.id, 300.0, for_s, 1.0, signal)])


def part_of(times: np.ndarray, values: np.ndarray, from_s: float, to_s: float) -> np.ndarray:
    return values[(times >= START_US + from_s * 1e6) & (times < START_US + to_s * 1e6)].astype(float)


def test_overheating_shows_with_a_lag_of_the_time_constant(tmp_path: Path) -> None:
    clean = truth_of(one_server(CNC), 700, tmp_path / "clean")
    truth = truth_of(faulty("spindle_overheating"), 700, tmp_path / "faulty")
    (times, warm), (_, usual) = column(truth, "cnc-01", "spindle_temperature"), column(clean, "cnc-01", "spindle_temperature")
    more = warm - usual
    assert abs(part_of(times, more, 0, 300)).max() == 0.0
    at_once, after_tau = part_of(times, more, 300, 305).mean(), part_of(times, more, 358, 362).mean()
    assert at_once < 2.0
    assert after_tau == pytest.approx(12.0 * (1 - np.exp(-1)), rel=0.2)
    assert part_of(times, more, 590, 600).mean() > 10.0
    assert part_of(times, more, 601, 620).mean() > 6.0


def test_bearing_wear_reaches_its_floor_and_starts_unseen(tmp_path: Path) -> None:
    clean = truth_of(one_server(CNC), 600, tmp_path / "clean")
    truth = truth_of(faulty("bearing_wear"), 600, tmp_path / "faulty")
    (times, shake), (_, usual) = column(truth, "cnc-01", "spindle_vibration"), column(clean, "cnc-01", "spindle_vibration")
    turning = usual > 0.2
    ratio = shake[turning] / usual[turning]
    assert part_of(times[turning], ratio, 300, 330).mean() < 1.1
    assert part_of(times[turning], ratio, 585, 600).mean() > 1.0 + 0.8 * 0.75


@pytest.mark.parametrize(("kind", "alarm", "reason"), [("tool_breakage", 1021, "TOOL-BREAK"), ("collision_stop", 3107, "COLLISION")])
def test_stops_have_their_alarm_and_spoil_the_part(tmp_path: Path, kind: str, alarm: int, reason: str) -> None:
    truth = truth_of(faulty(kind, for_s=20.0), 400, tmp_path)
    times, shown = column(truth, "cnc-01", "alarm")
    assert (part_of(times, shown, 303, 319) == alarm).all()
    # The part that was being taken out just then may still be good.
    assert reason in [part["reason"] for part in events(truth, "part", "cnc-01") if part["t"] > START_US + 300e6][:2]
    told = {name: events(truth, name, "cnc-01")[0] for name in ("fault_started", "fault_ended")}
    assert told["fault_started"]["kind"] == kind
    assert (told["fault_started"]["start_us"], told["fault_started"]["end_us"]) == (START_US + 300_000_000, START_US + 320_000_000)
    assert told["fault_started"]["severity"] == 1.0


def test_sensor_faults(tmp_path: Path) -> None:
    def power(kind: str, signal: str = "power") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        truth = truth_of(faulty(kind, signal=signal), 700, tmp_path / kind)
        times, values = column(truth, "cnc-01", signal)
        return part_of(times, values, 290, 300), part_of(times, values, 300, 600), part_of(times, values, 600, 700)

    _, stuck, after = power("sensor_stuck")
    assert len(set(stuck)) == 1
    assert len(set(after)) > 10
    _, wild, _ = power("value_out_of_range")
    assert wild.min() > 1e6
    before, reset, after = power("counter_reset", "energy_import")
    assert reset[0] == 0 < reset[-1] < after[-1] < before[0]
    clean = truth_of(one_server(CNC), 700, tmp_path / "clean")
    _, drifted, _ = power("sensor_drift", "spindle_temperature")
    times, usual = column(clean, "cnc-01", "spindle_temperature")
    assert (drifted - part_of(times, usual, 300, 600))[-5:].mean() >= 3 * 0.06


def test_gripper_leak_stops_a_robot_and_shows_in_the_vacuum(tmp_path: Path) -> None:
    robot = Equipment(id="robot-01", kind="robot", rated_power_w=4500, ideal_cycle_ms=4000, stop_every_s=1e9)
    truth = truth_of(faulty("gripper_leak", equipment=robot, for_s=300), 700, tmp_path)
    stops = events(truth, "protective_stop", "robot-01")
    assert len(stops) > 3
    assert all(START_US + 300e6 <= int(str(stop["t"])) < START_US + 605e6 for stop in stops)


def test_protocol_faults_move_stamps_only(tmp_path: Path) -> None:
    truth = truth_of(faulty("clock_step", for_s=60), 500, tmp_path)
    times, _ = column(truth, "cnc-01", "power")
    assert np.diff(times).max() == 31_000_000
    assert np.diff(times).min() == -29_000_000


def fraud(kind: str, strength: int, signal: str = "", after_s: float = 300.0) -> Settings:
    return one_server(CNC, msgspec.structs.replace(CNC, id="cnc-02"), fraud=[FraudPlan(kind, "cnc-01", after_s, None, strength, signal)])


def test_frauds_do_what_they_say_and_stand_in_the_truth(tmp_path: Path) -> None:
    honest = truth_of(one_server(CNC, msgspec.structs.replace(CNC, id="cnc-02")), 1500, tmp_path / "honest")
    times, parts = column(honest, "cnc-01", "part_count")
    made = parts[-1] - part_of(times, parts, 300, 301)[0]
    for strength, share in ((1, 0.1), (2, 0.3), (3, 0.6)):
        truth = truth_of(fraud("inflated_part_counter", strength), 1500, tmp_path / f"inflated{strength}")
        assert column(truth, "cnc-01", "part_count")[1][-1] - parts[-1] == pytest.approx(share * made, abs=1)
        told = events(truth, "fraud_started", "cnc-01")[0]
        assert (told["kind"], told["severity"]) == ("inflated_part_counter", strength)
        truth = truth_of(fraud("dropped_bad_parts", strength), 1500, tmp_path / f"dropped{strength}")
        bad, total, good = (column(truth, "cnc-01", name)[1] for name in ("scrap_count", "part_count", "good_count"))
        assert (total == good + bad).all()
        assert np.diff(bad).min() >= 0
        assert bad[-1] <= column(honest, "cnc-01", "scrap_count")[1][-1]
    replayed = column(truth_of(fraud("replayed_day", 1), 600, tmp_path / "replay"), "cnc-01", "spindle_load")[1]
    assert replayed[300:590].tolist() == replayed[:290].tolist()
    constant = column(truth_of(fraud("constant_signal", 1), 600, tmp_path / "constant"), "cnc-01", "power")[1]
    assert len(set(constant[302:].tolist())) == 1
    twin = truth_of(fraud("one_machine_as_two", 1, "cnc-02"), 600, tmp_path / "twin")
    one, two = (column(twin, name, "spindle_vibration")[1] for name in ("cnc-01", "cnc-02"))
    assert (one[310:-1] == two[309:-2]).all()
    stopped = column(truth_of(fraud("stopped_outside_window", 1, after_s=0), 900, tmp_path / "stopped"), "cnc-01", "item_state")
    assert (part_of(*stopped, 5, 359) == 0).all()


def test_no_fraud_without_being_asked(tmp_path: Path) -> None:
    truth = truth_of(msgspec.structs.replace(load_settings(DEMO), random_faults_per_day=500.0), 300, tmp_path)
    assert any(event["event"] == "fault_started" for event in truth.events)
    assert not any("fraud" in event["event"] for event in truth.events)
