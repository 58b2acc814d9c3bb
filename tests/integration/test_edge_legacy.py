"""Modbus TCP, MTConnect and a folder of CSV files: what is stored is the truth, and every hole is declared."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pymodbus", reason="pymodbus is not installed: the extra [edge] brings it")

from edge.check import check
from simulators.settings import Device, Equipment, Kind, Settings
from tests.integration.test_simulators import Running, free_port, running
from tests.unit.edge.rig import Record, RunningEdge, bits, now_us, running_edge, settings_of, until
from workshop.reading import Quality
from workshop.register import Workshop
from workshop.register_file import parse_register

DEMO = Path(__file__).parents[2] / "config" / "demo" / "workshop.toml"
COMPRESSOR = """
[[source]]
name = "old"
protocol = "modbus"
host = "127.0.0.1"
port = {port}
period_ms = 20
equipment = [{{ id = "compressor-01", map = "compressor", parts = {{ unit = "1" }} }}]
[source.map.compressor]
item_state = "{{unit}}:input/0/u16"
pressure = "{{unit}}:input/1/i16 | /100"
oil_temperature = "{{unit}}:input/2/i16 | /10"
power = "{{unit}}:input/3/u32"
energy_import = "{{unit}}:holding/5/u64"
"""
LATHE = """
[[source]]
name = "old"
protocol = "mtconnect"
url = "http://127.0.0.1:{port}"
period_ms = 20
equipment = [{{ id = "lathe-01", map = "lathe" }}]
[source.map.lathe]
item_state = "id:{{equipment}}-execution | UNAVAILABLE=0 INTERRUPTED=1 READY=2 ACTIVE=3"
operation_mode = "id:{{equipment}}-mode | UNAVAILABLE=0 MAINTENANCE=1 SETUP=2 PRODUCTION=3"
program = "id:{{equipment}}-program"
spindle_load = "id:{{equipment}}-load"
spindle_speed = "id:{{equipment}}-speed"
spindle_temperature = "id:{{equipment}}-temperature"
spindle_vibration = "id:{{equipment}}-vibration"
feed_override = "id:{{equipment}}-override"
power = "id:{{equipment}}-power"
energy_import = "id:{{equipment}}-energy | /3600"
part_count = "id:{{equipment}}-parts"
good_count = "id:{{equipment}}-good"
scrap_count = "id:{{equipment}}-bad"
alarm = "id:{{equipment}}-system"
"""
FOLDER = """
[[source]]
name = "old"
protocol = "folder"
directory = {directory}
ready = "{ready}"
period_ms = 20
equipment = [{{ id = "lathe-01", map = "lathe" }}]
[source.map.lathe]
spindle_load = "column:Load %"
part_count = "column:Parts"
program = "column:Program"
[source.table.lathe]
file = "{{equipment}}-*.csv"
time = "Time"
time_format = "us"
"""


def register() -> Workshop:
    return parse_register(DEMO.read_text(), "workshop.toml")


def simulated(face: str, port: int, equipment: str, kind: Kind, period_ms: int = 50) -> Settings:
    return Settings(5, device=[Device("old", face, "127.0.0.1", port, [Equipment(equipment, kind, 15000, period_ms=period_ms, ideal_cycle_ms=700)])])  # type: ignore[arg-type]


def link_is(edge: RunningEdge, equipment: str, up: bool) -> bool:
    status = edge.status()
    return status is not None and status.links[equipment] is up


def folder_of(tmp_path: Path, name: str = "edge") -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


async def test_registers_that_are_read_are_scans_of_the_truth_and_an_outage_is_a_gap(tmp_path: Path) -> None:
    port = free_port()
    truth: dict[str, set[Any]] = {}
    async with running_edge(folder_of(tmp_path), settings_of(COMPRESSOR.format(port=port)), register()) as edge:
        for turn in range(2):
            async with running(simulated("modbus", port, "compressor-01", "compressor"), tmp_path / f"truth-{turn}") as here:
                before = edge.stored("old")
                await until(lambda: edge.stored("old") > before + 100, "rounds")  # noqa: B023 – called within the turn
                if turn:
                    rows = await check(edge.settings, register(), now_us)
            await until(lambda: link_is(edge, "compressor-01", False), "gone")
            for _, name, _, value in here.truth().rows():
                truth.setdefault(f"compressor-01/{name}", set()).add(bits(value))
    record = Record(folder_of(tmp_path))
    told = [reading for reading in record.readings if not reading.signal.endswith("link_state")]
    assert {reading.signal.partition("/")[2] for reading in told} == {"item_state", "pressure", "oil_temperature", "power", "energy_import"}
    assert not [reading for reading in told if bits(reading.value) not in truth[reading.signal]]
    assert any(reason == "connection lost" for _, _, _, reason in record.gaps)
    assert not any(record.in_gap(reading.signal, reading.source_time_us) for reading in told)
    assert len(rows) == 5 and not [row for row in rows if row.cause]


async def test_a_register_that_is_not_there_does_not_stop_the_others(tmp_path: Path) -> None:
    port = free_port()
    table = COMPRESSOR.format(port=port).replace("{unit}:input/3/u32", "{unit}:input/90/u32")
    machine = running(simulated("modbus", port, "compressor-01", "compressor"), tmp_path / "truth")
    async with machine, running_edge(folder_of(tmp_path), settings_of(table), register()) as edge:
        await until(lambda: edge.stored("old") > 100, "rounds")
        status = edge.status()
    assert status is not None
    assert status.sources["old"].problems == {"compressor-01/power": "1:input/90/u32: the unit has no such register"}


async def test_a_unit_that_is_silent_does_not_stop_the_others(tmp_path: Path) -> None:
    port = free_port()
    compressor, lathe = COMPRESSOR.format(port=port).split("[source.map")
    both = compressor.replace("equipment = [", 'timeout_s = 0.3\nequipment = [{ id = "lathe-01", map = "lathe", parts = { unit = "7" } }, ')
    table = f'{both}[source.map{lathe}\n[source.map.lathe]\npower = "{{unit}}:input/0/u16"\n'
    machine = running(simulated("modbus", port, "compressor-01", "compressor"), tmp_path / "truth")
    async with machine, running_edge(folder_of(tmp_path), settings_of(table), register()) as edge:
        await until(lambda: edge.stored("old") > 100, "rounds")
        status = edge.status()
        assert status is not None and status.links == {"lathe-01": False, "compressor-01": True}
        assert status.sources["old"].failures == 0 and set(status.sources["old"].problems) == {"lathe-01/power"}


async def test_observations_of_an_agent_come_once_also_over_kills_and_outages(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_of(LATHE.format(port=port))
    async with running(simulated("mtconnect", port, "lathe-01", "lathe"), tmp_path / "truth") as here:
        for _ in range(2):
            async with running_edge(folder_of(tmp_path), settings, register()) as edge:
                await until(lambda: edge.stored("old") > 100, "observations")
                await edge.kill()
        async with running_edge(folder_of(tmp_path), settings, register()) as edge:
            await until(lambda: edge.stored("old") > 100, "observations")
            rows = await check(settings, register(), now_us)
            here.pause.set()
            await until(lambda: any(event["event"] == "paused" for event in here.truth().events), "paused")
            count = len(here.truth())
            await until(lambda: reached(edge, here), f"all {count}")
            here.stop.set()
            await until(lambda: link_is(edge, "lathe-01", False), "gone")
    record = Record(folder_of(tmp_path))
    assert record.check(since_first_heard(here, record))["in_gaps"] == 0 and record.quarantined == 0
    assert {reason for _, _, _, reason in record.gaps} <= {"link down"}
    assert len(rows) == 14 and not [row for row in rows if row.cause]


def since_first_heard(here: Running, record: Record) -> dict[tuple[str, int], Any]:
    """The truth from the first contact on; before it nobody listened."""
    emitted = {(f"lathe-01/{name}", time_us): value for _, name, time_us, value in here.truth().rows()}
    first = {name: min(reading.source_time_us for reading in record.of(name)) for name in {name for name, _ in emitted}}
    return {(name, time_us): value for (name, time_us), value in emitted.items() if time_us >= first[name]}


def reached(edge: RunningEdge, here: Running) -> bool:
    """Whether the edge has asked beyond the last observation."""
    place = json.loads((edge.folder / "old.position.json").read_text())
    # An agent numbers from 1; AVAILABILITY is one observation that no signal shows.
    return bool(place[1] > len(here.truth()))


@pytest.mark.long
async def test_a_buffer_that_has_run_over_and_an_agent_that_began_anew_are_declared(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_of(LATHE.format(port=port))
    emitted: dict[tuple[str, int], Any] = {}
    edge_folder = folder_of(tmp_path)
    for turn in range(2):
        async with running(simulated("mtconnect", port, "lathe-01", "lathe", 5), tmp_path / f"truth-{turn}") as here:
            async with running_edge(edge_folder, settings, register()) as edge:
                await until(lambda: edge.stored("old") > 100, "observations")
                if turn == 0:
                    await edge.kill()
                    # As if it had been away for long: the agent keeps 8192 observations.
                    place = json.loads((edge_folder / "old.position.json").read_text())
                    await until(lambda: len(here.truth()) > place[1] + 8192 + 500, "more than the agent keeps", 60)  # noqa: B023
                else:
                    here.stop.set()
                    await until(lambda: link_is(edge, "lathe-01", False), "gone")
            if turn == 0:
                async with running_edge(edge_folder, settings, register()) as edge:
                    await until(lambda: edge.stored("old") > 100, "observations")
                    here.stop.set()
                    await until(lambda: link_is(edge, "lathe-01", False), "gone")
        emitted |= {(f"lathe-01/{name}", time_us): value for _, name, time_us, value in here.truth().rows()}
    record = Record(edge_folder)
    first = {name: min(reading.source_time_us for reading in record.of(name)) for name in {name for name, _ in emitted}}
    counted = record.check({(name, at): value for (name, at), value in emitted.items() if at >= first[name]})
    assert counted["in_gaps"] > 0


def csv_line(at_us: int, number: int) -> bytes:
    return f"{at_us},{number / 4},{number},O{number}\n".encode()


@pytest.mark.parametrize("ready", ["rename", pytest.param("marker", marks=pytest.mark.long), "growing"])
async def test_every_line_of_every_file_once(tmp_path: Path, ready: str) -> None:
    drop = folder_of(tmp_path, "drop")
    table = settings_of(FOLDER.format(directory=json.dumps(str(drop)), ready=ready))
    emitted: dict[tuple[str, int], Any] = {}

    def lines(count: int) -> bytes:
        out = b""
        for _ in range(count):
            number, at_us = len(emitted) // 3, now_us() + len(emitted)
            out += csv_line(at_us, number)
            for name, value in (("spindle_load", number / 4), ("part_count", number), ("program", f"O{number}")):
                emitted[f"lathe-01/{name}", at_us] = value
        return out

    def write(name: str, body: bytes) -> None:
        if ready == "rename":
            (drop / "unfinished").write_bytes(body)
            (drop / "unfinished").replace(drop / name)
        else:
            with (drop / name).open("ab") as file:
                file.write(body)
            if ready == "marker":
                (drop / f"{name}.done").touch()

    head = b"Time,Load %,Parts,Program\n"
    (drop / "lathe-02-1.csv").write_bytes(head + csv_line(now_us(), 9999))  # of another machine
    for turn in range(2):
        async with running_edge(folder_of(tmp_path), table, register()) as edge:
            await asyncio.to_thread(write, f"lathe-01-{turn}a.csv", head + lines(20))
            if ready == "growing":
                body = lines(2)
                await asyncio.to_thread(write, f"lathe-01-{turn}a.csv", body[:-5])
                await until(lambda: edge.stored("old") >= 60 + 3, "all but the line without an end")
                await asyncio.to_thread(write, f"lathe-01-{turn}a.csv", body[-5:])
            else:
                await asyncio.to_thread(write, f"lathe-01-{turn}b.csv", head + b"nonsense,1\n" + lines(2))
            await until(lambda: edge.stored("old") >= 66, "both files")
            await until(lambda: link_is(edge, "lathe-01", True), "heard")
            if turn == 0:
                await edge.kill()
    record = Record(folder_of(tmp_path))
    counted = record.check(emitted)
    assert counted["stored"] == len(emitted) and record.quarantined == (0 if ready == "growing" else 2)
    assert all(reading.quality is Quality.GOOD for reading in record.of("lathe-01/part_count"))
