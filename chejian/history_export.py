"""Readings into CSV and Parquet files, as they come."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from workshop.block import Block
from workshop.errors import ConfigError
from workshop.reading import ValueKind

FORMATS = (".csv", ".parquet")
COLUMNS = ("equipment", "name", "source_time_us", "received_time_us", "value_f64", "value_i64", "value_text", "quality", "status")


def write(path: Path, blocks: Iterable[Block]) -> int:
    """Writes blocks into a new file as they come; returns the rows. The file appears under its name when it is whole.

    Raises:
        ConfigError: another ending than .csv or .parquet, there already, or it cannot be written.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path}: the name must end in {' or '.join(FORMATS)}")
    if path.exists():
        raise ConfigError(f"{path}: is there already; name another file")
    scratch = path.with_name(path.name + ".part")
    try:
        rows = (_write_parquet if path.suffix == ".parquet" else _write_csv)(scratch, blocks)
        scratch.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        scratch.unlink(missing_ok=True)
    return rows


def _where(block: Block, kind: ValueKind, values: list[Any]) -> list[Any]:
    """The values of the rows of this kind, None for the others."""
    return [value if has else None for has, value in zip((block.kind == kind).tolist(), values or [None] * len(block), strict=True)]


def _columns(block: Block) -> Iterator[list[Any]]:
    """Lists in the order of `COLUMNS`."""
    names = [signal.partition("/") for signal in block.signals]
    index = block.signal.tolist()
    yield [names[i][0] for i in index]
    yield [names[i][2] for i in index]
    yield block.source_time_us.tolist()
    yield block.received_time_us.tolist()
    yield _where(block, ValueKind.F64, block.value_f64.tolist())
    yield _where(block, ValueKind.I64, block.value_i64.tolist())
    yield _where(block, ValueKind.TEXT, block.value_text)
    yield block.quality.tolist()
    yield [block.statuses[i] for i in block.status.tolist()]


def _write_csv(path: Path, blocks: Iterable[Block]) -> int:
    rows = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for block in blocks:
            writer.writerows(zip(*_columns(block), strict=True))
            rows += len(block)
    return rows


def _write_parquet(path: Path, blocks: Iterable[Block]) -> int:
    import pyarrow as pa
    import pyarrow.parquet

    types = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.float64(), pa.int64(), pa.string(), pa.uint8(), pa.string())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    rows = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for block in blocks:
            writer.write_table(pa.table(list(_columns(block)), schema=schema))
            rows += len(block)
    return rows
