"""The Sparkplug edge node against a host written from the checklist, at a real broker."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulators.clock import Clock
from simulators.link import Relay
from simulators.run import run
from simulators.settings import EdgeNode, Equipment, Settings
from tests.integration.sparkplug_host import Host
from tests.integration.test_simulators import Mosquitto, bits, eventually, free_port, mosquitto, running

__all__ = ["mosquitto"]
ROBOTS = {"robot-01", "robot-02"}


def settings(port: int, state: Path, **more: Any) -> Settings:
    robots = [Equipment(one, "robot", 4500, period_ms=20, ideal_cycle_ms=400, stop_every_s=2.0) for one in sorted(ROBOTS)]
    return Settings(seed=5, edge_node=[EdgeNode("cell-2", "127.0.0.1", port, robots, state=str(state), **more)])


@pytest.fixture
async def host(mosquitto: Mosquitto) -> AsyncIterator[Host]:
    host = Host(mosquitto.port, "chejian", "cell-2", ROBOTS)
    host.client.loop_start()
    await eventually(host.client.is_connected)
    yield host
    host.client.disconnect()
    await asyncio.to_thread(host.client.loop_stop)


async def test_birth_data_death_rebirth_and_wrap_around(mosquitto: Mosquitto, host: Host, tmp_path: Path) -> None:
    async with running(settings(mosquitto.port, tmp_path / "state"), tmp_path / "truth") as here:
        await eventually(lambda: host.wraps >= 2, 20)
        assert host.online == {"cell-2", *ROBOTS}
        births = host.kinds.count("NBIRTH")
        host.command_rebirth()
        await eventually(lambda: host.kinds.count("NBIRTH") > births and host.kinds.count("DBIRTH") == 2 * host.kinds.count("NBIRTH"))
        assert len(set(host.bd_seqs)) == 1
        data = host.kinds.count("DDATA")
        await eventually(lambda: host.kinds.count("DDATA") > data + 10)
    await eventually(lambda: host.online == set())
    assert host.wrong == []
    assert host.deaths == [host.bd_seqs[-1]]
    got = {(device, name, time_us, bits(value)) for device, name, time_us, value, _ in host.rows}
    assert got == {(device, name, time_us, bits(value)) for device, name, time_us, value in here.truth().rows()}
    assert not any(historical for *_, historical in host.rows)


async def test_a_restart_of_the_process_is_a_new_connection(mosquitto: Mosquitto, host: Host, tmp_path: Path) -> None:
    for _ in range(2):
        async with running(settings(mosquitto.port, tmp_path / "state"), tmp_path / "truth"):
            await eventually(lambda: "DDATA" in host.kinds)
        await eventually(lambda: host.online == set())
        host.kinds.clear()
    assert (host.bd_seqs, host.deaths, host.wrong) == ([0, 1], [0, 1], [])


async def test_nothing_is_lost_when_the_broker_restarts(mosquitto: Mosquitto, host: Host, tmp_path: Path) -> None:
    port = free_port()
    relay = Relay(("127.0.0.1", port), ("127.0.0.1", mosquitto.port), owner="test")
    await relay.start()
    async with running(settings(port, tmp_path / "state"), tmp_path / "truth") as here:
        await eventually(lambda: len(host.rows) > 200)
        await mosquitto.end()
        await eventually(lambda: any(event["event"] == "disconnected" for event in here.truth().events))
        before = len(here.truth())
        await eventually(lambda: len(here.truth()) > before + 200)
        # The host has to be back before the node, or it would miss the birth.
        relay.cut()
        await mosquitto.start()
        await eventually(host.client.is_connected)
        relay.restore()
        await eventually(lambda: len(host.bd_seqs) == 2)
        later = len(host.rows)
        await eventually(lambda: len(host.rows) > later + 400)
    await eventually(lambda: host.online == set())
    await relay.close()
    assert host.wrong == []
    # Every CONNECT has its own number, also those that the link did not let through.
    assert host.bd_seqs[0] == 0 < host.bd_seqs[1]
    got = {(device, name, time_us, bits(value)) for device, name, time_us, value, _ in host.rows}
    assert got == {(device, name, time_us, bits(value)) for device, name, time_us, value in here.truth().rows()}
    assert any(historical for *_, historical in host.rows)


async def test_waits_for_its_primary_host(mosquitto: Mosquitto, tmp_path: Path) -> None:
    host = Host(mosquitto.port, "chejian", "cell-2", ROBOTS)
    async with running(settings(mosquitto.port, tmp_path / "state", primary_host="host"), tmp_path / "truth"):
        host.client.loop_start()
        await eventually(lambda: "DDATA" in host.kinds)
        host.client.publish("spBv1.0/STATE/host", b'{"online": false, "timestamp": 0}', qos=1)
        count = len(host.kinds)
        await eventually(lambda: len(host.kinds) > count + 5)
        assert host.deaths == []
        host.client.publish("spBv1.0/STATE/host", b'{"online": false, "timestamp": 2}', qos=1)
        await eventually(lambda: host.deaths == [0])
        count = len(host.kinds)
        host.client.publish("spBv1.0/STATE/host", b'{"online": true, "timestamp": 3}', qos=1, retain=True)
        await eventually(lambda: host.bd_seqs == [0, 1])
        assert host.kinds[count:].count("DDATA") <= host.kinds[host.kinds.index("NBIRTH", count) :].count("DDATA")
    host.client.disconnect()
    await asyncio.to_thread(host.client.loop_stop)
    assert host.wrong == []


async def test_no_broker_is_said(tmp_path: Path) -> None:
    stop, pause = asyncio.Event(), asyncio.Event()
    with pytest.raises(Exception, match="no MQTT broker lets us in"):
        await run(settings(1, tmp_path), clock=Clock(), truth_dir=None, stop=stop, pause=pause)
