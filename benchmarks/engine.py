"""The embedded engine with 50 million readings: questions of pages and analytics, and bytes a reading.

    python -m benchmarks.engine [--readings N] [--signals N] [--folder DIR]

Machines' signals at one reading a second and more, ten days, in batches of 100,000 in order of time, as the gateway writes them; then settled. One
signal has a year of its own, 31.5 million readings. Best and median of ten warm runs.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gateway.readings import thin
from store.engines.duckdb import DuckdbEngine, DuckdbSettings, open_engine
from workshop.block import Block
from workshop.reading import ValueKind
from workshop.window import HOUR_US, SECOND_US, Window

DAYS, START_US, AT_ONCE = 10, 1_760_000_400_000_000 // (24 * HOUR_US) * 24 * HOUR_US, 100_000
YEAR = 365 * 24 * 3600


def block(names: list[str], signal: np.ndarray, time_us: np.ndarray, lots: np.random.Generator) -> Block:  # type: ignore[type-arg]
    """Gauges with three decimals."""
    n = len(signal)
    value = np.round(50 + 10 * np.sin(time_us / 3e9) + lots.normal(0, 1, n), 3)
    return Block(
        names, [""], signal.astype(np.int32), time_us, time_us + lots.integers(2_000, 9_000, n), np.full(n, ValueKind.F64, np.uint8), value,
        np.zeros(n, np.int64), [], np.zeros(n, np.uint8), np.zeros(n, np.int32),
    )


def fill(engine: DuckdbEngine, readings: int, signals: int, year: int) -> float:
    """Writes everything; returns the seconds that the inserts took."""
    lots = np.random.default_rng(5)
    names = [f"m-{number // 10:03}/s{number % 10}" for number in range(signals)]
    step_us = DAYS * 24 * HOUR_US * signals // readings
    spent, cursor = 0.0, 0

    def write(made: Block) -> None:
        nonlocal spent, cursor
        cursor += 1
        begun = time.perf_counter()
        engine.write(made, cursor)
        spent += time.perf_counter() - begun
        engine.maintain(0)

    for first in range(0, readings, AT_ONCE):
        row = np.arange(first, min(first + AT_ONCE, readings))
        write(block(names, row % signals, START_US + row // signals * step_us, lots))
    for first in range(0, year, AT_ONCE * 5):
        row = np.arange(first, min(first + AT_ONCE * 5, year))
        write(block(["m-year/s"], np.zeros(len(row)), START_US + row * SECOND_US, lots))
    engine.maintain(0, settle=True)
    return spent


def timed(ask: Callable[[], object], runs: int = 10) -> tuple[float, float]:
    """Best and median, ms."""
    ask()
    found = []
    for _ in range(runs):
        begun = time.perf_counter()
        ask()
        found.append((time.perf_counter() - begun) * 1000)
    return min(found), statistics.median(found)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readings", type=int, default=50_000_000)
    parser.add_argument("--signals", type=int, default=1_000)
    parser.add_argument("--year", type=int, default=YEAR)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        file = Path(folder) / "engine.duckdb"
        engine = open_engine(DuckdbSettings(str(file)))
        begun = time.perf_counter()
        spent = fill(engine, given.readings, given.signals, given.year)
        rows, took = engine.count(), time.perf_counter() - begun
        engine.close()
        size = file.stat().st_size / rows
        print(f"{rows:,} readings in {took:.0f} s, of which inserts {spent:.0f} s ({rows / spent:,.0f}/s); {size:.2f} bytes a reading")
        begun = time.perf_counter()
        engine = open_engine(DuckdbSettings(str(file)))
        print(f"opened in {time.perf_counter() - begun:.2f} s\n")
        day = Window(START_US + 4 * 24 * HOUR_US, START_US + 5 * 24 * HOUR_US)
        year = Window(START_US, START_US + YEAR * SECOND_US)
        ten_days = Window(START_US, START_US + DAYS * 24 * HOUR_US)
        names = [f"m-{number // 10:03}/s{number % 10}" for number in range(given.signals)]
        questions: list[tuple[str, str, Callable[[], object]]] = [
            ("one-minute downsample of one signal over a day", "20", lambda: engine.aggregate("m-042/s3", day, 60 * SECOND_US)),
            ("latest of all signals", "5", engine.latest),
            ("carry-in of 100 signals", "", lambda: engine.last_before(names[:100], day.start_us)),
            ("hour of 15 signals, raw", "", lambda: engine.read(names[:15], Window(day.start_us, day.start_us + HOUR_US))),
            ("first page of 10,000 of a year of one signal", "", lambda: engine.read(["m-year/s"], year, 10_000)),
            ("min/max of a year of one signal at 2,000 pixels", "100", lambda: thin(engine, ["m-year/s"], year, 1_000)),
            ("hourly mean of one signal, ten days", "", lambda: engine.aggregate("m-042/s3", ten_days, HOUR_US)),
        ]
        print(f"{'question':52} {'best ms':>8} {'median':>8} {'bar':>5}")
        for title, bar, ask in questions:
            best, median = timed(ask)
            word = "" if not bar else "met" if median < float(bar) else "MISSED"
            print(f"{title:52} {best:8.1f} {median:8.1f} {bar:>5} {word}")
        engine.close()


if __name__ == "__main__":
    main()
