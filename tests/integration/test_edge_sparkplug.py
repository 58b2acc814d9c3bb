"""The Sparkplug source and the simulated edge node at a real broker: nothing lost, nothing twice, whatever goes away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.check import check
from simulators.link import Relay
from simulators.settings import EdgeNode, Equipment, Settings
from tests.integration.sparkplug_host import Host
from tests.integration.test_simulators import Mosquitto, Running, eventually, free_port, mosquitto, running
from tests.unit.edge.rig import Record, RunningEdge, now_us, running_edge, settings_of, until
from workshop.register import Workshop
from workshop.register_file import parse_register

__all__ = ["mosquitto"]
ROBOTS = ("robot-01", "robot-02")
NOTICED_US = 1_000_000
"""A node whose socket was closed knows it by then."""
DEMO = Path(__file__).parents[2] / "config" / "demo" / "workshop.toml"


def simulated(port: int, state: Path, **more: Any) -> Settings:
    robots = [Equipment(one, "robot", 4500, period_ms=20, ideal_cycle_ms=400, stop_every_s=2.0) for one in ROBOTS]
    return Settings(seed=5, edge_node=[EdgeNode("cell-2", "127.0.0.1", port, robots, state=str(state), **more)])


def table(port: int, **more: Any) -> str:
    options = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    equipment = ", ".join(f'{{ id = "{one}", map = "robot" }}' for one in ROBOTS)
    return f"""
