"""Machines: counters reconcile, energy agrees with power, states are valid, a bearing wears, and the seed decides everything."""

import math
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from simulators.kinds import build_machine
from simulators.machine import Machine, Values
from simulators.schedule import Entry, Schedule
from simulators.settings import Equipment, Faults, Kind, load_settings
from simulators.shifts import Calendar, Span

DEMO = Path(__file__).parents[3] / "config" / "demo"
START_US = 1_767_571_200_000_000
KINDS: tuple[Kind, ...] = ("machining_centre", "lathe", "robot", "inspection_station", "compressor")


def equipment(kind: Kind, faults: Faults | None = None) -> Equipment:
    return Equipment(id=f"{kind.replace('_', '-')}-01", kind=kind, rated_power_w=15000, faults=faults)


def scans(machine: Machine, seconds: float, jitter_us: int = 137) -> Iterator[tuple[int, Values]]:
    """Scan whenever the machine wants to be, a little late as a real loop is."""
    now_us = START_US
    while now_us < START_US + seconds * 1e6:
        yield now_us, machine.scan(now_us)
        now_us = machine.due_us + jitter_us


def demo_machines(seed: int) -> list[Machine]:
    settings = load_settings(DEMO / "simulators.toml")
    return [build_machine(item, seed) for block in [*settings.server, *settings.broker] for item in block.equipment]


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_and_stamps_give_the_same_values_and_events(kind: Kind) -> None:
    one, other = (build_machine(equipment(kind), 7) for _ in range(2))
    assert list(scans(one, 120)) == list(scans(other, 120))
    assert one.take_events() == other.take_events()


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_other_values(kind: Kind) -> None:
    assert list(scans(build_machine(equipment(kind), 7), 60)) != list(scans(build_machine(equipment(kind), 8), 60))


def test_behaviour_does_not_depend_on_how_often_somebody_looks() -> None:
    seldom, often = build_machine(equipment("lathe"), 7), build_machine(equipment("lathe"), 7)
    for second in range(0, 121, 5):
        expected = seldom.scan(START_US + second * 1_000_000)
    for tenth in range(1201):
        values = often.scan(START_US + tenth * 100_000)
    for name in ("part_count", "scrap_count", "item_state", "operation_mode", "program", "energy_import", "alarm", "feed_override"):
        assert values[name] == expected[name]


def test_two_machines_of_a_kind_differ() -> None:
    first, second, *_ = demo_machines(1)
    assert [values for _, values in scans(first, 30)] != [values for _, values in scans(second, 30)]


@pytest.mark.parametrize("machine", demo_machines(3), ids=lambda machine: machine.equipment)
def test_every_scan_is_sound(machine: Machine) -> None:
    """Same names and types at every scan, finite floats, states that exist, counters that reconcile and never go back."""
    counters = ("energy_import", "part_count", "good_count", "scrap_count", "cycle_count", "inspected_count", "rejected_count")
    shape: list[tuple[str, type]] = []
    before: Values = {}
    for _, values in scans(machine, 300):
        shape = shape or [(name, type(value)) for name, value in values.items()]
        assert [(name, type(value)) for name, value in values.items()] == shape
        assert all(math.isfinite(value) for value in values.values() if isinstance(value, float))
        assert values["item_state"] in (0, 1, 2, 3)
        assert values.get("operation_mode", 3) in (0, 1, 2, 3)
        if "part_count" in values:
            assert values["part_count"] == int(values["good_count"]) + int(values["scrap_count"])
        if "alarm" in values:
            assert (values["alarm"] != 0) == (values["item_state"] == 1)
        for name in counters:
            assert int(values.get(name, 0)) >= int(before.get(name, 0))
        before = values


@pytest.mark.parametrize("kind", KINDS)
def test_energy_counter_agrees_with_power(kind: Kind) -> None:
    """Power is the mean since the last scan, so that its sum is the counter's growth up to the resolution of both."""
    readings = list(scans(build_machine(equipment(kind), 5), 600))
    watt_us = sum(float(values["power"]) * (now - past) for (past, _), (now, values) in pairwise(readings))
    counted = int(readings[-1][1]["energy_import"]) - int(readings[0][1]["energy_import"])
    assert counted > 0
    assert abs(watt_us / 3.6e9 - counted) < 1.0 + 5.0 * 600 / 3600


def test_demo_makes_more_than_120_parts_a_minute_at_any_seed() -> None:
    for seed in range(10):
        made = 0
        for machine in demo_machines(seed)[:7]:
            counts = [int(values["part_count"]) for _, values in scans(machine, 60)]
            made += counts[-1] - counts[0]
        assert 120 < made < 165


def test_cycle_is_2_to_15_percent_longer_than_ideal() -> None:
    machine = build_machine(Equipment(id="cnc-09", kind="machining_centre", rated_power_w=15000, stop_every_s=1e9), 11)
    for _ in scans(machine, 200):
        pass
    times = [event.time_us for event in machine.take_events() if event.name == "part"]
    cycles = [later - earlier for earlier, later in pairwise(times)]
    # A program change adds its set-up of 1.2 s to one cycle in a dozen or more.
    plain = [cycle for cycle in cycles if cycle < 2_500_000 * 1.2]
    assert len(plain) >= 0.85 * len(cycles)
    assert all(1.02 <= cycle / 2_500_000 <= 1.15 for cycle in plain)


