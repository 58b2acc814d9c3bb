"""DuckDB, embedded: one file, owned by one process; integer series, rows and cursor in one transaction, latest rows in memory.

The table is only ever appended to, so that DuckDB's rowid is the order of arrival.
"""

import threading
from collections.abc import Sequence
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from store.engine import Aggregates, Capabilities, RefusedRows
from store.latest import LatestRows, newest_rows
from workshop.block import Block, concat, empty_block
from workshop.errors import ConfigError, NotConnected
from workshop.reading import ValueKind
from workshop.window import HOUR_US, Window

_TABLES = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, signal VARCHAR NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS readings (
  series INTEGER NOT NULL, source_time_us BIGINT NOT NULL, received_time_us BIGINT NOT NULL, kind UTINYINT NOT NULL,
  f64 DOUBLE, i64 BIGINT, text VARCHAR, quality UTINYINT NOT NULL, status VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS position (cursor BIGINT NOT NULL);
INSERT INTO position SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM position);
"""
_COLUMNS = """series, source_time_us, received_time_us, kind, coalesce(f64, 0) AS f64, coalesce(i64, 0) AS i64, coalesce(text, '') AS text,
quality, status"""
_READ = f"""SELECT {_COLUMNS} FROM readings WHERE series IN (SELECT unnest($ids::INTEGER[])) AND source_time_us >= $start AND source_time_us < $end
ORDER BY list_position($ids::INTEGER[], series), source_time_us, rowid LIMIT $limit"""  # noqa: S608 - the columns are a constant
_NEWEST = f"""SELECT {_COLUMNS} FROM readings WHERE series IN (SELECT unnest($ids::INTEGER[])) AND source_time_us >= $start AND source_time_us < $end
QUALIFY row_number() OVER (PARTITION BY series ORDER BY source_time_us DESC, rowid DESC) = 1"""  # noqa: S608 - the columns are a constant
_AGGREGATE = """SELECT $start + ((source_time_us - $start) // $step) * $step AS start_us, count(*) AS n, min(v) AS low, max(v) AS high, avg(v) AS mean
FROM (SELECT source_time_us, CASE kind WHEN 1 THEN f64 ELSE i64::DOUBLE END AS v FROM readings
      WHERE series = $id AND source_time_us >= $start AND source_time_us < $end AND kind IN (1, 2)) GROUP BY start_us ORDER BY start_us"""
_EARLIEST = -(2**63)
_NO_LIMIT = 2**62


class DuckdbSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the file is and what it may use."""

    path: str
    """The database file; made when it is not there."""
    memory_limit: str = "1GB"
    """Memory that DuckDB may use, such as 1GB."""
    threads: int = 2
    """Threads that a query may use."""


def open_engine(settings: DuckdbSettings) -> "DuckdbEngine":
    """The engine on this file; what a killed process left in the write-ahead log is replayed.

    Raises:
        ConfigError: another process has the file, or it is not a DuckDB file of this version.
    """
    return DuckdbEngine(settings)


class DuckdbEngine:
    """Readings in one DuckDB table."""

    capabilities = Capabilities(
        text=True, integers_beyond_2_53=True, resolution_us=1, deduplicates=False, aggregates=True, clustering=False,
    )

    def __init__(self, settings: DuckdbSettings) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": settings.memory_limit, "threads": settings.threads}
        try:
            self._connection = duckdb.connect(settings.path, config=config)
            self._connection.execute(_TABLES)
            self._ids = {name: number for number, name in self._connection.execute("SELECT id, signal FROM series ORDER BY id").fetchall()}
            self._names = list(self._ids)
            # The first insert of a process is slow: an empty one is made before anybody waits for it.
            _insert(self._connection, empty_block(), np.zeros(1, np.int32))
            self._cursor = int(self._connection.execute("SELECT cursor FROM position").fetchall()[0][0])
        except duckdb.Error as error:
            line = str(error).splitlines()[0]
            hint = "stop the other process that has it open" if "lock" in line else "'chejian gateway rebuild' makes it again from the archive"
            raise ConfigError(f"{settings.path}: DuckDB cannot open it ({line}); {hint}") from error
        self._path = settings.path
        self._writing = threading.Lock()
        self._latest = LatestRows()
        self._latest.update(self._newest(list(self._ids.values()), _EARLIEST, 2**63 - 1))

    def write(self, block: Block, cursor: int) -> Sequence[RefusedRows]:
        """Rows, new series and the cursor in one transaction; it holds every row."""
        with self._writing:
            if cursor <= self._cursor:
                return ()
            fresh = [name for name in dict.fromkeys(block.signals) if name not in self._ids]
            ids = {name: len(self._ids) + i for i, name in enumerate(fresh)}
            place = np.array([self._ids.get(name, ids.get(name, 0)) for name in block.signals] or [0], np.int32)
            try:
                with self._connection.cursor() as connection:
                    connection.begin()
                    if ids:
                        connection.executemany("INSERT INTO series VALUES (?, ?)", [[number, name] for name, number in ids.items()])
                    if len(block):
                        _insert(connection, block, place)
                    connection.execute("UPDATE position SET cursor = ?", [cursor])
                    connection.commit()
            except duckdb.Error as error:
                # Closing the cursor has rolled the transaction back.
                raise NotConnected(f"{self._path}: DuckDB cannot write ({str(error).splitlines()[0]}); check the disk's free space") from error
            self._names.extend(fresh)
            self._ids.update(ids)
            self._cursor = cursor
            self._latest.update(block)
            return ()

    def cursor(self) -> int:
        """Next data-log index."""
        return self._cursor

    def read(self, signals: Sequence[str], window: Window, limit: int | None = None) -> Block:
        """Rows of the window, exact, sorted."""
        ids = self._known(signals)
        if not ids or window.length_us == 0:
            return empty_block()
        parameters = {"ids": ids, "start": window.start_us, "end": window.end_us, "limit": _NO_LIMIT if limit is None else limit}
        return self._block(self._query(_READ, parameters))

    def aggregate(self, signal: str, window: Window, step_us: int) -> Aggregates:
        """Computed by DuckDB over good and uncertain numbers."""
        if step_us < 1:
            raise ConfigError(f"aggregate: step_us is {step_us}, must be at least 1")
        table = self._query(_AGGREGATE, {"id": self._ids.get(signal, -1), "start": window.start_us, "end": window.end_us, "step": step_us})
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
            rows = self._newest(missing, start_us, time_us)
            found.append(rows)
            seen = set(rows.signals)
            missing = [number for number in missing if self._names[number] not in seen]
        return newest_rows(concat(found), signals)

    def count(self) -> int:
        """Number of rows."""
        return int(self._query("SELECT count(*) AS n FROM readings", {})["n"][0].as_py())

    def close(self) -> None:
        """Writes the log into the file and closes it."""
        self._connection.close()

    def _known(self, signals: Sequence[str]) -> list[int]:
        return [self._ids[name] for name in dict.fromkeys(signals) if name in self._ids]

    def _newest(self, ids: list[int], start_us: int, end_us: int) -> Block:
        return self._block(self._query(_NEWEST, {"ids": ids, "start": start_us, "end": end_us})) if ids else empty_block()

    def _query(self, sql: str, parameters: dict[str, Any]) -> Any:
        try:
            # A cursor of its own for every query: connections must not be shared between threads.
            with self._connection.cursor() as connection:
                return connection.sql(sql, params=parameters).to_arrow_table()
        except duckdb.Error as error:
            raise NotConnected(f"{self._path}: DuckDB cannot read ({str(error).splitlines()[0]})") from error

    def _block(self, table: Any) -> Block:
        if table.num_rows == 0:
            return empty_block()
        column = {name: table[name].to_numpy() for name in ("series", "source_time_us", "received_time_us", "kind", "f64", "i64", "quality")}
        used, signal = np.unique(column["series"], return_inverse=True)
        statuses = table["status"].combine_chunks().dictionary_encode()
        text = table["text"].to_pylist() if bool((column["kind"] == ValueKind.TEXT).any()) else []
        return Block(
            [self._names[number] for number in used.tolist()], statuses.dictionary.to_pylist(), signal.reshape(-1).astype(np.int32),
            column["source_time_us"], column["received_time_us"], column["kind"], column["f64"], column["i64"], text, column["quality"],
            statuses.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        )


def _insert(connection: duckdb.DuckDBPyConnection, block: Block, place: NDArray[np.int32]) -> None:
    connection.register("incoming", _to_arrow(block, place))
    connection.execute("INSERT INTO readings SELECT * FROM incoming")
    connection.unregister("incoming")


def _to_arrow(block: Block, place: NDArray[np.int32]) -> Any:
    text = pa.array(block.value_text, pa.string(), mask=block.kind != ValueKind.TEXT) if block.value_text else pa.nulls(len(block), pa.string())
    return pa.table({
        "series": pa.array(place[block.signal]),
        "source_time_us": pa.array(block.source_time_us),
        "received_time_us": pa.array(block.received_time_us),
        "kind": pa.array(block.kind),
        "f64": pa.array(block.value_f64, mask=block.kind != ValueKind.F64),
        "i64": pa.array(block.value_i64, mask=block.kind != ValueKind.I64),
        "text": text,
        "quality": pa.array(block.quality),
        "status": pa.DictionaryArray.from_arrays(pa.array(block.status), pa.array(block.statuses, pa.string())),
    })
