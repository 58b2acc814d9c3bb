"""`edge check` behind a broker: for JSON and Sparkplug, too, every failure has its cause and what to do."""

import asyncio
from pathlib import Path

import pytest

from edge.check import CheckRow, check
from edge.config import EdgeSettings
from tests.integration.mqtt_plant import MACHINES, MOSQUITTO, Broker, Devices, broker, devices, scans
from tests.integration.mqtt_plant import table as json_table
from tests.integration.test_edge_sparkplug import ROBOTS, register, simulated
from tests.integration.test_edge_sparkplug import table as sparkplug_table
from tests.integration.test_simulators import running
from tests.unit.edge.rig import now_us, register_of, settings_of

__all__ = ["broker", "devices"]
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


async def look(settings: EdgeSettings, patience_s: float = 2.0) -> dict[str, CheckRow]:
    rows = await check(settings, register_of(*MACHINES), now_us, patience_s=patience_s)
    return {row.signal: row for row in rows}


async def test_paths_kinds_topics_and_doors_of_json(broker: Broker, devices: Devices) -> None:
    text = json_table(broker.port, "").replace("#v.load", "#v.lode").replace("#st", "#prog")
    text = text.replace('program = "plant/{equipment}/state#prog"', 'program = "plant/{equipment}/program#prog"')
    looking = asyncio.create_task(look(settings_of(text)))
    while not looking.done():
        await scans(devices, 1)
        await asyncio.sleep(0.05)
    rows = await looking
    assert rows["cnc-01/parts"].quality == "good" and not rows["cnc-01/parts"].cause
    wrong = (("load", "missing", "after #"), ("state", "is no value for a state", "signal's kind"), ("program", "nothing came", "machine is on"))
    for name, cause, fix in wrong:
        row = rows[f"cnc-02/{name}"]
        assert row.value is None and cause in row.cause and fix in row.fix, row
    row = (await look(settings_of(json_table(9))))["cnc-01/load"]
    assert "refused" in row.cause.lower() and "host and port" in row.fix


@pytest.mark.parametrize("text", [json_table(0, ""), json_table(0)])
async def test_a_payload_that_nobody_can_read_is_the_cause_of_every_signal_in_it(broker: Broker, devices: Devices, text: str) -> None:
    """Numbered or not: where there are numbers, the loss is declared by the next one, and the cause is known all the same."""
    looking = asyncio.create_task(look(settings_of(text.replace("port = 0", f"port = {broker.port}"))))
    while not looking.done():
        devices.send("plant/cnc-01/state", b"not json")
        await asyncio.sleep(0.05)
    rows = await looking
    assert {name: "not JSON" in row.cause for name, row in rows.items()} == {
        f"{machine}/{name}": machine == "cnc-01" for machine in MACHINES for name in ("load", "parts", "program", "state")
    }


async def test_births_metrics_and_nodes_of_sparkplug(broker: Broker, tmp_path: Path) -> None:
    text = sparkplug_table(broker.port).replace('"*" =', 'alarm = "chejian/cell-2/{equipment}#Alarm/Nothing"\n"*" =')
    elsewhere = sparkplug_table(broker.port).replace('name = "robots"', 'name = "others"').replace("cell-2", "cell-9")
    async with running(simulated(broker.port, tmp_path / "state"), tmp_path / "truth"):
        rows = {row.signal: row for row in await check(settings_of(text), register(), now_us, patience_s=4)}
        lost = {row.signal: row for row in await check(settings_of(elsewhere), register(), now_us, patience_s=2)}
    assert not rows[f"{ROBOTS[0]}/power"].cause
    row = rows[f"{ROBOTS[1]}/alarm"]
    assert "the birth of 'robot-02' has no metric 'Alarm/Nothing'" in row.cause and "edge discover" in row.fix
    row = lost[f"{ROBOTS[0]}/power"]
    assert "cell-9 was not born yet" in row.cause and "edge discover" in row.fix
