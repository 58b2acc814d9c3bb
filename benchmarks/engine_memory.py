"""DuckDB's memory while readings keep coming, and how long its writer waits for the sorting beside it.

    python -m benchmarks.engine_memory [--readings N] [--rate READINGS_PER_S] [--settings key=value ...]

A thread writes blocks of 20,000 readings of 1,000 signals at a steady rate, another settles them once a second, as in the gateway. Memory is that of
this process, at rest (after a block, nothing settling) and at most. The writer's wait is what is left of a write's time after the thread's own
processor time and its time in the run queue (/proc/self/task/*/schedstat): what it waited for locks and the disk, whatever else the machine does.
"""

import argparse
import ctypes
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil

from benchmarks.engine import START_US, block
from store.engines.duckdb import DuckdbEngine, DuckdbSettings, open_engine

ROWS, SIGNALS, WARM = 20_000, 1_000, 0.5
WAIT_BAR_MS, FLAT_BAR = 200.0, 16.0


def waited_ms() -> float:
    """Processor time and run queue of this thread so far, ms."""
    ran, queued, _ = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()
    return (int(ran) + int(queued)) / 1e6


def settle(engine: DuckdbEngine, busy: threading.Event, ended: threading.Event) -> None:
    """What the gateway does once a second."""
    while not ended.wait(1.0):
        busy.set()
        engine.maintain(0)
        busy.clear()


def main() -> None:
    """Prints sizes by the million and three lines with their bars."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readings", type=int, default=24_000_000)
    parser.add_argument("--rate", type=float, default=200_000.0)
    parser.add_argument("--settings", nargs="*", default=[], help="of [engine] in gateway.toml, such as memory_limit=1GB")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = {"path": f"{folder}/engine.duckdb"} | dict(pair.split("=", 1) for pair in given.settings)
        settings = msgspec.convert(named, DuckdbSettings, strict=False)
        engine = open_engine(settings)
        busy, ended = threading.Event(), threading.Event()
        thread = threading.Thread(target=settle, args=(engine, busy, ended))
        thread.start()
        try:
            measure(engine, settings, given.readings, given.rate, busy)
        finally:
            ended.set()
            thread.join()
            engine.close()


def measure(engine: DuckdbEngine, settings: DuckdbSettings, readings: int, rate: float, busy: threading.Event) -> None:
    """Writes and looks."""
    process, lots = psutil.Process(), np.random.default_rng(5)
    names = [f"m-{number // 10:03}/s{number % 10}" for number in range(SIGNALS)]
    waits: list[tuple[bool, float, float]] = []
    rest: list[tuple[float, float]] = []
    begun, most, base = time.monotonic(), 0.0, process.memory_info().rss / 2**20
    for number in range(readings // ROWS):
        time.sleep(max(0.0, begun + number * ROWS / rate - time.monotonic()))
        row = np.arange(number * ROWS, (number + 1) * ROWS)
        made = block(names, row % SIGNALS, START_US + row // SIGNALS * 5_000, lots)
        own, at, beside = waited_ms(), time.monotonic(), busy.is_set()
        engine.write(made, number + 1)
        took, ran = (time.monotonic() - at) * 1000, waited_ms() - own
        waits.append((beside or busy.is_set(), took, took - ran))
        size = process.memory_info().rss / 2**20
        most = max(most, size)
        if not busy.is_set():
            rest.append((number * ROWS / readings, size))
        if (number + 1) * ROWS % 2_000_000 == 0:
            held = engine._connection.execute("SELECT sum(memory_usage_bytes) / 1048576 FROM duckdb_memory()").fetchall()[0][0]
            print(f"{(number + 1) * ROWS / 1e6:5.0f} million: {size:4.0f} MiB, most {most:4.0f}; DuckDB says {held:4.0f}", flush=True)
    ctypes.CDLL(None).malloc_trim(0)
    warm = [(share, size) for share, size in rest if share >= WARM]
    half = (1 + WARM) / 2
    first, last = (float(np.median([size for share, size in warm if (share < half) == early])) for early in (True, False))
    print(f"\nat rest, median MiB: third quarter {first:.0f}, last quarter {last:.0f}; after malloc_trim {process.memory_info().rss / 2**20:.0f}; "
          f"bar {first + FLAT_BAR:.0f}: {'met' if last <= first + FLAT_BAR else 'MISSED'}")
    limit = engine._connection.execute("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'").fetchall()[0][0]
    print(f"most {most:.0f} MiB, {most - base:.0f} more than before the first row; memory_limit {settings.memory_limit} ({limit})")
    blocked = max(wait for beside, _, wait in waits if beside)
    print(f"longest wait of the writer beside settling {blocked:.0f} ms ({sum(b for b, *_ in waits)} of {len(waits)} writes); longest write "
          f"{max(took for _, took, _ in waits):.0f} ms, queue included; bar {WAIT_BAR_MS:.0f} ms: {'met' if blocked <= WAIT_BAR_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
