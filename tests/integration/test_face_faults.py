"""Faults that are the faces' to show: connections, a restart, wrong clocks, disorder."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from asyncua import ua
from asyncua.client.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from simulators.clock import Clock
from simulators.face import Stage
from simulators.faces import load_face
from simulators.machine import Values
from simulators.schedule import Entry, Schedule
from simulators.settings import Broker, Equipment, Server
from simulators.truth import TruthWriter
from tests.integration.test_face_opcua import Arm, Lathe
from tests.integration.test_simulators import Mosquitto, eventually, free_port, mosquitto

__all__ = ["mosquitto"]


class HandlingArm(Arm):
    def scan(self, now_us: int) -> Values:
        extra: Values = {"cycle_count": 1, "gripper_closed": 0, "power": 1.0, "energy_import": 1}
        return {**super().scan(now_us), **extra}


async def test_opcua_connections_break_and_a_restarted_server_comes_back(tmp_path: Path) -> None:
    url = f"opc.tcp://127.0.0.1:{free_port()}/chejian/"
    clock, schedule = Clock(), Schedule()
    lathe, truth = Lathe("lathe-01"), TruthWriter(None, "all")
    face = await load_face("opcua")(Server("cell", url, "None", [Equipment("lathe-01", "lathe", 15000)]), Stage([lathe], clock, truth, 1, schedule))

    async def lost(kind: str, seconds: float) -> None:
        gone = asyncio.Event()

        async def tell(_error: Exception) -> None:
            gone.set()

        client = Client(url)
        client.connection_lost_callback = tell
        await client.connect()
        now_us = clock()
        schedule.add(Entry(kind, "lathe-01", now_us, now_us + round(seconds * 1e6)))
        async with asyncio.timeout(5):
            await gone.wait()
        with contextlib.suppress(OSError):
            await client.disconnect()

    async def comes_back() -> None:
        async with asyncio.timeout(15):
            while True:
                try:
                    async with Client(url, timeout=1) as client:
                        assert await client.get_namespace_index("urn:chejian:demo:cnc") > 0
                    return
                except OSError:
                    await asyncio.sleep(0.05)

    for kind, seconds in (("lost_connection", 1.0), ("link_down", 0.5), ("server_restart", 0.5)):
        await lost(kind, seconds)
        await comes_back()
    now_us = clock()
    schedule.add(Entry("clock_step", "lathe-01", now_us, now_us + 3_600_000_000))
    await face.offer(lathe, clock())
    async with Client(url) as client:
        value = await client.get_node(ua.NodeId("lathe-01.Program", await client.get_namespace_index("urn:chejian:demo:cnc"))).read_data_value()
        assert 29.0 < value.SourceTimestamp.timestamp() - now_us / 1e6 < 40.0
    await face.close()
    truth.close()


async def test_mqtt_messages_come_twice_or_late(mosquitto: Mosquitto, tmp_path: Path) -> None:
    clock, schedule = Clock(), Schedule()
    got: list[int] = []
    loop, subscribed = asyncio.get_running_loop(), asyncio.Event()

    def told(_client: Any, _data: Any, message: Any) -> None:
        got.append(json.loads(message.payload)["seq"])

    subscriber = paho.Client(CallbackAPIVersion.VERSION2, client_id="test")
    subscriber.on_connect = lambda client, *_rest: client.subscribe("chejian/+/state", qos=1)
    subscriber.on_subscribe = lambda *_rest: loop.call_soon_threadsafe(subscribed.set)
    subscriber.on_message = told
    subscriber.connect_async("127.0.0.1", mosquitto.port)
    subscriber.loop_start()
    await subscribed.wait()
    arm, truth = HandlingArm("robot-01"), TruthWriter(None, "all")
    block = Broker("b", "127.0.0.1", mosquitto.port, [Equipment("robot-01", "robot", 4500)])
    face = await load_face("mqtt")(block, Stage([arm], clock, truth, 1, schedule))

    async def offer(count: int) -> None:
        for _ in range(count):
            await face.offer(arm, clock())

    await offer(5)
    start_us = clock()
    schedule.add(Entry("mqtt_duplicate", "robot-01", start_us, start_us + 3_600_000_000))
    await offer(5)
    schedule.add(Entry("mqtt_out_of_order", "robot-01", start_us, start_us + 3_600_000_000))
    await offer(6)
    await face.close()
    await eventually(lambda: len(got) >= 19)
    subscriber.disconnect()
    await asyncio.to_thread(subscriber.loop_stop)
    truth.close()
    assert got == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 11, 10, 10, 12, 13, 14, 15, 15]
