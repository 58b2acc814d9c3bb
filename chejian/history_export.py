"""Readings into CSV and Parquet files, as they come."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workshop.block import Block
from workshop.errors import ConfigError

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


def _columns(block: Block) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for r in block.readings():
        equipment, _, name = r.signal.partition("/")
        numbers = [r.value if isinstance(r.value, kind) else None for kind in (float, int, str)]
        for column, value in zip(COLUMNS, (equipment, name, r.source_time_us, r.received_time_us, *numbers, int(r.quality), r.status), strict=True):
            made[column].append(value)
    return made


def _write_csv(path: Path, blocks: Iterable[Block]) -> int:
    rows = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for block in blocks:
            writer.writerows(zip(*_columns(block).values(), strict=True))
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
            writer.write_table(pa.table(_columns(block), schema=schema))
            rows += len(block)
    return rows
