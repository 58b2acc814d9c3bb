"""Blocks as the rows of DuckDB's tables and back, through Arrow."""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workshop.block import Block, empty_block
from workshop.reading import ValueKind


def block_from(table: Any, names: Sequence[str]) -> Block:
    """The rows of an Arrow table with received times; `names` are the signals by series."""
    if table.num_rows == 0:
        return empty_block()
    column = {name: table[name].to_numpy() for name in ("series", "source_time_us", "received_time_us", "kind", "f64", "i64", "quality")}
    used, signal = np.unique(column["series"], return_inverse=True)
    statuses = table["status"].combine_chunks().dictionary_encode()
    text = table["text"].to_pylist() if bool((column["kind"] == ValueKind.TEXT).any()) else []
    return Block(
        [names[number] for number in used.tolist()], statuses.dictionary.to_pylist(), signal.reshape(-1).astype(np.int32),
        column["source_time_us"], column["received_time_us"], column["kind"], column["f64"], column["i64"], text, column["quality"],
        statuses.indices.to_numpy(zero_copy_only=False).astype(np.int32),
    )


def insert(connection: duckdb.DuckDBPyConnection, block: Block, place: NDArray[np.int32]) -> None:
    """Adds the block's rows to `readings`; `place` is the series of each of its signals."""
    connection.register("incoming", _to_arrow(block, place))
    connection.execute("INSERT INTO readings SELECT * FROM incoming")
    connection.unregister("incoming")


def _to_arrow(block: Block, place: NDArray[np.int32]) -> Any:
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
        "status": pa.DictionaryArray.from_arrays(pa.array(block.status), pa.array(block.statuses, pa.string())),
    })
