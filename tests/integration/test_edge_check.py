"""`edge check` says for every failure the cause and the fix; paths, members and units against a real server."""

import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.structures104 import new_struct, new_struct_field

from chejian.check_table import print_check
from chejian.commands.edge_status import lines
from edge.check import CheckRow, check
from edge.config import EdgeSettings
from tests.integration.test_discover import chejian
from tests.unit.edge.rig import EQUIPMENT, HEAD, NO_GATEWAY, REGISTER, Record, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import URI, Machines

pytestmark = pytest.mark.asyncio(loop_scope="module")
TWO_HOURS_US = 7_200_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machines() -> AsyncIterator[Machines]:
    machines = Machines()
    await machines.start()
    server, index = machines.server, machines.index
    await server.nodes.objects.add_variable(machines.node("axes"), "axes", [1.5, 2.5], ua.VariantType.Double)
    axis, _ = await new_struct(server, index, "TestAxis", [
        new_struct_field("Load", ua.VariantType.Double), new_struct_field("Name", ua.VariantType.String),
    ])
    await new_struct(server, index, "TestMachine", [new_struct_field("Axes", axis, array=True), new_struct_field("Parts", ua.VariantType.UInt32)])
    await server.load_data_type_definitions()
    value = ua.TestMachine(Axes=[ua.TestAxis(0.5, "X"), ua.TestAxis(7.5, "Y")], Parts=11)
    await server.nodes.objects.add_variable(machines.node("whole"), "whole", ua.Variant(value, ua.VariantType.ExtensionObject))
    load = server.get_node(machines.node("cnc-01.load"))
    kelvin = ua.EUInformation("u", int.from_bytes(b"KEL", "big"), ua.LocalizedText("K"), ua.LocalizedText("kelvin"))
    await load.add_property(ua.NodeId("cnc-01.load.unit", index), "0:EngineeringUnits", kelvin)
    await machines.scan()
    yield machines
    await server.stop()


