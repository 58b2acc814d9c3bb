"""DuckDB's rows in order of arrival and settled by day are the same rows: read, aggregated, newest, before, after a restart and meanwhile."""

import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest

from store import duckdb_periods
from store.duckdb_periods import DAY_US, STEP_US
from store.engines.duckdb import DuckdbEngine, DuckdbSettings, open_engine
from tests.unit.gateway.plant import START_US, ramp
from workshop.block import Block, block_of
from workshop.errors import ConfigError, NotConnected
from workshop.reading import Quality, Reading, Value
from workshop.window import Window

SIGNALS = ["m-1/gauge", "m-2/gauge", "m-1/count", "m-1/text"]
ALL = Window(START_US - 100 * DAY_US, START_US + 100 * DAY_US)


def random_blocks(seed: int, batches: int = 12, rows: int = 400) -> list[Block]:
    """Readings of all kinds over three days on both sides of midnight, late ones and equal times among them."""
    lots = np.random.default_rng(seed)
    blocks = []
    for _ in range(batches):
        made = []
        for _ in range(rows):
            signal = SIGNALS[int(lots.integers(4))]
            at = START_US + int(lots.integers(-DAY_US, 2 * DAY_US)) // 10**9 * 10**9
            value: Value = f"O{lots.integers(9)}" if signal.endswith("text") else int(lots.integers(9)) if "count" in signal else float(lots.normal())
            bad = bool(lots.random() < 0.1)
            made.append(Reading(signal, at, at + int(lots.integers(9999)), None if bad else value, Quality.BAD if bad else Quality.GOOD, "X" * bad))
        blocks.append(block_of(made))
    return blocks


def exact(block: Block) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for r in block.readings():
        value = struct.pack(">d", r.value) if isinstance(r.value, float) else r.value
        found.append((r.signal, r.source_time_us, r.received_time_us, value, int(r.quality), r.status))
    return found


def pair(folder: Path, blocks: Sequence[Block], settle_every: int) -> tuple[DuckdbEngine, DuckdbEngine]:
    plain, settled = (open_engine(DuckdbSettings(str(folder / f"{name}.duckdb"))) for name in ("plain", "settled"))
    for number, block in enumerate(blocks):
        plain.write(block, number + 1)
        settled.write(block, number + 1)
        if number % settle_every == settle_every - 1:
            settled.maintain(START_US, settle=True)
    return plain, settled


