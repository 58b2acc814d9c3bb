"""Simulated equipment over real TCP: what a client gets is exactly the truth."""

import asyncio
import contextlib
import json
import shutil
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from paho.mqtt.enums import CallbackAPIVersion

from simulators.clock import Clock
from simulators.mqtt_client import StoringClient
from simulators.run import run
from simulators.settings import Broker, Equipment, Link, Server, Settings
from simulators.truth import Truth, read_truth

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMESPACE = "urn:chejian:demo:cnc"
Row = tuple[str, str, int, type, object]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bits(value: object) -> object:
    return struct.pack("<d", value) if isinstance(value, float) else value


def rows(truth: Truth) -> list[Row]:
    return [(equipment, name, time_us, type(value), bits(value)) for equipment, name, time_us, value in truth.rows()]


def cnc_settings(port: int, *, machines: int = 3, link: Link | None = None) -> Settings:
    equipment = [Equipment(f"cnc-0{n}", "machining_centre", 19000, period_ms=100, ideal_cycle_ms=700) for n in range(1, machines + 1)]
    return Settings(seed=5, server=[Server("cell", f"opc.tcp://127.0.0.1:{port}/chejian/", "None", equipment, link=link)])


def robot_settings(port: int) -> Settings:
    robots = [Equipment(f"robot-0{n}", "robot", 4500, period_ms=50, ideal_cycle_ms=600) for n in range(1, 4)]
    others = [
        Equipment("inspection-01", "inspection_station", 1200, ideal_cycle_ms=150, scrap_probability=0.3),
        Equipment("compressor-01", "compressor", 37000, period_ms=100),
    ]
    return Settings(seed=5, broker=[Broker("broker", "127.0.0.1", port, robots + others)])


async def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 – the condition is a file or a list that another thread fills
            await asyncio.sleep(0.01)


class Running:
    """A run in the background that a test can pause and stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop, self.pause, self.ready = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def truth(self) -> Truth:
        return read_truth(sorted(self.folder.glob("truth-*.jsonl")))


@contextlib.asynccontextmanager
async def running(settings: Settings, folder: Path) -> AsyncIterator[Running]:
    here = Running(folder)
    task = asyncio.create_task(
        run(settings, clock=Clock(), truth_dir=folder, stop=here.stop, pause=here.pause, ready=lambda _name: here.ready.set())
    )
    ready = asyncio.create_task(here.ready.wait())
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield here
    finally:
        ready.cancel()
        here.stop.set()
        async with asyncio.timeout(3.0):
            await asyncio.gather(task, return_exceptions=True)
    task.result()


async def subscribe(client: Client, equipment: str, got: list[Row], publishing_ms: float) -> int:
    """Subscribe to every variable of one machine, found by browsing; returns how many there are."""
    index = await client.get_namespace_index(NAMESPACE)
    folder = client.get_node(ua.NodeId(equipment, index))
    nodes = [child.nodeid for child in await folder.get_children()]
    handles = dict(enumerate(nodes, start=1))

    def received(result: ua.PublishResult) -> None:
        for notification in result.NotificationMessage.NotificationData or []:
            # The client tells its own callbacks of a lost connection as a StatusChangeNotification.
            for item in notification.MonitoredItems if isinstance(notification, ua.DataChangeNotification) else []:
                value = item.Value
                owner, _, camel = handles[item.ClientHandle].Identifier.partition(".")
                name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in camel).lstrip("_")
                assert value.StatusCode.is_good()
                time_us = (value.SourceTimestamp - EPOCH) // timedelta(microseconds=1)
                got.append((owner, name, time_us, type(value.Value.Value), bits(value.Value.Value)))

    wanted = ua.CreateSubscriptionParameters(publishing_ms, 10_000, 100, 0, True, 0)
    subscription = await client.uaclient.create_subscription(wanted, received)
    requests = [
        ua.MonitoredItemCreateRequest(
            ua.ReadValueId(node, AttributeIds.Value), ua.MonitoringMode.Reporting,
            ua.MonitoringParameters(handle, 0.0, ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp), 100, True),
        )
        for handle, node in handles.items()
    ]
    results = await client.uaclient.create_monitored_items(
        ua.CreateMonitoredItemsParameters(subscription.SubscriptionId, ua.TimestampsToReturn.Both, requests)
    )
    assert all(result.StatusCode.is_good() for result in results)
    return len(nodes)


class Mosquitto:
    """A real broker that a test can end and start again; it keeps sessions on disk."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.port = port
        self._program = program
        self._config = folder / "mosquitto.conf"
        # As root it would become the user mosquitto, who may not write here.
        self._config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\nuser root\n")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(self._program, "-c", str(self._config), stderr=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    broker = Mosquitto(program, tmp_path, free_port())
    await broker.start()
    yield broker
    await broker.end()


