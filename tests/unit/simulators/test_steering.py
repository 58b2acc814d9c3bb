"""The catalogue, the schedule from the settings, and faults that are started by command."""

from pathlib import Path

import msgspec
import pytest

from simulators.catalogue import FAULTS, FRAUDS, faces, fault_kind, machines
from simulators.control import FILE, Control, start_fault
from simulators.errors import SimulatorError
from simulators.incidents import build_schedule
from simulators.orders import new_order, write_orders
from simulators.programs import PROGRAMS
from simulators.schedule import Entry, Schedule
from simulators.settings import FaultPlan, FraudPlan, load_settings
from simulators.shifts import Calendar, Span, interruption_at, interruptions

DEMO = Path(__file__).parents[3] / "config" / "demo" / "simulators.toml"
START_US = 1_767_571_200_000_000
ISSUE_FAULTS = {
    "bearing_wear", "tool_breakage", "spindle_overheating", "coolant_loss", "axis_backlash", "sensor_stuck", "sensor_drift", "power_quality_event",
    "collision_stop", "gripper_leak", "link_down", "link_flapping", "clock_step", "clock_drift", "counter_reset", "value_out_of_range",
    "server_restart", "lost_connection", "mqtt_duplicate", "mqtt_out_of_order",
}


ASKED_FOR = {"air_leak", "meter_exchange"}
"""Beyond the issue's list: only where a test or a demonstration asks for them."""


def test_catalogue_lists_everything() -> None:
    assert {kind.name for kind in FAULTS} == ISSUE_FAULTS | ASKED_FOR
    assert {kind.name for kind in FAULTS if not kind.drawn} == ASKED_FOR
    assert len(FRAUDS) == 8
    assert all(kind.floor and kind.usual_s > 0 for kind in FAULTS)
    assert all(len(set(kind.strengths)) == 3 for kind in FRAUDS)
    assert "opcua" in faces()
    assert "robot" in machines()
    with pytest.raises(SimulatorError, match="no fault 'bearing_tear'; there are bearing_wear"):
        fault_kind("bearing_tear")


def test_command_reaches_the_run_that_has_the_machine(tmp_path: Path) -> None:
    start_fault(tmp_path, "coolant_loss", "cnc-01")
    run, other = Control(tmp_path, {"cnc-01"}), Control(tmp_path, {"cnc-09"})
    assert run.take(5) == []
    start_fault(tmp_path, "tool_breakage", "cnc-01", for_s=2.5, severity=2.0)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"kind": "coolant_loss", "equ')
    assert run.take(7) == [Entry("tool_breakage", "cnc-01", 7, 2_500_007, 2.0)]
    assert run.take(9) == []
    assert other.take(7) == []
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(SimulatorError, match="is no command"):
        run.take(11)
    assert Control(None, {"cnc-01"}).take(1) == []


@pytest.mark.parametrize("wrong", [{"severity": 0.5}, {"for_s": 0.0}, {"severity": float("nan")}])
def test_impossible_commands_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(SimulatorError, match="impossible"):
        start_fault(tmp_path, "coolant_loss", "cnc-01", **wrong)
    assert not (tmp_path / FILE).exists()


def test_schedule_from_settings_and_what_it_refuses() -> None:
    demo = load_settings(DEMO)
    plans = msgspec.structs.replace(demo, fault=[FaultPlan("link_down", "cnc-01", 10)], fraud=[FraudPlan("replayed_day", "cnc-02", 20, 5, 3)])
    schedule = build_schedule(plans, 1, 0)
    assert schedule.active("link_down", "cnc-01", 10_000_000) is not None
    assert schedule.severity("replayed_day", "cnc-02", 24_000_000) == 3.0
    assert schedule.severity("replayed_day", "cnc-02", 25_000_000) == 0.0
    assert [(owner, event.name, event.time_us) for owner, event in schedule.take_events(30_000_000)] == [
        ("cnc-01", "fault_started", 10_000_000), ("cnc-02", "fraud_started", 20_000_000), ("cnc-02", "fraud_ended", 25_000_000)]
    assert schedule.take_events(30_000_000) == []
    refused = ((FaultPlan("gripper_leak", "cnc-01", 1), "is a machining_centre"), (FaultPlan("link_down", "cnc-99", 1), "no equipment 'cnc-99'"))
    for wrong, words in refused:
        with pytest.raises(SimulatorError, match=words):
            build_schedule(msgspec.structs.replace(demo, fault=[wrong]), 1, 0)


