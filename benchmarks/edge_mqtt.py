"""The edge at a broker: JSON of 200 bytes from mosquitto, through the MQTT source, to signed batches in the journal, in one process on one core.

    python -m benchmarks.edge_mqtt [--seconds 30] [--qos0 20000] [--qos1 8000] [--version 3.1.1]

A publisher on a raw socket, mosquitto and the edge are processes of their own; the edge is held to one core where the system can do that. Every
message has a number: what is missing in the journal and was not dropped by the broker (its own counter, QoS 0 only) is lost. There is no gateway.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks import mqtt_wire
from edge import agent
from edge.config import load_edge
from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import ClockState, Provenance, decode_header
from workshop.part import decode_part
from workshop.register_file import parse_register

MACHINES = 10
_HEAD = """
processes = [{ id = "milling", title_zh = "铣削", title_en = "Milling" }]
workshop = { id = "w", title_zh = "车间", title_en = "Workshop", enterprise = "e", site = "s", area = "a", time_zone = "Asia/Shanghai" }
[signal_sets]
cnc = [
  { name = "load", role = "spindle_load", kind = "gauge", unit = "%" },
  { name = "power", role = "active_power", kind = "gauge", unit = "W" },
  { name = "vibration", role = "spindle_vibration", kind = "gauge", unit = "mm/s" },
  { name = "parts", role = "produced_count", kind = "counter" },
  { name = "state", role = "item_state", kind = "state" },
  { name = "program", role = "program", kind = "text" },
]
"""
_MACHINE = """
[[equipment]]
id = "cnc-{n:02}"
title_zh = "机"
title_en = "Machine"
equipment_class = "machining_centre"
work_center = "c"
serial_number = "{n}"
digital = true
numerically_controlled = true
process = "milling"
rated_power_w = 1000
in_service_from = "2020-01-01"
signal_set = "cnc"
"""
_EDGE = """
edge = "edge-1"
provenance = "simulated"
register = "workshop.toml"
data = "run"
[gateway]
url = "http://127.0.0.1:9"
[shutdown]
linger_ms = 300
drain_s = 0
[[source]]
name = "broker"
protocol = "mqtt"
host = "127.0.0.1"
port = {port}
version = "{version}"
qos = {qos}
buffer = 20000
equipment = [{equipment}]
[source.map.cnc]
load = "plant/{{equipment}}/state#spindle.load"
power = "plant/{{equipment}}/state#power"
vibration = "plant/{{equipment}}/state#vib"
parts = "plant/{{equipment}}/state#parts"
state = "plant/{{equipment}}/state#state"
program = "plant/{{equipment}}/state#prog"
[source.payload.cnc]
time = "ts"
time_format = "us"
sequence = "seq"
"""


_PAYLOAD = (
    b'{"ts":%d,"seq":%d,"spindle":{"load":%d.%02d,"dir":"cw"},"power":%d.5,"vib":1.%03d,"parts":%d,"state":3,"prog":"O%04d",'
    b'"tool":{"no":12,"life":873,"wear":0.013},"note":"%s"}'
)


def payload(number: int, now_us: int) -> bytes:
    """200 bytes of a machine's JSON."""
    values = (now_us, number, 40 + number % 31, number % 97, 5200 + number % 701, number % 389, number // 500, number // 5000 % 9999)
    bare = len(_PAYLOAD % (*values, b""))
    return _PAYLOAD % (*values, b"x" * (200 - bare))


def publish(port: int, rate: int, seconds: float, qos: int) -> None:
    """The publisher: prints how many messages it sent and for how long it was behind."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(mqtt_wire.connect(
            "3.1.1", "publisher", clean=True, keepalive_s=60, user=None, password=None, will=None, receive_maximum=65535, session_expiry_s=0,
        ))
        sock.recv(16)
        step_s = 0.01
        each = round(rate * step_s)
        sent, began = 0, time.monotonic()
        for step in range(round(seconds / step_s)):
            now_us = _now_us()
            packets = []
            for _ in range(each):
                body = payload(sent // MACHINES, now_us + sent % each)
                packets.append(mqtt_wire.publish("3.1.1", f"plant/cnc-{sent % MACHINES:02}/state", body, qos=qos, mid=sent % 65535 + 1))
                sent += 1
            sock.sendall(b"".join(packets))
            if qos:
                # PUBACKs are not waited for: mosquitto's incoming window is opened in its configuration.
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.recv(1 << 20)
                sock.setblocking(True)
            time.sleep(max(0.0, began + (step + 1) * step_s - time.monotonic()))
        took_s = time.monotonic() - began
        sock.settimeout(2)
        with contextlib.suppress(OSError):
            while qos and sock.recv(1 << 20):
                pass
        print(json.dumps({"sent": sent, "took_s": round(took_s, 2)}))


async def run_edge(folder: Path, settings: str, register: str, stop_file: Path) -> None:
    """The edge: until the file exists; prints its figures."""
    key_file = folder / "key.pem"
    SigningKey.create().save(key_file)
    key = SigningKey.load(key_file)

    journal = EdgeJournal.open(folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=key, clock=_now_us)
    stop = asyncio.Event()
    running = asyncio.create_task(agent.run(
        load_edge(settings, "edge-1.toml"), parse_register(register, "workshop.toml"), clock=_now_us, key=key, journal=journal, token="", stop=stop,
        status=folder / "status.json",
    ))
    await asyncio.to_thread(_wait, lambda: stop_file.exists() or running.done(), 3600, "the end")
    stop.set()
    await running
    journal.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu_s": usage.ru_utime + usage.ru_stime, "rss_mb": usage.ru_maxrss / 1024}))


def measure(rate: int, seconds: float, qos: int, version: str, broker: str) -> dict[str, Any]:
    """One run; its figures."""
    folder = Path(tempfile.mkdtemp(prefix="edge-mqtt-"))
    register = _HEAD + "".join(_MACHINE.format(n=n) for n in range(MACHINES))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    equipment = ", ".join(f'{{ id = "cnc-{n:02}", map = "cnc" }}' for n in range(MACHINES))
    settings = _EDGE.format(port=port, version=version, qos=qos, equipment=equipment)
    (folder / "edge.toml").write_text(settings)
    (folder / "workshop.toml").write_text(register)
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 200000\nsys_interval 1\n"
    )
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str) -> "subprocess.Popen[str]":
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if command[0] == broker else None, text=True))
        return processes[-1]

    own = [sys.executable, "-m", "benchmarks.edge_mqtt"]
    pinned = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    try:
        start(broker, "-c", str(folder / "mosquitto.conf"))
        edge = start(*pinned, *own, "--as-edge", str(folder))
        _wait(lambda: _status(folder).get("ready"), 20, "edge ready")
        before_s = _cpu_s(edge.pid)
        sender = start(*own, "--as-publisher", str(port), "--rate", str(rate), "--seconds", str(seconds), "--qos", str(qos))
        sent = json.loads(sender.communicate(timeout=seconds * 4 + 60)[0])
        stored = -1
        while stored != (now := _status(folder)["sources"]["broker"]["readings"]):
            stored = now
            time.sleep(2.5)
        busy_s = _cpu_s(edge.pid) - before_s
        dropped = _dropped(port)
        (folder / "stop").touch()
        figures = json.loads(edge.communicate(timeout=60)[0])
        messages = _messages(folder)
        lost = sent["sent"] - messages - (dropped if qos == 0 else 0)
        return {
            "qos": qos, "offered/s": round(sent["sent"] / sent["took_s"]), "sent": sent["sent"], "in batches": messages, "dropped by broker": dropped,
            "lost": lost, "cpu s": round(busy_s, 2), "core %": round(100 * busy_s / sent["took_s"], 1),
            "µs/msg": round(busy_s / max(messages, 1) * 1e6, 1), "rss MB": round(figures["rss_mb"]),
        }
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def _now_us() -> int:
    return time.time_ns() // 1000


def _wait(condition: Any, within_s: float, what: str) -> None:
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at, f"not within {within_s} s: {what}"
        time.sleep(0.05)


def _status(folder: Path) -> dict[str, Any]:
    path = folder / "status.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.exists() else {}


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _dropped(port: int) -> int:
    """What the broker says it dropped for subscribers."""
    reader = mqtt_wire.Reader("3.1.1", 65536)
    topic = "$SYS/broker/publish/messages/dropped"
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(mqtt_wire.connect(
            "3.1.1", "reader", clean=True, keepalive_s=60, user=None, password=None, will=None, receive_maximum=65535, session_expiry_s=0,
        ) + mqtt_wire.subscribe("3.1.1", 1, [topic], 0))
        while True:
            arrived, _ = reader.feed(sock.recv(65536), 0)
            if arrived:
                return int(arrived[0].payload)


def _messages(folder: Path) -> int:
    """Messages whose values are all in signed batches: rows of the signal load, each number once."""
    key = SigningKey.load(folder / "key.pem")
    journal = EdgeJournal.open(folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=key, clock=_now_us)
    journal.seal(ClockState())
    total, at = 0, 1
    while batches := journal.from_seq(at, 16):
        at = batches[-1][0] + 1
        for _, batch in batches:
            header = decode_header(batch.header)
            assert not header.gaps, header.gaps[0]
            for entry, part in zip(header.parts, batch.parts, strict=True):
                assert part is not None
                block = decode_part(entry.equipment, part)
                is_load = np.array([name.endswith("/load") for name in block.signals] + [False])
                total += int(is_load[block.signal].sum())
    journal.close()
    return total


def main() -> None:
    """Runs as what the arguments say."""
    parser = argparse.ArgumentParser()
    for name, default in (("--seconds", 30.0), ("--qos0", 20_000), ("--qos1", 8_000), ("--rate", 1000), ("--qos", 0)):
        parser.add_argument(name, type=type(default), default=default)
    parser.add_argument("--version", default="3.1.1")
    parser.add_argument("--as-edge", type=Path)
    parser.add_argument("--as-publisher", type=int)
    given = parser.parse_args()
    if given.as_publisher:
        publish(given.as_publisher, given.rate, given.seconds, given.qos)
        return
    if given.as_edge:
        folder = given.as_edge
        asyncio.run(run_edge(folder, (folder / "edge.toml").read_text(), (folder / "workshop.toml").read_text(), folder / "stop"))
        return
    broker = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if broker is None:
        print("mosquitto is not installed; nothing was measured")
        return
    rows = [measure(rate, given.seconds, qos, given.version, broker) for qos, rate in ((0, given.qos0), (1, given.qos1)) if rate]
    print("| " + " | ".join(rows[0]) + " |\n|" + "---:|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