async def test_opcua_client_gets_exactly_the_truth(tmp_path: Path) -> None:
    """Several subscriptions made while scanning goes on at 10 Hz, with several scans within one publishing interval."""
    port = free_port()
    got: list[Row] = []
    async with running(cnc_settings(port), tmp_path) as here, Client(f"opc.tcp://127.0.0.1:{port}/chejian/") as client:
        for number, publishing_ms in ((1, 50.0), (2, 250.0), (3, 500.0)):
            assert await subscribe(client, f"cnc-0{number}", got, publishing_ms) == 14
        await asyncio.sleep(2.5)
        here.pause.set()
        await eventually(lambda: any(event["event"] == "paused" for event in here.truth().events))
        expected = rows(here.truth())
        await eventually(lambda: len(got) >= len(expected))
        await asyncio.sleep(0.6)
    assert len(expected) > 3 * 14 * 20
    assert sorted(got, key=repr) == sorted(expected, key=repr)
    for number in (1, 2, 3):
        own = [row for row in got if row[:2] == (f"cnc-0{number}", "spindle_load")]
        assert own == sorted(own, key=lambda row: row[2])
    assert [event["event"] for event in here.truth().events].count("subscribed") == 3


async def test_link_cuts_and_truth_goes_on(tmp_path: Path) -> None:
    port = free_port()
    url = f"opc.tcp://127.0.0.1:{port}/chejian/"
    link = Link(period_s=2.0, down_s=0.7, first_s=1.0, jitter_s=0.0)
    got: list[Row] = []
    lost = asyncio.Event()

    async def tell(_error: Exception) -> None:
        lost.set()

    async with running(cnc_settings(port, machines=1, link=link), tmp_path) as here:

        def times(name: str) -> list[int]:
            return [event["t"] for event in here.truth().events if event["event"] == name]

        # Begin right after an outage.
        await eventually(lambda: len(times("link_up")) == 1)
        client = Client(url)
        client.connection_lost_callback = tell
        await client.connect()
        await subscribe(client, "cnc-01", got, 50.0)
        async with asyncio.timeout(4):
            await lost.wait()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await client.disconnect()
        await eventually(lambda: len(times("link_up")) == 2)
        async with Client(url) as again:
            await subscribe(again, "cnc-01", got, 50.0)
            await asyncio.sleep(0.3)
    expected = set(rows(here.truth()))
    assert set(got) <= expected
    # What was offered during the second outage is in the truth and did not arrive.
    down_us, up_us = times("link_down")[1], times("link_up")[1]
    missed = {row[2] for row in expected - set(got)}
    assert sum(down_us < time_us < up_us for time_us in missed) >= 5
    assert len(times("link_down")) == len(times("link_up"))


