"""DuckDB, embedded: one file, owned by one process; integer series, rows and cursor in one transaction, latest rows in memory.

Rows arrive in `readings`, where DuckDB's rowid is the order of arrival, and settle later into tables of one day each (`store.duckdb_periods`).
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow.compute as pc

from store.duckdb_periods import NUMBER, READING_COLUMNS, STEP_US, TABLES, Periods, table_of
from store.duckdb_rows import Words, block_from, insert
from store.engine import Aggregates, Capabilities, RefusedRows
from store.latest import LatestRows, newest_rows
from workshop.block import Block, concat, empty_block
from workshop.errors import ConfigError, NotConnected
from workshop.window import HOUR_US, Window

_TABLES = """
CREATE TABLE IF NOT EXISTS position (cursor BIGINT NOT NULL);
INSERT INTO position SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM position);
"""
_COLUMNS = """series, source_time_us, source_time_us + delay_us AS received_time_us, kind, coalesce(f64, 0) AS f64, coalesce(i64, 0) AS i64,
coalesce(text, '') AS text, quality, status"""
_EARLIEST, _LATEST = -(2**62), 2**62
_DAYS_AT_ONCE = 4
_GIVE_BACK: dict[str, str | bool | int | float | list[str]] = {"allocator_flush_threshold": "16MB", "allocator_background_threads": True}
"""Memory of a sort goes back to the system when it is done, not when the allocator next has reason to."""
_NEW_FILE: dict[str, str | bool | int | float | list[str]] = {"default_block_size": 65_536}
"""A quarter of DuckDB's own: what a table's last blocks leave empty is a tenth of the file. A file that is there keeps its blocks."""


class DuckdbSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the file is and what it may use."""

    path: str
    """The database file; made when it is not there."""
    memory_limit: str = "256MB"
    """Memory that DuckDB may use, cache of its file included, such as 1GB; larger sorts use the disk."""
    threads: int = 2
    """Threads that a query may use."""
    settle_rows: int = 2_000_000
    """So many rows in order of arrival are sorted into the tables of their days."""
    retention_days: int = 0
    """Days older than this are dropped from the engine (never from the archive); 0 keeps all."""


def open_engine(settings: DuckdbSettings) -> "DuckdbEngine":
    """The engine on this file; what a killed process left in the write-ahead log is replayed.

    Raises:
        ConfigError: another process has the file, or it is not a DuckDB file of this version.
    """
    return DuckdbEngine(settings)