def table(port: int, **addresses: str) -> EdgeSettings:
    mapped = "\n".join(f'{name} = "{address}"' for name, address in addresses.items())
    return settings_of(f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{port}/"
security = "None"
publishing_ms = 50
namespaces = {{ cell = "{URI}" }}
equipment = [{{ id = "cnc-01", map = "cnc" }}]
[source.map.cnc]
{mapped}
""")


async def look(settings: EdgeSettings, patience_s: float = 3.0) -> dict[str, CheckRow]:
    rows = await check(settings, register_of("cnc-01"), now_us, patience_s=patience_s)
    return {row.signal.partition("/")[2]: row for row in rows}


async def test_paths_members_and_plain_addresses_give_values(machines: Machines) -> None:
    rows = await look(table(
        machines.port, load=f"nsu={URI};s=whole#Axes[1].Load", parts=f"nsu={URI};s=whole#Parts", program="/Objects/cnc-01.program",
        state=f"nsu={URI};s=cnc-01.state",
    ))
    assert {name: (row.value, row.cause) for name, row in rows.items()} == {
        "load": (7.5, ""), "parts": (11, ""), "program": ("P0", ""), "state": (1, ""),
    }
    rows = await look(table(machines.port, load=f"nsu={URI};s=axes#[1]", parts="/Objects/whole#Parts"))
    assert (rows["load"].value, rows["parts"].value) == (2.5, 11)


@pytest.mark.parametrize(("address", "cause", "fix"), [
    (f"nsu={URI};s=gone", "BadNodeIdUnknown", "the machine has no such node"),
    ("/Objects/cell:gone", "BadNoMatch", "edge discover lists what there is"),
    ("nsu=urn:other;s=x", f"has no namespace 'urn:other'; it has .*{URI}", "correct the namespace"),
    ("/Objects/machinery:Machines", "has no namespace", "correct the namespace"),
    (f"nsu={URI};s=axes#[7]", r"has 2 elements, and no \[7\]", "after #"), (f"nsu={URI};s=whole#Speed", "there are Axes, Parts", "after #"),
    (f"nsu={URI};s=axes", "array of Double is neither number nor text", "which member"),
])
async def test_what_an_address_does_not_give(machines: Machines, address: str, cause: str, fix: str) -> None:
    row = (await look(table(machines.port, load=address), patience_s=0.6))["load"]
    assert row.value is None and row.quality == ""
    assert re.search(cause, row.cause) and fix in row.fix, row


async def test_a_clock_that_is_two_hours_off(machines: Machines) -> None:
    wrong = {"cnc-01.parts": now_us() - TWO_HOURS_US, "cnc-01.state": now_us() + TWO_HOURS_US + 3_000_000}
    for name, time_us in wrong.items():
        await machines.write(name, ua.Variant(4, ua.VariantType.Int64 if "parts" in name else ua.VariantType.Int32), time_us)
    node = f"nsu={URI};s=cnc-01."
    rows = await look(table(machines.port, parts=f"{node}parts", state=f"{node}state", program=f"{node}program"))
    assert rows["parts"].value == 4 and "2 h 0 min behind this computer's clock" in rows["parts"].cause
    assert "2 h 0 min ahead of" in rows["state"].cause and "time zone" in rows["state"].fix
    assert rows["program"].cause == ""
    await machines.scan()


async def test_units_values_and_doors_that_are_wrong(machines: Machines) -> None:
    rows = await look(table(machines.port, load=f"nsu={URI};s=cnc-01.load", program=f"nsu={URI};s=cnc-01.program"))
    assert "the server's unit is 'K', the register's '%'" in rows["load"].cause and "register revise" in rows["load"].fix
    assert any("anybody on this network" in warning for warning in rows["program"].warnings) and not rows["program"].cause
    await machines.write("cnc-01.program", None, now_us(), ua.StatusCodes.BadSensorFailure)
    row = (await look(table(machines.port, program=f"nsu={URI};s=cnc-01.program")))["program"]
    assert row.quality == "bad" and "BadSensorFailure" in row.cause and "sensor" in row.fix
    await machines.scan()
    row = (await look(table(9, program=f"nsu={URI};s=cnc-01.program")))["program"]
    assert "nothing listens at this port" in row.cause and "start the server" in row.fix
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        row = (await look(table(silent.getsockname()[1], program=f"nsu={URI};s=cnc-01.program"), patience_s=1.0))["program"]
    assert "nothing came within 1 s" in row.cause and "firewall" in row.fix


async def test_members_are_collected_like_anything_else_and_damaged_ones_go_to_quarantine(machines: Machines, tmp_path: Path) -> None:
    settings = table(machines.port, load=f"nsu={URI};s=axes#[1]", parts=f"nsu={URI};s=whole#Parts")
    async with running_edge(tmp_path, settings, register_of("cnc-01")) as edge:
        await until(lambda: edge.stored("cell") >= 2, "first values")
        base = now_us()
        shapes: list[list[float]] = [[1.0, 3.5], [1.0], [1.0, 4.5]]
        for number, value in enumerate(shapes):
            await machines.write("axes", ua.Variant(value, ua.VariantType.Double), base + number)
        await until(lambda: (status := edge.status()) and status.refused == 1 and edge.stored("cell") >= 4, "all of it")
        status = edge.status()
    assert status is not None
    assert [name for name, text in lines(status) if "anybody on this network" in text] == ["warning 注意"], "no security is said in every status"
    record = Record(tmp_path)
    found = {reading.source_time_us - base: reading.value for reading in record.of("cnc-01/load")}
    assert found[0] == 3.5 and found[2] == 4.5 and 1 not in found
    assert record.quarantined == 1 and record.in_gap("cnc-01/load", base + 1)


async def test_the_command_prints_cause_and_fix_and_json(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "workshop.toml").write_text(REGISTER + EQUIPMENT.replace("{id}", "cnc-01"))
    text = HEAD.replace("{gateway}", NO_GATEWAY).replace("{drain_s}", "0")
    source = f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{machines.port}/"
security = "None"
equipment = [{{ id = "cnc-01", map = "cnc" }}]
[source.map.cnc]
program = "nsu={URI};s=cnc-01.program"
parts = "nsu={URI};s=gone"
"""
    (tmp_path / "edge.toml").write_text(text + source)
    code, out, err = await chejian("edge", "check", "edge.toml", "--json", "--patience-s", "3", folder=tmp_path)
    assert code == 3 and "cnc-01/parts: BadNodeIdUnknown" in err
    rows = msgspec.json.decode(out, type=list[CheckRow])
    assert {row.signal: bool(row.fix) for row in rows} == {"cnc-01/program": False, "cnc-01/parts": True}
    print_check(rows)
    printed = " ".join(capsys.readouterr().out.split())
    assert "fix 处理: the machine has no such node" in printed and "warning 注意: security" in printed
