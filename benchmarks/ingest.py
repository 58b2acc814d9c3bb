"""Ingest on this machine, generator included: signed batches of 2,000 and of 200 rows, and line protocol; durable, in the log, and in the engine.

    python -m benchmarks.ingest [--seconds S] [--kinds batches-2000,batches-200,lines]

A real gateway in a process of its own; the generator seals and signs in this one, beforehand, so that its work does not hide the gateway's (the table
says what it took). Now and then a batch is sent twice. At the end the archive and the engine must hold every row once.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import psutil

from store.signing import SigningKey
from workshop.batch import NO_DIGEST, Header, Provenance, SealedBatch, encode_header, frame
from workshop.block import Block
from workshop.part import encode_part
from workshop.reading import ValueKind

EDGES, SIGNALS, START_US = 4, 10, 1_790_000_000_000_000
FRAMES = 8
LINES = 5_000
BARS = {"batches-2000": 400_000, "batches-200": 100_000, "lines": 150_000}
"""Readings a second that must be durable and in the engine."""
REGISTER_HEAD = """
[workshop]
id = "bench"
title_zh = "测试"
title_en = "Bench"
enterprise = "Example"
site = "east"
area = "hall"
time_zone = "Asia/Shanghai"

[[processes]]
id = "milling"
title_zh = "铣削"
title_en = "Milling"