class DuckdbEngine:
    """Readings in one DuckDB file."""

    capabilities = Capabilities(
        text=True, integers_beyond_2_53=True, resolution_us=1, deduplicates=False, aggregates=True, clustering=False,
    )

    def __init__(self, settings: DuckdbSettings) -> None:
        config = _GIVE_BACK | _NEW_FILE | {"memory_limit": settings.memory_limit, "threads": settings.threads}
        try:
            self._connection = duckdb.connect(settings.path, config=config)
            self._connection.execute(TABLES)
            self._connection.execute(_TABLES)
            self._check_layout(settings.path)
            self._series, self._statuses = Words(self._connection, "series", "signal"), Words(self._connection, "statuses", "status")
            # The first insert of a process is slow: an empty one is made before anybody waits for it.
            insert(self._connection, empty_block(), np.zeros(1, np.int32), np.zeros(1, np.int32))
            self._cursor = int(self._connection.execute("SELECT cursor FROM position").fetchall()[0][0])
            self._waiting = int(self._connection.execute("SELECT count(*) FROM readings").fetchall()[0][0])
            self._periods = Periods(self._connection)
        except duckdb.Error as error:
            line = str(error).splitlines()[0]
            hint = "stop the other process that has it open" if "lock" in line else "'chejian gateway rebuild' makes it again from the archive"
            raise ConfigError(f"{settings.path}: DuckDB cannot open it ({line}); {hint}") from error
        self._path, self._settings = settings.path, settings
        self._writing, self._settling = threading.Lock(), threading.Lock()
        self._latest = LatestRows()
        self._latest.update(self._latest_stored())

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        """Rows, new series and the cursor in one transaction; it holds every row."""
        with self._writing:
            if cursor <= self._cursor:
                return ()
            words = ((self._series, self._series.fresh(block.signals)), (self._statuses, self._statuses.fresh(block.statuses)))
            place, said = (own.numbers(named, fresh) for (own, fresh), named in zip(words, (block.signals, block.statuses), strict=True))
            try:
                with self._connection.cursor() as connection:
                    connection.begin()
                    for own, fresh in words:
                        own.add(connection, fresh)
                    if len(block):
                        insert(connection, block, place, said)
                    connection.execute("UPDATE position SET cursor = ?", [cursor])
                    connection.commit()
            except duckdb.Error as error:
                # Closing the cursor has rolled the transaction back.
                raise self._cannot("write", error) from error
            for own, fresh in words:
                own.keep(fresh)
            self._cursor = cursor
            self._waiting += len(block)
            self._latest.update(block)
            return ()

    def maintain(self, now_us: int, *, settle: bool = False) -> None:
        """Sorts what has arrived into days when there is much of it (or when told to), and drops days out of retention."""
        if not settle and self._waiting < self._settings.settle_rows and not self._settings.retention_days:
            return
        # Beside the writer: a transaction of its own moves the rows that it sees, those that come meanwhile wait for the next time. With the writer
        # held up, a day of many million rows, written anew in one order, would let the engine fall behind by half a minute.
        with self._settling:
            try:
                with self._connection.cursor() as connection:
                    if self._waiting and (settle or self._waiting >= self._settings.settle_rows):
                        moved = self._periods.settle(connection)
                        with self._writing:
                            self._waiting -= moved
                        # The room of what was moved is given back at the next checkpoint of the write-ahead log. One made here would keep the
                        # writer waiting for as long as it takes; who tells us to settle wants it now. DuckDB refuses while somebody else writes.
                        if settle:
                            with contextlib.suppress(duckdb.TransactionException):
                                connection.execute("CHECKPOINT")
                    if self._settings.retention_days:
                        self._periods.drop_before(connection, now_us - self._settings.retention_days * 24 * HOUR_US)
            except duckdb.Error as error:
                raise self._cannot("sort its rows", error) from error

    def cursor(self) -> int:
        """Next data-log index."""
        return self._cursor

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Rows of the window, exact, sorted. With a limit a long window is read signal by signal, a few days at a time."""
        ids = self._known(signals)
        days = self._periods.days(window.start_us, window.end_us)
        if not ids or window.length_us == 0:
            return empty_block()
        if limit is None or len(days) <= _DAYS_AT_ONCE:
            return self._rows(ids, window, limit)
        cuts = [window.start_us, *(day * 24 * HOUR_US for day in days[_DAYS_AT_ONCE::_DAYS_AT_ONCE]), window.end_us]
        blocks: list[Block] = []
        for number in ids:
            for start_us, end_us in itertools.pairwise(cuts):
                if limit > 0:
                    blocks.append(self._rows([number], Window(start_us, end_us), limit))
                    limit -= len(blocks[-1])
        return concat(blocks)

    def _rows(self, ids: list[int], window: Window, limit: int | None) -> Block:
        def sql() -> str:
            order = f"list_position([{', '.join(map(str, ids))}], series), " if len(ids) > 1 else ""
            cut = f" LIMIT {limit}" if limit is not None else ""
            return f"SELECT {_COLUMNS} FROM ({self._from(ids, window)}) ORDER BY {order}source_time_us, part, place{cut}"  # noqa: S608

        return self._block(self._query(sql))

    def _from(self, ids: Sequence[int], window: Window, *, settled: bool = True) -> str:
        """The rows of these series in the window, with `part` and `place` that tell the order of arrival. Numbers only: nothing to inject."""
        where = f"series IN ({', '.join(map(str, ids))}) AND source_time_us >= {window.start_us} AND source_time_us < {window.end_us}"
        tables = [(table_of("day", day), 0) for day in self._periods.days(window.start_us, window.end_us)] if settled else []
        return " UNION ALL ".join(
            f"SELECT {READING_COLUMNS}, {part} AS part, rowid AS place FROM {table} WHERE {where}" for table, part in [*tables, ("readings", 1)]  # noqa: S608
        )

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        """Computed by DuckDB over good and uncertain numbers; steps of whole ten minutes from the prepared ones."""
        if step_us < 1:
            raise ConfigError(f"aggregate: step_us is {step_us}, must be at least 1")
        number = self._series.ids.get(signal, -1)
        whole_us = window.start_us
        if step_us % STEP_US == 0 and window.start_us % STEP_US == 0:
            whole_us += window.length_us // STEP_US * STEP_US

        def sql() -> str:
            prepared = Window(window.start_us, whole_us)
            parts = [
                f"SELECT start_us AS t, n, low, high, total FROM {table_of('steps', month)} WHERE series = {number}"  # noqa: S608
                f" AND start_us >= {prepared.start_us} AND start_us < {prepared.end_us}"
                for month in self._periods.months(prepared.start_us, prepared.end_us)
            ]
            for piece, settled in ((prepared, False), (Window(whole_us, window.end_us), True)):
                rows = self._from([number], piece, settled=settled)
                numbers = f"SELECT source_time_us AS t, {NUMBER} AS v FROM ({rows}) WHERE kind IN (1, 2)"  # noqa: S608
                parts.append(f"SELECT t, 1 AS n, v AS low, v AS high, v AS total FROM ({numbers})")  # noqa: S608
            start = f"{window.start_us} + (t - {window.start_us}) // {step_us} * {step_us}"
            return (
                f"SELECT {start} AS start_us, sum(n)::BIGINT AS n, min(low) AS low, max(high) AS high, sum(total) / sum(n) AS mean"  # noqa: S608
                f" FROM ({' UNION ALL '.join(parts)}) GROUP BY 1 ORDER BY 1"
            )

        table = self._query(sql)
        column = {name: table[name].to_numpy() for name in table.column_names}
        return Aggregates(
            column["start_us"].astype(np.int64), column["n"].astype(np.int64), column["low"].astype(np.float64),
            column["high"].astype(np.float64), column["mean"].astype(np.float64),
        )

    def latest(self, signals: Sequence[str] | None = None) -> Block:
        """From memory."""
        return self._latest.block(signals)

    def last_before(self, signals: Sequence[str], time_us: int) -> Block:
        """From memory where the newest row is old enough, otherwise looked up: the hour before, the day before, everything."""
        found = [self._latest.block(signals, before_us=time_us)]
        missing = self._known([name for name in signals if name not in found[0].signals])
        for start_us in (time_us - HOUR_US, time_us - 24 * HOUR_US, _EARLIEST):
            if not missing:
                break
            rows = self._newest(missing, Window(start_us, time_us))
            found.append(rows)
            seen = set(rows.signals)
            missing = [number for number in missing if self._series.names[number] not in seen]
        return newest_rows(concat(found), signals)

    def count(self) -> int:
        """Number of rows."""
        def sql() -> str:
            tables = ["readings", *(table_of("day", day) for day in self._periods.days(_EARLIEST, _LATEST))]
            return f"SELECT {' + '.join(f'(SELECT count(*) FROM {table})' for table in tables)} AS n"  # noqa: S608 - names of our own tables

        return int(self._query(sql)["n"][0].as_py())

    def close(self) -> None:
        """Writes the log into the file and closes it."""
        self._connection.close()

    def _known(self, signals: Sequence[str]) -> list[int]:
        return [self._series.ids[name] for name in dict.fromkeys(signals) if name in self._series.ids]

    def _newest(self, ids: list[int], window: Window) -> Block:
        if not ids:
            return empty_block()
        newest = "row_number() OVER (PARTITION BY series ORDER BY part DESC, place DESC) = 1"

        def sql() -> str:
            # Only rows of the newest time go through the window function, which would otherwise hold (and spill) all of them.
            rows = self._from(ids, window)
            times = f"SELECT series, max(source_time_us) AS source_time_us FROM ({rows}) GROUP BY series"  # noqa: S608
            return f"SELECT {_COLUMNS} FROM ({rows}) SEMI JOIN ({times}) USING (series, source_time_us) QUALIFY {newest}"  # noqa: S608

        return self._block(self._query(sql))

    def _latest_stored(self) -> Block:
        """The newest row of every series: from what has not settled, then day by day backwards for the series that are left."""
        blocks, missing = [], set(self._series.ids.values())
        for day in (None, *reversed(self._periods.days(_EARLIEST, _LATEST))):
            table = "readings" if day is None else table_of("day", day)
            found = self._connection.sql(f"SELECT series, max(source_time_us) AS t FROM {table} GROUP BY series").to_arrow_table()  # noqa: S608
            ids = [number for number in found["series"].to_pylist() if number in missing or day is None]
            if ids:
                times = found["t"].to_numpy()
                blocks.append(self._newest(ids, Window(int(times.min()), int(times.max()) + 1)))
            missing -= set(ids) if day is not None else set()
            if not missing:
                break
        return newest_rows(concat(blocks[::-1]))  # of equal times what has not settled came later

    def _query(self, sql: Callable[[], str]) -> Any:
        """Runs a query that is made anew while rows are just being moved from one table to another."""
        while True:
            version = self._periods.version
            try:
                # A cursor of its own for every query: connections must not be shared between threads.
                with self._connection.cursor() as connection:
                    table = connection.sql(sql()).to_arrow_table()
            except duckdb.Error as error:
                if version == self._periods.version and version % 2 == 0:
                    raise self._cannot("read", error) from error
                continue
            if version == self._periods.version and version % 2 == 0:
                return table

    def _cannot(self, what: str, error: duckdb.Error) -> NotConnected:
        return NotConnected(f"{self._path}: DuckDB cannot {what} ({str(error).splitlines()[0]}); check the disk's free space")

    def _block(self, table: Any) -> Block:
        if table.num_rows and int(pc.max(table["status"]).as_py()) >= len(self._statuses.names):
            # Rows of a transaction that has just been committed: its writer is about to note their statuses.
            with self._writing:
                pass
        return block_from(table, self._series.names, self._statuses.names)

    def _check_layout(self, path: str) -> None:
        found = self._connection.execute(
            "SELECT data_type FROM duckdb_columns() WHERE table_name = 'readings' AND column_name = 'status'").fetchall()
        if found != [("INTEGER",)]:
            self._connection.close()
            raise ConfigError(f"{path}: written by an older program, in another layout; 'chejian gateway rebuild' makes it again from the archive")