def values_of(topic: str, message: dict[str, Any]) -> list[Row]:
    """What a payload says, read as the documentation of the face describes it."""
    _, equipment, leaf = topic.split("/")
    part, count = message.get("part", {}), message.get("count", {})
    stamp = message["ts"]
    time_us = stamp if leaf == "meter" else stamp * 1000 if leaf == "state" else (datetime.fromisoformat(stamp) - EPOCH) // timedelta(microseconds=1)
    fields = {
        "state": {
            "item_state": "state", "operation_mode": "mode", "program": "prog", "cycle_count": "cycles", "motor_temperature": "tempMotor",
            "joint_speed": "vJoint", "gripper_closed": "grip", "power": "P", "energy_import": "E", "alarm": "alm",
        },
        "meter": {"item_state": "state", "pressure": "pBar", "oil_temperature": "tOil", "power": "P", "energy_import": "E"},
        "result": {"item_state": "state", "power": "P", "energy_import": "E"},
    }
    found = {name: message[field] for name, field in fields[leaf].items()}
    if leaf == "result":
        assert (part["result"] == "OK") == (part["code"] == "")
        found |= {"serial": part["sn"], "defect_code": part["code"], "diameter": part["d"]}
        found |= {"inspected_count": count["n"], "rejected_count": count["ng"]}
    return [(equipment, name, time_us, type(value), bits(value)) for name, value in found.items()]


async def test_a_message_handed_over_while_the_connection_breaks_is_delivered_and_confirmed(mosquitto: Mosquitto) -> None:
    """paho knows of the loss, we do not yet: it keeps the message and says that it could not publish."""
    client = StoringClient("early", "127.0.0.1", mosquitto.port, link_topic="early/link", changed=lambda *_: None)
    client.start()
    async with asyncio.timeout(20):
        await client.online.wait()
        client.send("early/data", b"before")
        client.cut()
        deadline = time.monotonic() + 10
        while client._client.socket() is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # noqa: ASYNC251 - the event loop must not run: it would hear of the loss
        assert client.online.is_set()
        client.send("early/data", b"in between")
        await asyncio.sleep(0.5)
        assert not client.online.is_set()
        await client.online.wait()
        client.send("early/data", b"after")
        await eventually(lambda: not client._left())
    assert await client.close() == 0


async def test_mqtt_subscriber_gets_exactly_the_truth_even_when_the_broker_restarts(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """seq has no hole and never goes back, though the broker is away for a while; duplicates are allowed by QoS 1."""
    messages: list[tuple[str, bytes]] = []
    links: list[tuple[str, bytes]] = []
    subscriber = paho.Client(CallbackAPIVersion.VERSION2, client_id="test", clean_session=False)
    subscriber.reconnect_delay_set(1, 1)
    subscriber.on_connect = lambda client, *_rest: client.subscribe("chejian/#", qos=1)
    subscriber.on_message = lambda _client, _data, message: (links if message.topic.endswith("/link") else messages).append(
        (message.topic, message.payload)
    )
    subscribed = asyncio.Event()
    loop = asyncio.get_running_loop()
    subscriber.on_subscribe = lambda *_rest: loop.call_soon_threadsafe(subscribed.set)
    subscriber.connect_async("127.0.0.1", mosquitto.port)
    subscriber.loop_start()
    await subscribed.wait()
    async with running(robot_settings(mosquitto.port), tmp_path / "truth") as here:
        await eventually(lambda: len(messages) > 40)
        await mosquitto.end()
        await eventually(lambda: sum(event["event"] == "disconnected" for event in here.truth().events) == 5)
        await mosquitto.start()
        before = len(messages)
        await eventually(lambda: len(messages) > before + 100)
    await eventually(lambda: sum(payload == b"offline" for _, payload in links) >= 5)
    await asyncio.to_thread(subscriber.disconnect)
    await asyncio.to_thread(subscriber.loop_stop)
    truth = here.truth()
    assert not [event for event in truth.events if event["event"] in ("dropped", "undelivered")]
    got = [(topic, json.loads(payload)) for topic, payload in dict.fromkeys(messages)]
    for topic in {topic for topic, _ in got}:
        assert [message["seq"] for owner, message in got if owner == topic] == list(range(sum(owner == topic for owner, _ in got)))
    assert len({message["boot"] for _, message in got}) == 1
    assert sorted((row for topic, message in got for row in values_of(topic, message)), key=repr) == sorted(rows(truth), key=repr)
    assert len({equipment for equipment, *_ in truth.rows()}) == 5
