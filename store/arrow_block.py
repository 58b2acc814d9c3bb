"""Blocks as Arrow and back: what travels between the gateway and those who compute, column by column, without an object per value."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from workshop.block import Block, check_block
from workshop.errors import Rejected
from workshop.reading import ValueKind

ARROW_TYPE = "application/vnd.apache.arrow.stream"
COLUMNS = ("signal", "source_time_us", "received_time_us", "kind", "f64", "i64", "text", "quality", "status")


def to_arrow(block: Block) -> bytes:
    """The block as one Arrow IPC stream; signals, statuses and texts as dictionaries, values null where they do not apply."""
    text = pa.array(block.value_text, pa.string(), mask=block.kind != ValueKind.TEXT) if block.value_text else pa.nulls(len(block), pa.string())
    batch = pa.record_batch({
        "signal": pa.DictionaryArray.from_arrays(pa.array(block.signal), pa.array(block.signals, pa.string())),
        "source_time_us": pa.array(block.source_time_us),
        "received_time_us": pa.array(block.received_time_us),
        "kind": pa.array(block.kind),
        "f64": pa.array(block.value_f64, mask=block.kind != ValueKind.F64),
        "i64": pa.array(block.value_i64, mask=block.kind != ValueKind.I64),
        "text": text.dictionary_encode(),
        "quality": pa.array(block.quality),
        "status": pa.DictionaryArray.from_arrays(pa.array(block.status), pa.array(block.statuses, pa.string())),
    })
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch)
    return stream.getvalue()


def from_arrow(data: bytes) -> Block:
    """The block in a stream that `to_arrow` made.

    Raises:
        Rejected: not such a stream.
    """
    try:
        batch = pa.ipc.open_stream(data).read_next_batch()
        if tuple(batch.schema.names) != COLUMNS:
            raise Rejected(f"Arrow: columns {', '.join(batch.schema.names)}; expected {', '.join(COLUMNS)}")
        column = {name: batch.column(name) for name in COLUMNS}
        number = {
            name: column[name].fill_null(0).to_numpy(zero_copy_only=False)
            for name in ("source_time_us", "received_time_us", "kind", "f64", "i64", "quality")
        }
        text = column["text"].to_pylist() if bool((number["kind"] == ValueKind.TEXT).any()) else []
        block = Block(
            column["signal"].dictionary.to_pylist(), column["status"].dictionary.to_pylist(), column["signal"].indices.to_numpy().astype(np.int32),
            number["source_time_us"].astype(np.int64), number["received_time_us"].astype(np.int64), number["kind"].astype(np.uint8),
            number["f64"].astype(np.float64), number["i64"].astype(np.int64), ["" if value is None else value for value in text],
            number["quality"].astype(np.uint8), column["status"].indices.to_numpy().astype(np.int32),
        )
    except (pa.ArrowException, AttributeError, StopIteration) as error:
        raise Rejected(f"Arrow: not a stream of readings ({error})") from error
    check_block(block)
    return block
