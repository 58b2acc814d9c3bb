"""An outage of ten minutes at 20,000 values a second: how fast it is caught up, and how late live values are meanwhile.

    python -m benchmarks.edge_outage [--minutes 10] [--rate 20000]

The outage is simulated: the journal is filled with its readings by a clock that is passed in, sealed as an edge seals whose gateway is away.
Then an edge in a process of its own (recorder, journal, uplink, live values; no source) goes on storing at the same rate in real time while its
uplink catches up with a real gateway in another process. This process looks at `/v1/live`, as a page does. Caught up is an edge with at most one
batch not yet acknowledged.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.ingest import Gateway
from edge.config import CommitBlock
from edge.live import Live
from edge.recorder import Recorder
from edge.resume import Resume
from edge.source import Delivery
from edge.uplink import Uplink
from edge.worker import Worker
from store.journal import EdgeJournal, JournalLimits
from store.signing import SigningKey
from workshop.batch import ClockState, Provenance
from workshop.block import Block
from workshop.reading import ValueKind

MACHINES, SIGNALS, NAME = 20, 50, "edge-1"
TOLD_S, TICK_S = 0.25, 0.05
TIMES, LATE_S = 10, 2.0


def now_us() -> int:
    """This computer's clock."""
    return time.time_ns() // 1000


class Plant:
    """A thousand gauges with two decimals that wander, all scanned together."""

    def __init__(self) -> None:
        self.names = [f"m-{machine}/s{n}" for machine in range(MACHINES) for n in range(SIGNALS)]
        self.lots = np.random.default_rng(7)
        self.level = 50 + self.lots.normal(0, 5, len(self.names))

    def block(self, start_us: int, scans: int, every_us: int) -> Block:
        """So many scans from this time on."""
        width = len(self.names)
        steps = self.lots.normal(0, 0.2, (scans, width)).cumsum(axis=0)
        values = np.round(self.level + steps, 2)
        self.level = values[-1]
        times = np.repeat(start_us + np.arange(scans) * every_us, width)
        rows = scans * width
        return Block(
            self.names, [""], np.tile(np.arange(width, dtype=np.int32), scans), times, times + 2000,
            np.full(rows, ValueKind.F64, np.uint8), values.reshape(-1), np.zeros(rows, np.int64), [], np.zeros(rows, np.uint8),
            np.zeros(rows, np.int32),
        )


def open_journal(folder: Path) -> EdgeJournal:
    """The edge's journal."""
    return EdgeJournal.open(
        folder / "journal.sqlite", edge=NAME, provenance=Provenance.SIMULATED, key=SigningKey.load(folder / "key.pem"), clock=now_us,
        limits=JournalLimits(),
    )


def fill(folder: Path, seconds: int, rate: int) -> tuple[int, int, float]:
    """The outage: readings of the last so many seconds, committed five times a second and sealed as they are while the gateway is away."""
    journal, plant, began = open_journal(folder), Plant(), time.perf_counter()
    every_us = round(1e6 * len(plant.names) / rate)
    scans = max(1, round(200_000 / every_us))
    end_us = now_us()
    for start_us in range(end_us - seconds * 1_000_000, end_us, scans * every_us):
        journal.append([plant.block(start_us, scans, every_us)])
        if journal.unsealed_rows() >= 65_536:
            journal.seal(ClockState())
    journal.seal(ClockState())
    status = journal.status()
    journal.close()
    return status.stored_rows, status.bytes_on_disk, time.perf_counter() - began


async def edge(folder: Path, url: str, token: str, rate: int) -> None:
    """The edge after the outage, until it is ended; says where it stands four times a second."""
    journal, worker, plant = open_journal(folder), Worker(), Plant()
    live = Live(url, token, NAME, every_ms=250)
    resume = Resume(journal.positions(), plant.names, journal.remembered())
    recorder = Recorder(journal, worker, resume, CommitBlock(), lambda _, present: live.note(present), 300.0)
    uplink = Uplink(url, token, journal, worker=worker)
    stop = asyncio.Event()
    tasks = [asyncio.create_task(work) for work in (recorder.run(), live.run(), uplink.run(stop), tell(journal, worker))]
    every_us = round(1e6 * len(plant.names) / rate)
    next_us = now_us()
    while not any(task.done() for task in tasks):
        scans = (now_us() - next_us) // every_us
        if scans > 0:
            await recorder.put("bench", [Delivery(plant.block(next_us, scans, every_us))])
            next_us += scans * every_us
        await asyncio.sleep(TICK_S)
    for task in tasks:
        await task


