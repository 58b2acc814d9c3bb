"""The memory of a process with DuckDB in it stays where it is, however much is written: bounded cache, bounded sorts, nothing kept from them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROUND_ROWS, SETTLE_ROUNDS = 250_000, 6
CHILD = """
import json, sys
import numpy as np
import psutil
from store.engines.duckdb import DuckdbSettings, open_engine
from workshop.block import Block

folder, limit, rows, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
engine = open_engine(DuckdbSettings(folder + "/e.duckdb", memory_limit=f"{limit}MiB", settle_rows=6 * rows))
names, lots = [f"m-{n // 10}/s{n % 10}" for n in range(100)], np.random.default_rng(1)
for number in range(rounds):
    row = np.arange(number * rows, (number + 1) * rows)
    time_us = 1_760_000_400_000_000 + row // 100 * 5_000
    engine.write(Block(
        names, [""], (row % 100).astype(np.int32), time_us, time_us + lots.integers(0, 9_999, rows), np.full(rows, 1, np.uint8), lots.random(rows),
        np.zeros(rows, np.int64), [], np.zeros(rows, np.uint8), np.zeros(rows, np.int32),
    ), number + 1)
    engine.maintain(0)
    held = engine._connection.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()[0][0]
    most = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps([int(held), psutil.Process().memory_info().rss, most, engine.count()]))
engine.close()
"""


def run(folder: Path, rounds: int, limit_mib: int) -> list[list[float]]:
    """What DuckDB says that it holds, the process's memory, the most of it so far, all MiB, and the rows, after each round."""
    command = [sys.executable, "-c", CHILD, str(folder), str(limit_mib), str(ROUND_ROWS), str(rounds)]
    found = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    assert [rows for *_, rows in found] == [(number + 1) * ROUND_ROWS for number in range(rounds)]
    return [[held / 2**20, size / 2**20, most / 2**20, rows] for held, size, most, rows in found]


def flat(found: list[list[float]], limit_mib: int, warm: int) -> None:
    assert max(held for held, *_ in found) <= limit_mib
    sizes = [size for _, size, *_ in found]
    assert found[-1][2] <= sizes[0] + limit_mib + 64, found  # beyond its limit DuckDB has a transaction's own notes
    half = (len(sizes) - warm) // 2
    assert min(sizes[-half:]) <= min(sizes[warm:warm + half]) + 16, sizes


def test_sorting_takes_little_memory_however_much_has_come(tmp_path: Path) -> None:
    found = run(tmp_path, SETTLE_ROUNDS, 1_000)
    before, after = found[-2], found[-1]
    assert after[2] - before[1] <= 80, found  # 43 MiB in pieces; 101 when all of it was sorted at once


def test_memory_is_bounded_and_flat(tmp_path: Path) -> None:
    flat(run(tmp_path, 13, 48), 48, warm=6)


@pytest.mark.long
def test_memory_is_bounded_and_flat_over_days_written_anew(tmp_path: Path) -> None:
    flat(run(tmp_path, 100, 64), 64, warm=20)