[[source]]
name = "robots"
protocol = "sparkplug"
host = "127.0.0.1"
port = {port}
keepalive_s = 1
{options}equipment = [{equipment}]
[source.map.robot]
"*" = "chejian/cell-2/{{equipment}}#{{signal}}"
"""


def register() -> Workshop:
    return parse_register(DEMO.read_text(), "workshop.toml")


def emitted(here: Running, record: Record) -> dict[tuple[str, int], Any]:
    """What the node said since it was first heard: before that nobody knew of it."""
    first: dict[str, int] = {}
    for reading in record.readings:
        first[reading.signal] = min(first.get(reading.signal, reading.source_time_us), reading.source_time_us)
    told = {(f"{device}/{name}", time_us): value for device, name, time_us, value in here.truth().rows()}
    return {(signal, time_us): value for (signal, time_us), value in told.items() if time_us >= first[signal]}


def is_up(edge: RunningEdge, up: bool) -> bool:
    status = edge.status()
    return status is not None and all(status.links[one] is up for one in ROBOTS)


async def test_a_node_that_is_asked_for_rebirth_wraps_and_leaves(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    async with running_edge(tmp_path / "edge", settings_of(table(mosquitto.port)), register()) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        async with running(simulated(mosquitto.port, tmp_path / "state"), tmp_path / "truth") as here:
            await until(lambda: is_up(edge, True), "born")
            host = Host(mosquitto.port, "chejian", "cell-2", set(ROBOTS))
            topics: list[str] = []
            host.client.on_message = lambda _client, _data, message: topics.append(message.topic)
            host.client.loop_start()
            await eventually(host.client.is_connected)
            host.command_rebirth()
            await eventually(lambda: "spBv1.0/chejian/NBIRTH/cell-2" in topics)
            # The numbers go to 255 and begin anew.
            count = len(topics)
            await eventually(lambda: len(topics) > count + 260, 20)
            host.client.disconnect()
            await asyncio.to_thread(host.client.loop_stop)
        await until(lambda: is_up(edge, False), "dead")
        status = edge.status()
        assert status is not None and status.sources["robots"].problems["robot-01/power"].startswith("stale: edge node chejian/cell-2 died")
    record = Record(tmp_path / "edge")
    counted = record.check(emitted(here, record))
    assert counted["in_gaps"] == 0 and counted["stored"] > 256 and record.quarantined == 0


@pytest.mark.long
async def test_what_the_node_keeps_while_the_broker_is_away_fills_the_gap(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    port = free_port()
    relay = Relay(("127.0.0.1", port), ("127.0.0.1", mosquitto.port), owner="test")
    await relay.start()
    async with running_edge(tmp_path / "edge", settings_of(table(mosquitto.port)), register()) as edge:
        async with running(simulated(port, tmp_path / "state"), tmp_path / "truth") as here:
            await until(lambda: is_up(edge, True), "born")
            await until(lambda: edge.stored("robots") > 300, "readings")
            await mosquitto.end()
            relay.cut()
            cut_us = now_us()
            await until(lambda: is_up(edge, False), "broker lost")
            before = len(here.truth())
            await eventually(lambda: len(here.truth()) > before + 200 and now_us() > cut_us + 2 * NOTICED_US)
            await mosquitto.start()
            # The host has to be back before the node, or it would miss what was kept.
            await until(lambda: (status := edge.status()) and status.ready, "host back")
            relay.restore()
            await until(lambda: is_up(edge, True), "born again")
            later = edge.stored("robots")
            await until(lambda: edge.stored("robots") > later + 500, "what was kept and more")
        await until(lambda: is_up(edge, False), "dead")
    await relay.close()
    record = Record(tmp_path / "edge")
    told = emitted(here, record)
    record.check(told)
    # What the node handed over at QoS 0 before it saw the break nobody keeps; from then on it keeps everything.
    kept = [(signal, time_us) for signal, time_us in told if time_us >= cut_us + NOTICED_US]
    assert kept and not [key for key in kept if record.in_gap(*key)]
    assert any(reading.status == "Historical" for reading in record.readings)


@pytest.mark.long
async def test_a_killed_edge_declares_what_it_missed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    settings = settings_of(table(mosquitto.port))
    async with running(simulated(mosquitto.port, tmp_path / "state"), tmp_path / "truth") as here:
        for _ in range(2):
            async with running_edge(tmp_path / "edge", settings, register()) as edge:
                await until(lambda: is_up(edge, True), "born")
                await until(lambda: edge.stored("robots") > 200, "readings")
                await edge.kill()
        async with running_edge(tmp_path / "edge", settings, register()) as edge:
            await until(lambda: edge.stored("robots") > 200, "readings")
            rows = await check(settings, register(), now_us, patience_s=8)
            await until(lambda: edge.stored("robots") > 400, "more readings")
            status = edge.status()
            assert status is not None and status.sources["robots"].failures == 0, "a check does not disturb"
            here.stop.set()
            await until(lambda: is_up(edge, False), "dead")
    assert all(not row.cause for row in rows)
    record = Record(tmp_path / "edge")
    counted = record.check(emitted(here, record))
    assert counted["stored"] > 400


async def test_the_host_says_where_it_is(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    said: list[dict[str, Any]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="observer")
    client.on_message = lambda _client, _data, message: said.append(json.loads(message.payload) | {"retain": message.retain})
    client.connect("127.0.0.1", mosquitto.port)
    client.subscribe("spBv1.0/STATE/edge-1", 1)
    client.loop_start()
    try:
        async with running_edge(tmp_path / "edge", settings_of(table(mosquitto.port)), register()) as edge:
            await eventually(lambda: said and said[-1]["online"] is True)
            stamp = said[-1]["timestamp"]
            client.publish("spBv1.0/STATE/edge-1", json.dumps({"online": False, "timestamp": stamp}), 1, True)
            await eventually(lambda: len(said) >= 3 and said[-1]["online"] is True)
            assert said[-1]["timestamp"] == stamp
        await eventually(lambda: said[-1]["online"] is False and said[-1]["timestamp"] >= stamp)
        assert edge.task is not None and edge.task.done()
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


@pytest.mark.long
async def test_a_host_that_nodes_wait_for_is_their_primary_one(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    settings = settings_of(table(mosquitto.port, host_id="scada"))
    async with running(simulated(mosquitto.port, tmp_path / "state", primary_host="scada"), tmp_path / "truth") as here:
        for turn in range(2):
            async with running_edge(tmp_path / "edge", settings, register()) as edge:
                await until(lambda: is_up(edge, True), "born")
                await until(lambda: edge.stored("robots") > 200, "readings")
                if turn:
                    here.stop.set()
                    await until(lambda: is_up(edge, False), "dead")
    record = Record(tmp_path / "edge")
    counted = record.check(emitted(here, record))
    # What it kept between the two lives of the edge has come; what was on its way when the first one ended may be missing.
    assert counted["in_gaps"] < counted["stored"] / 10
