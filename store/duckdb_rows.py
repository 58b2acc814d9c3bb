"""Blocks as the rows of DuckDB's tables and back, through Arrow."""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workshop.block import Block, empty_block
from workshop.reading import ValueKind


def block_from(table: Any, names: Sequence[str], statuses: Sequence[str]) -> Block:
    """The rows of an Arrow table with received times; `names` are the signals by series, `statuses` what the devices said by number."""
    if table.num_rows == 0:
        return empty_block()
    column = {name: table[name].to_numpy() for name in ("series", "source_time_us", "received_time_us", "kind", "f64", "i64", "quality", "status")}
    used, signal = np.unique(column["series"], return_inverse=True)
    said, status = np.unique(column["status"], return_inverse=True)
    text = table["text"].to_pylist() if bool((column["kind"] == ValueKind.TEXT).any()) else []
    return Block(
        [names[number] for number in used.tolist()], [statuses[number] for number in said.tolist()], signal.reshape(-1).astype(np.int32),
        column["source_time_us"], column["received_time_us"], column["kind"], column["f64"], column["i64"], text, column["quality"],
        status.reshape(-1).astype(np.int32),
    )


def insert(connection: duckdb.DuckDBPyConnection, block: Block, place: NDArray[np.int32], said: NDArray[np.int32]) -> None:
    """Adds the block's rows to `readings`; `place` is the series of each of its signals, `said` the number of each of its statuses."""
    connection.register("incoming", _to_arrow(block, place, said))
    connection.execute("INSERT INTO readings SELECT * FROM incoming")
    connection.unregister("incoming")


def _to_arrow(block: Block, place: NDArray[np.int32], said: NDArray[np.int32]) -> Any:
    text = pa.array(block.value_text, pa.string(), mask=block.kind != ValueKind.TEXT) if block.value_text else pa.nulls(len(block), pa.string())
    return pa.table({
        "series": pa.array(place[block.signal]),
        "source_time_us": pa.array(block.source_time_us),
        "delay_us": pa.array(block.received_time_us - block.source_time_us),
        "kind": pa.array(block.kind),
        "f64": pa.array(block.value_f64, mask=block.kind != ValueKind.F64),
        "i64": pa.array(block.value_i64, mask=block.kind != ValueKind.I64),
        "text": text,
        "quality": pa.array(block.quality),
        "status": pa.array(said[block.status]),
    })


class Words:
    """Texts that repeat, numbered in the order in which they came, in a table of their own: of a number a row takes next to nothing."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
        self._table = table
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, {column} VARCHAR NOT NULL UNIQUE)")
        self.names = [name for (name,) in connection.execute(f"SELECT {column} FROM {table} ORDER BY id").fetchall()]  # noqa: S608 - our own names
        self.ids = {name: number for number, name in enumerate(self.names)}

    def fresh(self, words: Sequence[str]) -> list[str]:
        """Those that have no number yet, each once."""
        return [word for word in dict.fromkeys(words) if word not in self.ids]

    def add(self, connection: duckdb.DuckDBPyConnection, fresh: Sequence[str]) -> None:
        """Writes them; `keep` them once that is committed."""
        if fresh:
            rows = [[len(self.names) + number, word] for number, word in enumerate(fresh)]
            connection.executemany(f"INSERT INTO {self._table} VALUES (?, ?)", rows)  # noqa: S608 - our own name

    def numbers(self, words: Sequence[str], fresh: Sequence[str]) -> NDArray[np.int32]:
        """The number of each, with those that are being added; at least one, so that no rows can index it."""
        coming = {word: len(self.names) + number for number, word in enumerate(fresh)}
        return np.array([self.ids[word] if word in self.ids else coming[word] for word in words] or [0], np.int32)

    def keep(self, fresh: Sequence[str]) -> None:
        """Takes over what has been committed."""
        for word in fresh:
            self.ids[word] = len(self.names)
            self.names.append(word)