[signal_sets]
machine = [
"""
MACHINE = """
[[equipment]]
id = "m-{number}"
title_zh = "机"
title_en = "Machine"
equipment_class = "machining_centre"
work_center = "w"
serial_number = "{number}"
digital = true
numerically_controlled = true
process = "milling"
rated_power_w = 1000
in_service_from = "2020-01-01"
signal_set = "machine"
"""
LINE_TABLE = """
[line_protocol]
map = [{ signal = "{machine}/{field}" }]
"""


class Gateway:
    """A gateway in a process of its own."""

    def __init__(self, folder: Path, more: str = "", machines_of: int = EDGES, signals_of: int = SIGNALS) -> None:
        signals = [f'  {{ name = "s{n}", role = "spindle_load_{n}", kind = "gauge", unit = "%" }},\n' for n in range(signals_of)]
        machines = [MACHINE.format(number=number) for number in range(machines_of)]
        (folder / "workshop.toml").write_text(REGISTER_HEAD + "".join(signals) + "]\n" + "".join(machines) + more)
        head = f'data = "{folder / "data"}"\nport = 0\nregister = "workshop.toml"\nrequest_bytes = 67108864\n'
        (folder / "gateway.toml").write_text(head + LINE_TABLE)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chejian", "gateway", "run", str(folder / "gateway.toml")], stdout=log, stderr=log,
            )
        deadline = time.monotonic() + 60
        while "port=" not in (text := self.log.read_text()):
            assert time.monotonic() < deadline and self.process.poll() is None, text
            time.sleep(0.05)
        self.url = "http://127.0.0.1:" + text.rsplit("port=", 1)[1].split()[0].strip("\x1b[0m")
        self.admin = {"Authorization": "Bearer " + (folder / "data" / "admin.token").read_text().strip()}
        self.client = httpx.Client(base_url=self.url, timeout=60)
        self.seen = psutil.Process(self.process.pid)

    def count(self) -> int:
        """Rows in the engine."""
        return int(self.client.get("/v1/count", headers=self.admin).json()["rows"])

    def cpu_s(self) -> float:
        """Processor time so far."""
        times = self.seen.cpu_times()
        return times.user + times.system

    def close(self) -> None:
        """Ends it."""
        self.client.close()
        self.process.terminate()
        self.process.wait(60)


def block(machine: int, first: int, rows: int, lots: np.random.Generator) -> Block:
    """Rows of one machine: ten gauges, one scan a millisecond, one decimal."""
    row = np.arange(first, first + rows)
    time_us = START_US + row // SIGNALS * 1000
    return Block(
        [f"m-{machine}/s{n}" for n in range(SIGNALS)], [""], (row % SIGNALS).astype(np.int32), time_us, time_us + 3000,
        np.full(rows, ValueKind.F64, np.uint8), np.round(50 + lots.normal(0, 5, rows), 1), np.zeros(rows, np.int64), [],
        np.zeros(rows, np.uint8), np.zeros(rows, np.int32),
    )


class Edge:
    """One edge: enrols, seals beforehand, sends over one connection."""

    def __init__(self, gateway: Gateway, number: int) -> None:
        self.number, self.id, self.key, self.bodies = number, f"edge-{number}", SigningKey.create(), list[tuple[bytes, int]]()
        invited = gateway.client.post("/v1/edges", json={"edge": self.id, "provenance": "simulated"}, headers=gateway.admin).json()
        request = {"token": invited["token"], "edge": self.id, "public_key": self.key.public}
        self.headers = {"Authorization": "Bearer " + gateway.client.post("/v1/enrol", json=request).json()["token"]}

    def seal(self, batches: int, rows: int) -> None:
        """So many batches, some of them in a body."""
        lots = np.random.default_rng(self.number)
        previous, frames = NO_DIGEST, []
        for seq in range(1, batches + 1):
            entry, part = encode_part(f"m-{self.number}", block(self.number, (seq - 1) * rows, rows, lots))
            data = encode_header(Header(self.id, START_US, seq, previous, Provenance.SIMULATED, START_US, parts=(entry,)))
            batch = SealedBatch(data, self.key.sign("batch", data), (part,))
            previous = batch.digest
            frames.append(frame(batch))
        for first in range(0, batches, FRAMES):
            self.bodies.append((b"".join(frames[first:first + FRAMES]), rows * len(frames[first:first + FRAMES])))


def lines(number: int, first: int, rows: int, lots: np.random.Generator) -> bytes:
    """Lines as Telegraf writes them, one field each."""
    values = np.round(50 + lots.normal(0, 5, rows), 1).tolist()
    return b"\n".join(
        b"load,machine=m-%d s%d=%r %d" % (number, (first + i) % SIGNALS, value, (START_US + (first + i) // SIGNALS * 1000) * 1000)
        for i, value in enumerate(values)
    )


def send(gateway: Gateway, path: str, headers: dict[str, str], bodies: list[tuple[bytes, int]], twice: bool, took_ms: list[float]) -> None:
    """Sends the bodies one after the other; every tenth once more."""
    with httpx.Client(base_url=gateway.url, timeout=120, headers=headers) as client:
        for number, (body, _) in enumerate(bodies):
            for _ in range(2 if twice and number % 10 == 9 else 1):
                while True:
                    begun = time.perf_counter()
                    answer = client.post(path, content=body)
                    if answer.status_code != 429:
                        break
                    time.sleep(0.2)
                assert answer.status_code in (200, 204), answer.text
                took_ms.append((time.perf_counter() - begun) * 1000)


def measure(kind: str, seconds: float) -> None:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder))
        try:
            begun = time.perf_counter()
            plans: list[tuple[str, dict[str, str], list[tuple[bytes, int]], bool]] = []
            if kind == "lines":
                lots = np.random.default_rng(1)
                headers = gateway.admin | {"Content-Encoding": "gzip"}
                per_edge = int(150_000 * seconds / EDGES / LINES)
                for number in range(EDGES):
                    bodies = [(gzip.compress(lines(number, n * LINES, LINES, lots), 1), LINES) for n in range(per_edge)]
                    plans.append(("/api/v2/write?org=chejian&bucket=chejian", headers, bodies, False))
            else:
                rows = int(kind.removeprefix("batches-"))
                per_edge = int((400_000 if rows >= 1000 else 100_000) * seconds / EDGES / rows)
                for number in range(EDGES):
                    edge = Edge(gateway, number)
                    edge.seal(per_edge, rows)
                    plans.append(("/v1/batches", edge.headers, edge.bodies, True))
            prepared_s = time.perf_counter() - begun
            total = sum(rows for *_, bodies, _ in plans for _, rows in bodies)
            _run(gateway, kind, plans, total, prepared_s)
        finally:
            gateway.close()


def _run(
    gateway: Gateway, kind: str, plans: list[tuple[str, dict[str, str], list[tuple[bytes, int]], bool]], total: int, prepared_s: float,
) -> None:
    took_ms: list[float] = []
    before_s, before_bytes = gateway.cpu_s(), gateway.seen.memory_info().rss
    started = time.perf_counter()
    threads = [threading.Thread(target=send, args=(gateway, path, headers, bodies, twice, took_ms)) for path, headers, bodies, twice in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent_s = time.perf_counter() - started
    _wait(lambda: gateway.count() >= total)
    indexed_s = time.perf_counter() - started
    assert gateway.count() == total, f"{gateway.count()} rows of {total}"
    cpu_s = gateway.cpu_s() - before_s
    grown = (gateway.seen.memory_info().rss - before_bytes) / 2**20
    print(f"{kind:14} {total:>11,} {total / sent_s:>12,.0f} {total / indexed_s:>12,.0f} {np.percentile(took_ms, 50):>7.0f} "
          f"{np.percentile(took_ms, 99):>7.0f} {cpu_s / total * 1e6:>9.2f} {total / max(prepared_s, 1e-9):>12,.0f} {grown:>8.0f} "
          f"{_judged(kind, total / indexed_s)}", flush=True)


def _judged(kind: str, per_s: float) -> str:
    bar = BARS.get(kind)
    return "" if bar is None else f"{bar:>10,} {'met' if per_s >= bar else 'MISSED'}"


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not done():
        assert time.monotonic() < deadline, "the engine did not take everything"
        time.sleep(0.05)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kinds", default="batches-2000,batches-200,lines")
    given = parser.parse_args()
    print(f"{'kind':14} {'readings':>11} {'durable/s':>12} {'in engine/s':>12} {'p50 ms':>7} {'p99 ms':>7} {'CPU-s/M':>9} {'generator/s':>12} "
          f"{'MiB more':>8} {'bar':>10}")
    for kind in given.kinds.split(","):
        measure(kind, given.seconds)


if __name__ == "__main__":
    main()