def test_random_faults_come_from_the_seed_day_by_day() -> None:
    settings = msgspec.structs.replace(load_settings(DEMO), random_faults_per_day=2.0)
    short, long = build_schedule(settings, 3, 0, days=2), build_schedule(settings, 3, 0, days=4)
    assert set(short.entries()) <= set(long.entries())
    assert len(long.entries()) > 50
    assert all(entry.severity >= 1.0 and not entry.is_fraud for entry in long.entries())
    assert set(short.entries()) != set(build_schedule(settings, 4, 0, days=2).entries())


def test_random_faults_of_a_machine_begin_while_it_works() -> None:
    settings = msgspec.structs.replace(load_settings(DEMO), random_faults_per_day=8.0)
    calendar = Calendar(shifts=[Span("08:00", 240)], rest_days=[6])
    drawn, kept = build_schedule(settings, 3, 0, days=7), build_schedule(settings, 3, 0, days=7, calendar=calendar)
    machine = {kind.name for kind in FAULTS if kind.layer == "machine"}

    def resting(schedule: Schedule) -> int:
        return sum(entry.kind in machine and interruption_at(calendar, entry.equipment, entry.start_us) is not None for entry in schedule.entries())

    assert resting(drawn) > 100
    assert resting(kept) == 0
    assert len(kept.entries()) == len(drawn.entries())


def test_faults_last_longer_where_cycles_do() -> None:
    settings = msgspec.structs.replace(load_settings(DEMO), random_faults_per_day=2.0)
    usual, long = build_schedule(settings, 3, 0, days=2), build_schedule(settings, 3, 0, days=2, stretch=60.0)
    lasting = [entry.end_us - entry.start_us for entry in long.entries()]
    assert [60 * (entry.end_us - entry.start_us) for entry in usual.entries()] == pytest.approx(lasting, abs=60)


def test_clocks_that_go_wrong() -> None:
    schedule = Schedule([
        Entry("clock_drift", "a", 0, 100_000_000, 2.0), Entry("clock_step", "b", 10, 20, 1.0), Entry("back_dated_data", "c", 0, severity=2.0)])
    assert schedule.clock_offset_us("a", 50_000_000) == 20_000
    assert schedule.clock_offset_us("a", 900_000_000) == 40_000
    assert [schedule.clock_offset_us("b", time_us) for time_us in (9, 10, 20)] == [0, 30_000_000, 0]
    assert schedule.clock_offset_us("c", 5) == -8 * 3_600_000_000
    assert schedule.clock_offset_us("d", 5) == 0


def test_calendar_of_shifts_breaks_and_maintenance() -> None:
    calendar = Calendar(shifts=[Span("08:00", 480), Span("22:00", 300)], breaks=[Span("12:00", 30)], rest_days=[6], maintenance_minutes=0)
    # 2026-01-05 is a Monday; the night shift of Sunday is off.
    monday = 20_458
    found = [((item.start_us + 28_800_000_000) // 60_000_000 % 1440, (item.end_us + 28_800_000_000) // 60_000_000 % 1440, item.reason)
             for item in interruptions(calendar, "cnc-01", monday)]
    assert found == [(0, 480, "off_shift"), (720, 750, "break"), (960, 1320, "off_shift")]
    assert interruptions(calendar, "cnc-01", monday + 1)[0].start_us // 60_000_000 == ((monday + 1) * 1440 - 480 + 180)
    assert interruption_at(Calendar(breaks=[Span("12:00", 30)], maintenance_minutes=0), "x", START_US + 4 * 3_600_000_000) is not None
    serviced = [day for day in range(monday, monday + 14) if any(item.reason == "maintenance" for item in interruptions(Calendar(), "cnc-01", day))]
    assert len(serviced) == 2


def test_orders_as_a_mes_exports_them(tmp_path: Path) -> None:
    order = new_order("cnc-01", 7, PROGRAMS["lathe"][0], 15, START_US, 2_500_000)
    order.completed_us, order.good, order.scrap = START_US + 40_000_000, 14, 1
    write_orders(tmp_path / "orders.csv", [order])
    header, line = (tmp_path / "orders.csv").read_text().splitlines()
    assert header.startswith("order,equipment,program,part,material,lot,quantity,released,due")
    assert line == (
        "WO-cnc-01-000007,cnc-01,O2003,shaft,C45,LOT-C45-000001,15,2026-01-05T08:00:00,2026-01-05T09:00:00,2026-01-05T08:00:40,14,1")