def same(plain: DuckdbEngine, settled: DuckdbEngine) -> None:
    assert exact(settled.read(SIGNALS, ALL)) == exact(plain.read(SIGNALS, ALL))
    for limit in (1, 100, 1500):
        assert exact(settled.read(SIGNALS[::-1], ALL, limit)) == exact(plain.read(SIGNALS[::-1], ALL, limit))
    part = Window(START_US - 10**10, START_US + DAY_US // 3)
    assert exact(settled.read(SIGNALS, part, 50)) == exact(plain.read(SIGNALS, part, 50))
    start = START_US // STEP_US * STEP_US - 10 * STEP_US
    for window, step in ((Window(start, start + 95 * STEP_US + 5), 6 * STEP_US), (Window(start + 1, start + 10**11), 10**10), (part, 7 * STEP_US)):
        for signal in SIGNALS[:3]:
            left, right = settled.aggregate(signal, window, step), plain.aggregate(signal, window, step)
            assert left.start_us.tolist() == right.start_us.tolist() and left.count.tolist() == right.count.tolist()
            assert left.minimum.tolist() == right.minimum.tolist() and left.maximum.tolist() == right.maximum.tolist()
            assert np.allclose(left.mean, right.mean)
    assert exact(settled.latest(SIGNALS)) == exact(plain.latest(SIGNALS))
    for at in (START_US - DAY_US + 10**10, START_US, START_US + DAY_US):
        assert exact(settled.last_before(SIGNALS, at)) == exact(plain.last_before(SIGNALS, at))
    assert settled.count() == plain.count()


@pytest.mark.parametrize(("settle_every", "sorted_at_once"), [(5, 491_520), (1, 25), (5, 300)])
def test_settled_rows_are_the_same_rows(tmp_path: Path, settle_every: int, sorted_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one means twelve runs a day; few rows sorted at once mean pieces by signal and, where one signal has more, by its steps."""
    monkeypatch.setattr(duckdb_periods, "SORT_ROWS", sorted_at_once)
    monkeypatch.setattr(duckdb_periods, "MERGE_RUNS", 5)
    plain, settled = pair(tmp_path, random_blocks(3), settle_every)
    same(plain, settled)
    plain.close()
    settled.close()
    plain, settled = (open_engine(DuckdbSettings(str(tmp_path / f"{name}.duckdb"))) for name in ("plain", "settled"))
    same(plain, settled)
    plain.close()
    settled.close()


def test_retention_drops_whole_days(tmp_path: Path) -> None:
    engine = open_engine(DuckdbSettings(str(tmp_path / "e.duckdb"), retention_days=2, settle_rows=1))
    for day in range(6):
        engine.write(block_of([Reading("m-1/gauge", START_US + day * DAY_US, START_US, float(day))]), day + 1)
    engine.maintain(START_US + 5 * DAY_US)
    assert [r.value for r in engine.read(["m-1/gauge"], ALL).readings()] == [3.0, 4.0, 5.0]
    step = 24 * 6 * STEP_US
    window = Window(START_US // STEP_US * STEP_US, START_US // STEP_US * STEP_US + 10 * step)
    assert int(engine.aggregate("m-1/gauge", window, step).count.sum()) == 3
    assert engine.count() == 3 and engine.cursor() == 6
    engine.close()


def test_readers_see_every_row_while_rows_are_moved(tmp_path: Path) -> None:
    engine = open_engine(DuckdbSettings(str(tmp_path / "e.duckdb"), settle_rows=500))
    written, stop, wrong = [0], threading.Event(), list[str]()

    def look() -> None:
        while not stop.is_set():
            before = written[0]
            found = engine.read(["m-1/gauge"], ALL)
            if len(found) < before or len(set(found.source_time_us.tolist())) != len(found):
                wrong.append(f"{len(found)} of {before}")

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(30):
            engine.write(ramp("m-1/gauge", number * 200, 200), number + 1)
            written[0] = (number + 1) * 200
            engine.maintain(START_US)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert wrong == [] and engine.count() == 6000
    engine.close()


def test_rows_that_come_while_others_settle_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    engine = open_engine(DuckdbSettings(str(tmp_path / "e.duckdb")))
    ended = threading.Event()

    def settle() -> None:
        while not ended.is_set():
            engine.maintain(START_US, settle=True)

    thread = threading.Thread(target=settle)
    thread.start()
    try:
        for number in range(60):
            engine.write(ramp("m-1/gauge", number * 500, 500), number + 1)
    finally:
        ended.set()
        thread.join()
    engine.maintain(START_US, settle=True)
    assert engine.count() == 30_000 and engine.read(["m-1/gauge"], ALL).value_f64.tolist() == [float(n) for n in range(30_000)]
    engine.close()
    again = open_engine(DuckdbSettings(str(tmp_path / "e.duckdb")))
    assert (again.count(), again.cursor()) == (30_000, 60)
    again.close()


def test_settled_tables_are_in_one_order_whatever_is_sorted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries of one signal read few of DuckDB's row groups because of that order; the pieces must follow each other in it."""
    monkeypatch.setattr(duckdb_periods, "SORT_ROWS", 50)
    engine = open_engine(DuckdbSettings(str(tmp_path / "e.duckdb")))
    for number, block in enumerate(random_blocks(11, batches=3)):
        engine.write(block, number + 1)
    engine.maintain(START_US, settle=True)
    engine.close()
    with duckdb.connect(str(tmp_path / "e.duckdb")) as connection:
        days = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'day%'").fetchall()]
        assert len(days) >= 3
        for day in days:
            rows = connection.execute(f"SELECT series, source_time_us FROM {day} ORDER BY rowid").fetchall()  # noqa: S608 - our own name
            assert rows and rows == sorted(rows)


def test_settling_beside_the_writer_leaves_the_checkpoint_to_the_log(tmp_path: Path) -> None:
    """A checkpoint keeps every writer waiting: it is made when told to settle, not when it is the engine's own idea."""
    log = tmp_path / "e.duckdb.wal"
    engine = open_engine(DuckdbSettings(str(tmp_path / "e.duckdb"), settle_rows=1_000))
    engine.write(ramp("m-1/gauge", 0, 1_000), 1)
    engine.maintain(START_US)
    assert engine.count() == 1_000 and log.stat().st_size > 0
    engine.maintain(START_US, settle=True)
    assert log.stat().st_size > 0  # nothing to settle
    engine.write(ramp("m-1/gauge", 1_000, 10), 2)
    engine.maintain(START_US, settle=True)
    assert not log.exists() or log.stat().st_size == 0
    assert engine.count() == 1_010
    engine.close()


def test_statuses_are_numbered_and_come_back_after_a_restart_and_after_a_failed_write(tmp_path: Path) -> None:
    settings = DuckdbSettings(str(tmp_path / "e.duckdb"))
    engine = open_engine(settings)
    words = ["", "GoodClamped", "不好'; --", "Ω" * 300]
    said = block_of([Reading("m-1/gauge", START_US + n, START_US, float(n), Quality.GOOD, word) for n, word in enumerate(words)])
    engine.write(said, 1)
    fresh = block_of([Reading("m-3/new", START_US, START_US, 1.0, Quality.GOOD, "New")])
    broken = msgspec.structs.replace(fresh, source_time_us=np.zeros(7, np.int64))
    with pytest.raises((NotConnected, ValueError)):
        engine.write(broken, 2)
    engine.write(block_of([Reading("m-2/gauge", START_US, START_US, 1.0, Quality.GOOD, "Later")]), 2)
    for settle in (False, True):
        engine.maintain(START_US, settle=settle)
        assert [r.status for r in engine.read(["m-1/gauge", "m-2/gauge"], ALL).readings()] == [*words, "Later"]
    engine.close()
    engine = open_engine(settings)
    engine.write(block_of([Reading("m-2/gauge", START_US + 1, START_US, 1.0, Quality.GOOD, "Last")]), 3)
    assert [r.status for r in engine.read(["m-1/gauge", "m-2/gauge"], ALL).readings()] == [*words, "Later", "Last"]
    assert engine.read(["m-3/new"], ALL).readings() == []
    engine.close()


def test_a_file_of_an_older_layout_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "old.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TABLE readings (series INTEGER, source_time_us BIGINT, delay_us BIGINT, kind UTINYINT, f64 DOUBLE, i64 BIGINT, text VARCHAR,"
            " quality UTINYINT, status VARCHAR)")
    with pytest.raises(ConfigError, match=r"older program.*gateway rebuild"):
        open_engine(DuckdbSettings(str(file)))