def test_worn_bearing_shows_in_vibration_and_temperature_and_a_sound_one_does_not() -> None:
    def measured(faults: Faults | None) -> dict[str, float]:
        machine = build_machine(equipment("lathe", faults), 2)
        readings = [(now - START_US, values) for now, values in scans(machine, 60)]
        turning = [(at, float(values["spindle_vibration"])) for at, values in readings if values["spindle_speed"] != 0.0]
        early = [value for at, value in turning if at < 20e6]
        late = [value for at, value in turning if at > 35e6]
        warmer = float(readings[-1][1]["spindle_temperature"]) - float(readings[0][1]["spindle_temperature"])
        return {"ratio": (sum(late) / len(late)) / (sum(early) / len(early)), "warmer": warmer, "events": len(machine.take_events())}

    worn, sound = measured(Faults(wear_after_s=22, wear_growth_s=10)), measured(None)
    assert worn["ratio"] > 2.5
    assert sound["ratio"] < 1.2
    assert worn["warmer"] > sound["warmer"] + 5


def test_wear_is_told_as_events() -> None:
    machine = build_machine(equipment("lathe", Faults(wear_after_s=5, wear_growth_s=5)), 2)
    for _ in scans(machine, 30):
        pass
    events = [event for event in machine.take_events() if event.name.startswith("wear")]
    assert [event.name for event in events] == ["wear_started"] + ["wear"] * 5
    assert events[0].time_us == START_US + 5_000_000
    assert machine.take_events() == []


def test_parts_told_are_parts_counted() -> None:
    for kind in ("lathe", "inspection_station"):
        machine = build_machine(equipment(kind), 4)
        readings = [values for _, values in scans(machine, 300)]
        told = [bool(event.details["good"]) for event in machine.take_events() if event.name == "part"]
        total, bad = ("part_count", "scrap_count") if kind == "lathe" else ("inspected_count", "rejected_count")
        # The station's first scan is a part already.
        first = 0 if kind == "lathe" else 1
        assert int(readings[-1][total]) - int(readings[0][total]) == len(told) - first
        assert int(readings[-1][bad]) - int(readings[0][bad]) == told[first:].count(False)


def test_a_station_told_so_writes_a_picture_of_every_part(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    machine = build_machine(msgspec.structs.replace(equipment("inspection_station"), images=str(folder)), 4)
    serials = {f"{values['serial']}.png" for _, values in scans(machine, 60)}
    assert len(serials) > 10
    assert {file.name for file in folder.iterdir()} == serials
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in folder.iterdir())


def test_late_scans_are_left_out_and_not_made_up_for() -> None:
    machine = build_machine(equipment("robot"), 1)
    machine.scan(START_US)
    machine.scan(START_US + 10_500_000)
    assert machine.due_us == START_US + 11_500_000


def test_names_are_those_of_the_register() -> None:
    """The register is read as plain TOML: these tests share no code with the line."""
    register = tomllib.loads((DEMO / "workshop.toml").read_text(encoding="utf-8"))
    by_id = {item["id"]: item for item in register["equipment"]}
    kinds = {"text": str, "gauge": float, "counter": int, "state": int}
    machines = demo_machines(1)
    assert {machine.equipment for machine in machines} == set(by_id) - {"press-01"}
    for machine in machines:
        item = by_id[machine.equipment]
        told = [*register["signal_sets"][item["signal_set"]], *item.get("signals", ())]
        signals = {s["name"]: s for s in told if s.get("origin", "machine") == "machine"}
        values = machine.scan(START_US)
        assert set(values) == set(signals)
        assert item["equipment_class"] == machine.kind
        for name, signal in signals.items():
            assert machine.units.get(name) == signal.get("unit")
            assert type(values[name]) is kinds.get(signal["kind"], str)


def test_ideal_cycles_and_rated_power_are_those_of_the_register() -> None:
    register = tomllib.loads((DEMO / "workshop.toml").read_text(encoding="utf-8"))
    by_id = {item["id"]: item for item in register["equipment"]}
    settings = load_settings(DEMO / "simulators.toml")
    for block in [*settings.server, *settings.broker]:
        for item in block.equipment:
            assert item.rated_power_w == by_id[item.id]["rated_power_w"]
            if "ideal_cycle_ms" in by_id[item.id]:
                assert item.ideal_cycle_ms == by_id[item.id]["ideal_cycle_ms"]


def test_a_leak_loads_the_compressor_more_the_more_it_grows_and_breaks_rest_a_tight_one() -> None:
    hours, item = 8, equipment("compressor")
    end_us = START_US + hours * 3_600_000_000
    calendar = Calendar(shifts=[Span("00:00", 1440)], breaks=[], maintenance_minutes=0)

    def shares(severity: float, rest: Calendar | None = None) -> list[float]:
        leak = [Entry("air_leak", item.id, START_US, end_us, severity)] if severity else []
        machine = build_machine(item, 7, Schedule(leak), rest or calendar)
        loaded = [(now, values["item_state"] == 3) for now, values in scans(machine, hours * 3600)]
        return [sum(on for now, on in loaded if first <= now - START_US < first + 7_200_000_000) / sum(
            first <= now - START_US < first + 7_200_000_000 for now, _ in loaded) for first in range(0, hours * 3_600_000_000, 7_200_000_000)]

    sound, leaking = shares(0), shares(2)
    more = [one - other for one, other in zip(leaking, sound, strict=True)]
    # 2 · 15 % of the delivery at the end, growing evenly: in quarters 0.125, 0.375, 0.625, 0.875 of it.
    assert more == pytest.approx([0.3 * share for share in (0.125, 0.375, 0.625, 0.875)], abs=0.02)
    off = Calendar(shifts=[], maintenance_minutes=0)
    assert all(0.01 < share < 0.06 for share in shares(0, off)[1:])
    assert shares(2, off)[3] == pytest.approx(shares(0, off)[3] + 0.3 * 0.875, abs=0.02)
    assert max(shares(100)) <= 0.96
