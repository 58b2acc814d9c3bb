"""Readings in Parquet files as columns: no object per value. Files whose columns have other types are read row by row, see `history_files`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from workshop.block import Block
from workshop.errors import ConfigError
from workshop.reading import Quality, ValueKind

ROWS_AT_ONCE = 65_536
NO_SIGNAL, NO_TIME, BAD_QUALITY = "no signal id", "no time", "quality must be 0, 1 or 2"
NO_VALUE, NOT_FINITE = "no value, and quality is not bad", "NaN and infinity are no values; leave the value empty and say bad in quality"
Flags = NDArray[np.bool_]


class Columns(msgspec.Struct, frozen=True):
    """Some rows of a file as a block, and for those that are no readings the reason and their numbers within the file."""

    block: Block
    refused: list[tuple[str, NDArray[np.int64]]]
    read: int
    """Rows read, good and refused."""
    rows: NDArray[np.int64]
    """The numbers of the block's rows within the file."""
    names: dict[str, str]
    """Every name of a signal in these rows as the file has it → its id."""


def rows_of(path: Path) -> int:
    """How many rows a Parquet file has, by its footer.

    Raises:
        ConfigError: no Parquet file.
    """
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path}: no Parquet file ({str(error).splitlines()[0][:200]})") from error


def columns_of(path: Path, rename: Mapping[str, str]) -> Iterator[Columns] | None:
    """The rows of a file in its order, or None if its columns are not of the types that can be taken whole.

    Raises:
        ConfigError: no Parquet file.
    """
    try:
        schema = pyarrow.parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path}: no Parquet file ({str(error).splitlines()[0][:200]})") from error
    return _read(path, rename) if _whole(schema) else None


def _whole(schema: pa.Schema) -> bool:
    types = dict(zip(schema.names, schema.types, strict=True))
    if len(types) != len(schema.names) or not (_text(types.get("signal")) or (_text(types.get("equipment")) and _text(types.get("name")))):
        return False
    time, value = types.get("source_time_us"), types.get("value")
    if time is None:
        time = types.get("time")
        fits = time is not None and pa.types.is_timestamp(time) and time.tz is not None
    else:
        fits = pa.types.is_integer(time)
    return fits and all((
        value is None or pa.types.is_floating(value) or pa.types.is_integer(value),
        all(pa.types.is_integer(types[name]) for name in ("received_time_us", "quality", "value_i64") if name in types),
        "value_f64" not in types or pa.types.is_floating(types["value_f64"]),
        all(_text(types[name]) for name in ("value_text", "status") if name in types),
    ))


def _text(type_: Any) -> bool:
    if type_ is not None and pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return type_ is not None and (pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _read(path: Path, rename: Mapping[str, str]) -> Iterator[Columns]:
    first = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield _columns(batch, rename, first)
                first += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: damaged ({str(error).splitlines()[0][:200]})") from error


def _columns(batch: pa.RecordBatch, rename: Mapping[str, str], first: int) -> Columns:
    n, given = batch.num_rows, {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
    signals, signal, named, names = _signals(given, rename)
    stated_us = given.get("source_time_us")
    if stated_us is None:
        stated_us = given["time"].cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    time_us, timed = _numbers(stated_us)
    received_us, received = _numbers(given["received_time_us"]) if "received_time_us" in given else (time_us, timed)
    kind, f64, i64, text = _values(given, n)
    stated, said = _numbers(given["quality"]) if "quality" in given else (np.zeros(n, np.int64), np.zeros(n, np.bool_))
    quality = np.where(said, stated, np.where(kind == ValueKind.NONE, int(Quality.BAD), int(Quality.GOOD)))
    finite = (kind != ValueKind.F64) | np.isfinite(f64)
    reasons = (
        (NO_SIGNAL, ~named), (NO_TIME, ~timed), (BAD_QUALITY, (quality < 0) | (quality > 2)),
        (NOT_FINITE, ~finite), (NO_VALUE, (kind == ValueKind.NONE) & (quality != Quality.BAD)),
    )
    good, refused = np.ones(n, np.bool_), []
    for reason, wrong in reasons:
        if len(rows := np.flatnonzero(wrong & good)):
            refused.append((reason, rows + first))
        good &= ~wrong
    bad = (quality == Quality.BAD) | ~good
    if text and bool(bad.any()):
        text = ["" if none else value for none, value in zip(bad.tolist(), text, strict=True)]
    statuses, status = _words(given["status"]) if "status" in given else ([""], np.zeros(n, np.int32))
    block = Block(
        signals, statuses, signal, time_us, np.where(received, received_us, time_us), np.where(bad, ValueKind.NONE, kind).astype(np.uint8),
        np.where(bad, 0.0, f64), np.where(bad, 0, i64), text, quality.astype(np.uint8), status,
    )
    return Columns(block if bool(good.all()) else block.take(good), refused, n, np.flatnonzero(good) + first, names)


def _signals(given: Mapping[str, Any], rename: Mapping[str, str]) -> tuple[list[str], NDArray[np.int32], Flags, dict[str, str]]:
    """Signal ids, each row's index, which rows have one, and every name that stands there with its id."""
    if "signal" in given:
        words, index = _words(given["signal"])
        named = given["signal"].is_valid().to_numpy(zero_copy_only=False)
    else:
        (equipment, which), (names, name) = _words(given["equipment"]), _words(given["name"])
        pairs, index = np.unique(which.astype(np.int64) * len(names) + name, return_inverse=True)
        words = [f"{equipment[pair // len(names)]}/{names[pair % len(names)]}" for pair in pairs.tolist()]
        named = pc.and_(given["equipment"].is_valid(), given["name"].is_valid()).to_numpy(zero_copy_only=False)
    found: dict[str, int] = {}
    remap = np.array([found.setdefault(rename.get(word, word), len(found)) for word in words], np.int32)
    used = [words[number] for number in np.unique(index[named]).tolist()]
    return list(found), remap[index], named, {word: rename.get(word, word) for word in used}


def _words(column: Any) -> tuple[list[str], NDArray[np.int32]]:
    """The different texts of a column, at least one, and each row's index; null counts as empty."""
    encoded = (column if pa.types.is_dictionary(column.type) else column.dictionary_encode())
    words = [word or "" for word in encoded.dictionary.to_pylist()]
    index = pc.fill_null(encoded.indices.cast(pa.int32()), len(words)).to_numpy(zero_copy_only=False)
    return [*words, ""], index


def _numbers(column: Any) -> tuple[NDArray[np.int64], Flags]:
    return (
        pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False),
        column.is_valid().to_numpy(zero_copy_only=False),
    )


def _values(given: Mapping[str, Any], n: int) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64], list[str]]:
    """Each row's kind and value: of the columns value_f64, value_i64, value_text and value the first that has one."""
    kind, f64, i64 = np.zeros(n, np.uint8), np.zeros(n, np.float64), np.zeros(n, np.int64)
    text: list[str] = []
    for name in ("value_f64", "value_i64", "value_text", "value"):
        column = given.get(name)
        if column is None or column.null_count == n:
            continue
        has = column.is_valid().to_numpy(zero_copy_only=False) & (kind == ValueKind.NONE)
        if _text(column.type):
            kind[has] = ValueKind.TEXT
            text = [value if one and value is not None else "" for one, value in zip(has.tolist(), column.to_pylist(), strict=True)]
        elif pa.types.is_floating(column.type):
            kind[has] = ValueKind.F64
            f64[has] = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)[has]
        else:
            kind[has] = ValueKind.I64
            i64[has] = _numbers(column)[0][has]
    return kind, f64, i64, text
