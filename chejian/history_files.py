"""Readings in CSV and Parquet files, read as a stream, some ten thousand rows at a time.

Columns: `signal`, or `equipment` and `name`; `source_time_us`, or `time` as ISO 8601 with its offset; `value`, or one of `value_f64`, `value_i64` and
`value_text`; where they are there also `received_time_us`, `quality` (0, 1, 2 or good, uncertain, bad) and `status`.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.block import I64_MAX, I64_MIN, Block, block_of
from workshop.errors import ConfigError, Rejected
from workshop.reading import Quality, Reading, Value

if TYPE_CHECKING:
    from chejian.history_parquet import Columns

ROWS_AT_ONCE = 50_000
FIRST_LINE = 2
"""The first row of a file stands below the header of a CSV; of a Parquet file it is counted so, too."""
_QUALITIES = {"0": Quality.GOOD, "1": Quality.UNCERTAIN, "2": Quality.BAD, "good": Quality.GOOD, "uncertain": Quality.UNCERTAIN, "bad": Quality.BAD}
_START = datetime(1970, 1, 1, tzinfo=UTC)


class RefusedRows(msgspec.Struct, frozen=True):
    """Rows of a file that are no readings."""

    reason: str
    lines: list[int]
    """The header is line 1 of a CSV, the first row of a file is line 2."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.lines)


class Piece(msgspec.Struct, frozen=True):
    """Some rows of a file: as readings, and those that are none."""

    block: Block
    refused: list[RefusedRows]
    read: int
    """Rows read, good and refused."""
    lines: NDArray[np.int64]
    """Where each row of the block stands in the file."""
    names: dict[str, str]
    """Every name of a signal in these rows as the file has it → its id."""


def read(path: Path, rename: Mapping[str, str], texts: Callable[[str], bool]) -> Iterator[Piece]:
    """The readings of a file, in its order.

    Args:
        rename: signals of the file by another id.
        texts: whether the values of a signal are text: in a column `value` of a CSV, 7 and "7" look the same.
    Raises:
        ConfigError: it cannot be read, or lacks a column.
    """
    whole = _whole(path, rename)
    if whole is not None:
        for some in whole:
            refused = [RefusedRows(reason, (lines + FIRST_LINE).tolist()) for reason, lines in some.refused]
            yield Piece(some.block, refused, some.read, some.rows + FIRST_LINE, some.names)
        return
    some_rows = _Rows()
    for line, record in _records(path):
        some_rows.add(line, record, rename, texts)
        if len(some_rows) >= ROWS_AT_ONCE:
            yield some_rows.piece()
            some_rows = _Rows()
    if len(some_rows):
        yield some_rows.piece()


class _Rows:
    """Rows that are read one by one, until they are a piece."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self._lines: list[int] = []
        self._refused: dict[str, list[int]] = {}
        self._names: dict[str, str] = {}
        self._read = 0

    def __len__(self) -> int:
        return self._read

    def add(self, line: int, record: Mapping[str, Any], rename: Mapping[str, str], texts: Callable[[str], bool]) -> None:
        self._read += 1
        name = record.get("signal") or f"{record.get('equipment') or ''}/{record.get('name') or ''}"
        signal = self._names[name] = rename.get(name, name)
        try:
            self._readings.append(_reading(record, signal, texts(signal)))
        except (ValueError, TypeError, OverflowError, Rejected) as error:
            self._refused.setdefault(str(error) or type(error).__name__, []).append(line)
        else:
            self._lines.append(line)

    def piece(self) -> Piece:
        refused = [RefusedRows(reason, lines) for reason, lines in self._refused.items()]
        return Piece(block_of(self._readings), refused, self._read, np.array(self._lines, np.int64), self._names)


def _whole(path: Path, rename: Mapping[str, str]) -> "Iterator[Columns] | None":
    if path.suffix != ".parquet":
        return None
    from chejian.history_parquet import columns_of

    return columns_of(path, rename)


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        if path.suffix == ".parquet":
            yield from _parquet_records(path)
            return
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            _check(path, reader.fieldnames or ())
            for record in reader:
                yield reader.line_num, record
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error


def _parquet_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check(path, file.schema_arrow.names)
            line = 1
            for batch in file.iter_batches(ROWS_AT_ONCE):
                columns = batch.to_pydict()
                for values in zip(*columns.values(), strict=True):
                    line += 1
                    yield line, dict(zip(columns, values, strict=True))
    except pa.ArrowException as error:
        raise ConfigError(f"{path}: no Parquet file ({str(error).splitlines()[0]})") from error


def _check(path: Path, columns: Iterable[str]) -> None:
    has = set(columns)
    for choice in (("signal", "equipment"), ("source_time_us", "time"), ("value", "value_f64", "value_i64", "value_text")):
        if not has & set(choice):
            raise ConfigError(f"{path}: no column {' or '.join(choice)}; there are {', '.join(sorted(has)) or 'none'}")


def _reading(record: Mapping[str, Any], signal: str, is_text: bool) -> Reading:
    time_us = _time(record)
    value = _value(record, is_text)
    given = str(record.get("quality") if record.get("quality") not in (None, "") else 0 if value is not None else 2).lower()
    if given not in _QUALITIES:
        raise Rejected(f"quality '{given[:40]}': must be 0, 1, 2, good, uncertain or bad")
    quality = _QUALITIES[given]
    if quality is Quality.BAD:
        value = None
    elif value is None:
        raise Rejected("no value, and quality is not bad")
    received = record.get("received_time_us")
    received_us = int(_plain(str(received))) if received not in (None, "") else time_us
    for at_us in (time_us, received_us):
        if not I64_MIN <= at_us <= I64_MAX:
            raise Rejected("a time that does not fit in 64 bits")
    return Reading(signal, time_us, received_us, value, quality, str(record.get("status") or ""))


def _time(record: Mapping[str, Any]) -> int:
    stated = record.get("source_time_us")
    if stated not in (None, ""):
        return int(_plain(str(stated)))
    text = record.get("time")
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise Rejected(f"time '{moment}': says no offset from UTC, such as +08:00")
    return (moment - _START) // timedelta(microseconds=1)


def _value(record: Mapping[str, Any], is_text: bool) -> Value:
    for column, kind in (("value_f64", float), ("value_i64", int), ("value_text", str)):
        if record.get(column) not in (None, ""):
            return _checked(kind(_plain(record[column]) if kind is not str else record[column]))
    value = record.get("value")
    if value is None or (value == "" and not is_text):
        return "" if record.get("value_text") == "" and is_text else None
    if is_text or not isinstance(value, str):
        return _checked(str(value) if is_text else value)
    try:
        return _checked(int(_plain(value)))
    except ValueError:
        return _checked(float(_plain(value)))


def _plain(number: Any) -> Any:
    """A number as it stands there; Python would take 1_000 for a thousand, which nobody else does."""
    if isinstance(number, str) and "_" in number:
        raise Rejected(f"'{number[:40]}' is no number")
    return number


def _checked(value: Value) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        raise Rejected("NaN and infinity are no values; leave the value empty and say bad in quality")
    if isinstance(value, int) and not I64_MIN <= value <= I64_MAX:
        raise Rejected(f"integer {value} does not fit in 64 bits")
    return value
