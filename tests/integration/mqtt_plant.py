"""A mosquitto of the test's own, two machines that publish to it, and the edge's table that reads them."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.unit.edge.rig import now_us

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
# Started as root it would become another user, who cannot read a test's folder.
AS_ROOT = "user root\n" if os.getuid() == 0 else ""
MACHINES = ("cnc-01", "cnc-02")


class Broker:
    """A mosquitto of the test's own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {folder}/\n{AS_ROOT}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "mosquitto does not start"
                time.sleep(0.02)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)


class Devices:
    """Publishes numbered payloads of two machines and keeps what was emitted."""

    def __init__(self, port: int) -> None:
        self.emitted: dict[tuple[str, int], Any] = {}
        self.boot = now_us()
        self.seq = dict.fromkeys(MACHINES, -1)
        self._port = port
        self.client: Client | None = None

    def start(self) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, "devices")
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        for machine in MACHINES:
            self.link(machine, "online")

    def stop(self) -> None:
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()
            self.client = None

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        assert self.client is not None
        self.client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def link(self, machine: str, word: str) -> None:
        self.send(f"plant/{machine}/link", word.encode(), retain=True)

    def payload(self, machine: str, **more: Any) -> dict[str, Any]:
        self.seq[machine] += 1
        number = self.seq[machine]
        values = {"v": {"load": number / 7}, "n": number, "prog": f"P{number}", "st": number % 4}
        return {"ts": now_us(), "seq": number, "boot": self.boot, **values, **more}

    def keep(self, machine: str, payload: dict[str, Any]) -> None:
        for name, value in (("load", payload["v"]["load"]), ("parts", payload["n"]), ("program", payload["prog"]), ("state", payload["st"])):
            self.emitted[f"{machine}/{name}", payload["ts"]] = value

    def scan(self) -> None:
        for machine in MACHINES:
            payload = self.payload(machine)
            self.keep(machine, payload)
            self.send(f"plant/{machine}/state", json.dumps(payload).encode())


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def devices(broker: Broker) -> Iterator[Devices]:
    devices = Devices(broker.port)
    devices.start()
    yield devices
    devices.stop()


def table(port: int, payload: str = 'sequence = "seq"\nboot = "boot"\nboot_format = "us"') -> str:
    return f"""
[[source]]
name = "broker"
protocol = "mqtt"
host = "127.0.0.1"
port = {port}
keepalive_s = 1
equipment = [{{ id = "cnc-01", map = "robot" }}, {{ id = "cnc-02", map = "robot" }}]
[source.map.robot]
load = "plant/{{equipment}}/state#v.load"
parts = "plant/{{equipment}}/state#n"
program = "plant/{{equipment}}/state#prog"
state = "plant/{{equipment}}/state#st"
[source.payload.robot]
time = "ts"
time_format = "us"
link = "plant/{{equipment}}/link"
{payload}
"""


def edge_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "edge"
    folder.mkdir(exist_ok=True)
    return folder


async def scans(devices: Devices, count: int) -> None:
    for _ in range(count):
        await asyncio.to_thread(devices.scan)
