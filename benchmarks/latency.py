"""From a machine to the live stream that a page reads, and to the engine, while the gateway takes other edges' batches; and whether its memory stays.

    python -m benchmarks.latency [--seconds S] [--load READINGS_PER_S] [--seal S]

All real and apart: a machine that publishes by MQTT (100 values a second), mosquitto, an edge process, a gateway process; the load, a reader of
/v1/live and a reader of /v1/readings are threads here. A time is that of the machine's own stamp to the arrival here; one clock.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.ingest import EDGES, MACHINE, Edge, Gateway

PROBE, RATE_HZ, ROWS = "m-9", 10, 2_000
EDGE = """
edge = "probe"
provenance = "simulated"
register = "workshop.toml"
data = "probe"
[gateway]
url = "{url}"
[seal]
every_s = {seal}
[[source]]
name = "machine"
protocol = "mqtt"
host = "127.0.0.1"
port = {port}
equipment = [{{ id = "m-9", map = "m" }}]
[source.map.m]
{map}
[source.payload.m]
time = "ts"
time_format = "us"
"""


def free_port() -> int:
    """A port that nobody listens on now."""


    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def broker(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A mosquitto."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed")
    user = "user root\n" if os.getuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{user}")
    return subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def machine(port: int, ended: threading.Event) -> None:
    """Ten values, ten times a second, each stamped when it is published."""
    client = Client(CallbackAPIVersion.VERSION2)
    while not ended.is_set():
        try:
            client.connect("127.0.0.1", port)
            break
        except OSError:
            ended.wait(0.1)
    client.loop_start()
    begun, number = time.monotonic(), 0
    while not ended.wait(max(0.0, begun + number / RATE_HZ - time.monotonic())):
        number += 1
        body = {"ts": time.time_ns() // 1000} | {f"s{n}": number + n / 10 for n in range(10)}
        client.publish("bench/m-9", json.dumps(body), 1)
    client.disconnect()
    client.loop_stop()


def load(gateway: Gateway, edges: list[Edge], per_s: float, ended: threading.Event) -> None:
    """The bodies of all edges in turn, so many readings a second."""
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        begun, sent = time.monotonic(), 0
        for number in range(max(len(edge.bodies) for edge in edges)):
            for edge in edges:
                if number >= len(edge.bodies) or ended.wait(max(0.0, begun + sent / per_s - time.monotonic())):
                    return
                body, rows = edge.bodies[number]
                answer = client.post("/v1/batches", content=body, headers=edge.headers)
                sent += rows if answer.status_code == 200 else 0
        print(f"load: {sent:,} readings in {time.monotonic() - begun:.0f} s", flush=True)


def read_live(gateway: Gateway, took_ms: list[float], ended: threading.Event) -> None:
    """What a page's process gets."""
    with httpx.Client(base_url=gateway.url, timeout=30, headers=gateway.admin) as client, client.stream("GET", "/v1/live") as stream:
        for line in stream.iter_lines():
            now_us = time.time_ns() // 1000
            if ended.is_set():
                return
            if line.startswith("data: "):
                readings = json.loads(line[6:])["readings"]
                took_ms += [(now_us - one["source_time_us"]) / 1000 for one in readings if one["signal"].startswith(f"{PROBE}/s")]


def read_engine(gateway: Gateway, took_ms: list[float], ended: threading.Event) -> None:
    """When each reading of one signal can first be asked for."""
    seen = time.time_ns() // 1000
    with httpx.Client(base_url=gateway.url, timeout=30, headers=gateway.admin) as client:
        while not ended.wait(0.05):
            query = {"signal": f"{PROBE}/s0", "from_us": seen + 1, "to_us": time.time_ns() // 1000 + 10**7}
            times = client.get("/v1/readings", params=query).json()["source_time_us"]
            now_us = time.time_ns() // 1000
            took_ms += [(now_us - at) / 1000 for at in times]
            seen = max([seen, *times])


def start_edge(folder: Path, gateway: Gateway, port: int, seal_s: float) -> subprocess.Popen[bytes]:
    """Enrols an edge and starts its process."""
    names = "\n".join(f's{n} = "bench/m-9#s{n}"' for n in range(10))
    (folder / "edge.toml").write_text(EDGE.format(url=gateway.url, seal=seal_s, port=port, map=names))
    token = gateway.client.post("/v1/edges", json={"edge": "probe", "provenance": "simulated"}, headers=gateway.admin).json()["token"]
    command = [sys.executable, "-m", "chejian", "edge"]
    subprocess.run([*command, "enrol", str(folder / "edge.toml"), "--token", token], check=True, capture_output=True)
    with (folder / "edge.log").open("wb") as log:
        return subprocess.Popen([*command, "run", str(folder / "edge.toml")], stdout=log, stderr=log)


def measure(folder: Path, seconds: float, per_s: float, seal_s: float) -> None:
    """Prints the two lines and the memory."""
    gateway = Gateway(folder, MACHINE.format(number=9))
    ended, live_ms, engine_ms, port = threading.Event(), list[float](), list[float](), free_port()
    edges = [Edge(gateway, number) for number in range(EDGES)]
    for edge in edges:
        edge.seal(int(per_s * seconds / EDGES / ROWS), ROWS)
    mosquitto = broker(folder, port)
    process = start_edge(folder, gateway, port, seal_s)
    threads = [
        threading.Thread(target=machine, args=(port, ended)), threading.Thread(target=load, args=(gateway, edges, per_s, ended)),
        threading.Thread(target=read_live, args=(gateway, live_ms, ended)), threading.Thread(target=read_engine, args=(gateway, engine_ms, ended)),
    ]
    for thread in threads:
        thread.start()
    sizes: list[float] = []
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        time.sleep(1)
        sizes.append(gateway.seen.memory_info().rss / 2**20)
    ended.set()
    process.terminate()
    process.wait(60)
    mosquitto.terminate()
    gateway.process.terminate()
    for thread in threads:
        thread.join(60)
    gateway.process.wait(60)
    for title, took, bar in (("machine to /v1/live", live_ms, 250.0), ("machine to engine", engine_ms, seal_s * 1000 + 500)):
        p50, p99 = np.percentile(took, (50, 99))
        print(f"{title:22} {len(took):>7,} values  p50 {p50:7.0f} ms  p99 {p99:7.0f} ms  worst {max(took):7.0f} ms  bar {bar:.0f} ms: "
              + ("met" if p99 < bar else "MISSED"))
    # Sorting a day takes memory and gives it back: what creeps shows in the median of a stretch of time, not in its peaks.
    sixths = [float(np.median(part)) for part in np.array_split(np.array(sizes), 6)]
    said = ", ".join(f"{size:.0f}" for size in sixths)
    print(f"gateway's memory: {sizes[0]:.0f} MiB at first; medians of sixths of the time {said}; largest {max(sizes):.0f}")


def main() -> None:
    """Parses the options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--load", type=float, default=200_000.0, help="readings a second of other edges, in parts of 2,000; half of the bar")
    parser.add_argument("--seal", type=float, default=10.0, help="the edge's sealing interval, s")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given.seconds, given.load, given.seal)


if __name__ == "__main__":
    main()