async def tell(journal: EdgeJournal, worker: Worker) -> None:
    """A line with the journal's counters now and then."""
    while True:
        status = await worker.call(journal.status)
        print(json.dumps([status.acknowledged_rows, status.stored_rows, status.pending_batches]), flush=True)
        await asyncio.sleep(TOLD_S)


async def watch(url: str, token: str, late_s: list[float], ended: asyncio.Event) -> None:
    """Looks at live values as a page does: how old each is when it is seen."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", f"{url}/v1/live", headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                seen_us = now_us()
                late_s.extend((seen_us - reading["source_time_us"]) / 1e6 for reading in json.loads(line[6:])["readings"])
            if ended.is_set():
                return


async def measure(folder: Path, gateway: Gateway, token: str, rate: int, backlog: int) -> dict[str, float]:
    """Runs the edge until its backlog is delivered; what it took."""
    command = [sys.executable, "-m", "benchmarks.edge_outage", "--edge", str(folder), gateway.url, token, "--rate", str(rate)]
    late_s, ended = list[float](), asyncio.Event()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=2**20)
    watching = asyncio.create_task(watch(gateway.url, gateway.admin["Authorization"].removeprefix("Bearer "), late_s, ended))
    assert process.stdout is not None
    seen = psutil.Process(process.pid)
    gateway_s, began = gateway.cpu_s(), None
    try:
        while True:
            acknowledged, stored, pending = json.loads(await process.stdout.readline())
            if began is None:
                began, edge_s = time.perf_counter(), sum(seen.cpu_times()[:2])
            if acknowledged >= backlog and pending <= 1:
                break
        took_s = time.perf_counter() - began
        edge_s = sum(seen.cpu_times()[:2]) - edge_s
        gateway_s = gateway.cpu_s() - gateway_s
    finally:
        ended.set()
        process.terminate()
        await process.wait()
        await asyncio.wait([watching], timeout=5)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    late = np.sort(np.array(late_s))
    return {
        "seconds": took_s, "delivered": acknowledged, "rate": acknowledged / took_s, "live": stored / took_s,
        "edge_s": edge_s, "gateway_s": gateway_s,
        "p50": float(late[len(late) // 2]), "p99": float(late[len(late) * 99 // 100]), "max": float(late[-1]), "seen": len(late),
    }


def main() -> None:
    """The table; exit 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--edge", nargs=3, metavar=("FOLDER", "URL", "TOKEN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.edge:
        asyncio.run(edge(Path(options.edge[0]), options.edge[1], options.edge[2], options.rate))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = SigningKey.create()
        key.save(folder / "key.pem")
        rows, size, filled_s = fill(folder, round(options.minutes * 60), options.rate)
        print(f"outage: {rows:,} readings in {size / 2**20:.0f} MiB of journal, stored and sealed in {filled_s:.0f} s")
        gateway = Gateway(folder, machines_of=MACHINES, signals_of=SIGNALS)
        try:
            invited = gateway.client.post("/v1/edges", json={"edge": NAME, "provenance": "simulated"}, headers=gateway.admin).json()
            request = {"token": invited["token"], "edge": NAME, "public_key": key.public}
            token = gateway.client.post("/v1/enrol", json=request).json()["token"]
            found = asyncio.run(measure(folder, gateway, token, options.rate, rows))
        finally:
            gateway.close()
    print(f"{'caught up in':<34}{found['seconds']:>10.1f} s")
    times = found["rate"] / options.rate
    print(f"{'delivered while live went on':<34}{found['rate']:>10,.0f} readings/s = {times:.1f} × the live rate (bar: {TIMES})")
    print(f"{'stored live meanwhile':<34}{found['live']:>10,.0f} readings/s")
    spread = f"{found['p99']:.2f} s 99 %, {found['max']:.2f} s most (bar: {LATE_S:.0f}), of {found['seen']:,}"
    print(f"{'age of live values when seen':<34}{found['p50']:>10.2f} s median, {spread}")
    print(f"{'processor time':<34}{found['edge_s']:>10.1f} s edge, {found['gateway_s']:.1f} s gateway")
    load = psutil.getloadavg()[0]
    print(f"{'load of this computer':<34}{load:>10.1f}")
    sys.exit(0 if found["rate"] >= TIMES * options.rate and found["max"] < LATE_S else 1)


if __name__ == "__main__":
    main()
