"""Reads tables from CSV, text, Excel and Parquet files, with or without header, packed with gzip or not.

What cannot be read is refused in words; nothing is guessed in silence except separator and header, by the rules of `separator_of` and
`has_header`.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from analytics.maintenance.table import Column, Table
from workshop.errors import ConfigError

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?", "-", "--", "#n/a", "inf", "-inf", "nat"))
_TRUTH = {"true": 1.0, "false": 0.0}
_MOSTLY = 0.9  # a column is numbers if this share of its values is; the others are then missing


def read_table(path: Path, sep: str | None = None) -> Table:
    """The table in a file: .csv, .tsv, .txt, .dat (each also .gz), .xlsx or .parquet.

    Args:
        sep: character between the fields of a text file; a space stands for any white space. None: found out.

    Raises:
        ConfigError: the file is absent, of another kind, damaged, empty or ragged.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = (suffixes[-2:-1] if packed else suffixes[-1:]) or [".txt"]
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if packed else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{path}: is no gzip file, or a damaged one ({error})") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if not content:
        raise ConfigError(f"{path}: is empty")
    if kind == [".parquet"]:
        return _parquet(path, content)
    if kind == [".xlsx"]:
        return _excel(path, content)
    if kind[0] not in {".csv", ".tsv", ".txt", ".dat", ".data"}:
        raise ConfigError(f"{path}: '{kind[0]}' is no kind of table that is read here; there are .csv .tsv .txt .dat (also .gz), .xlsx and .parquet")
    return _text(path, content, sep)


def separator_of(lines: Sequence[str]) -> str:
    """The character that stands in the first line and in at least half of those that follow; a space (any white space) if there is none.

    A semicolon goes before a comma, which may be a decimal one.
    """
    for mark in (";", "\t", "|", ","):
        if mark in lines[0] and sum(mark in line for line in lines) >= len(lines) / 2:
            return mark
    return " "


def has_header(cells: Sequence[str]) -> bool:
    """Whether a first line names columns: none of its cells is a number, or they are the numbers 0, 1, 2 … or 1, 2, 3 … themselves."""
    named = [cell.strip() for cell in cells]
    counted = len(named) > 2 and any(named == [str(i + first) for i in range(len(named))] for first in (0, 1))
    return counted or not any(_number(cell) is not None or cell.lower() in MISSING - {""} for cell in named)


def _text(path: Path, content: bytes, sep: str | None) -> Table:
    text = _decoded(path, content)
    first = [line for line in text.splitlines()[:50] if line.strip()][:20]
    mark = {"\\t": "\t", "tab": "\t", "space": " "}.get(sep or "", sep) or separator_of(first or [""])
    if len(mark) != 1:
        raise ConfigError(f"--sep '{sep}': one character is wanted, or tab or space")
    try:
        rows = [line.split() for line in text.splitlines()] if mark == " " else list(csv.reader(io.StringIO(text), delimiter=mark))
    except csv.Error as error:
        raise ConfigError(f"{path}: {error}") from error
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise ConfigError(f"{path}: holds no rows")
    width = len(numbered[0][1])
    if width > 1 and all(len(row) == width and not row[-1].strip() for _, row in numbered):
        width, numbered = width - 1, [(number, row[:-1]) for number, row in numbered]  # every line ends with the separator
    for number, row in numbered:
        if len(row) != width:
            shown = {" ": "white space", "\t": "tab"}.get(mark, mark)
            raise ConfigError(f"{path}: line {number} has {len(row)} fields, the first line {width}; is '{shown}' the separator? (--sep)")
    return _rows(path, [row for _, row in numbered], comma=mark == ";")


def _rows(path: Path, rows: list[list[str]], *, comma: bool) -> Table:
    header = has_header(rows[0])
    body = rows[1:] if header else rows
    if not body:
        raise ConfigError(f"{path}: has a header and no rows")
    names = _distinct([cell.strip() for cell in rows[0]]) if header else [str(i) for i in range(len(rows[0]))]
    return _checked(path, {name: _column(list(values), comma=comma) for name, values in zip(names, zip(*body, strict=True), strict=True)})


def _decoded(path: Path, content: bytes) -> str:
    if b"\0" in content[:4096]:
        raise ConfigError(f"{path}: is no text file")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _excel(path: Path, content: bytes) -> Table:
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        rows = [[_cell(value) for value in row] for row in book.worksheets[0].iter_rows(values_only=True)]
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, IndexError) as error:
        raise ConfigError(f"{path}: is no Excel workbook, or a damaged one ({error})") from error
    rows = [row for row in rows if any(row)]
    if not rows:
        raise ConfigError(f"{path}: its first sheet is empty")
    width = max(len(row) for row in rows)
    rows = [row + [""] * (width - len(row)) for row in rows]
    return _rows(path, rows, comma=False)


def _parquet(path: Path, content: bytes) -> Table:
    try:
        found = pa.parquet.read_table(io.BytesIO(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{path}: is no Parquet file, or a damaged one ({str(error).splitlines()[0]})") from error
    columns: dict[str, Column] = {}
    for name, values in zip(_distinct(found.column_names), found.columns, strict=True):
        kind = values.type
        if pa.types.is_temporal(kind):
            columns[name] = _objects([None if value is None else str(value) for value in values.to_pylist()])
        elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            number = pc.cast(values, pa.float64()).combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64)
            columns[name] = np.where(np.isfinite(number), number, np.nan)
        else:
            plain = values.to_pylist()
            columns[name] = _column(["" if value is None else str(value) for value in plain], comma=False)
    return _checked(path, columns)


def _checked(path: Path, columns: dict[str, Column]) -> Table:
    blank = [name for name, column in columns.items() if name.startswith("unnamed ") and all(value is None for value in column.tolist())]
    columns = {name: column for name, column in columns.items() if name not in blank}
    table = Table(str(path), columns)
    if not columns or not len(table):
        raise ConfigError(f"{path}: holds no rows")
    return table


def _column(values: list[str], *, comma: bool) -> Column:
    """Numbers where nearly all values are, else text."""
    stripped = [value.strip() for value in values]
    present = [value for value in stripped if value.lower() not in MISSING]
    if comma and present and all("," in value or value.lstrip("-").isdigit() for value in present[:100]):
        stripped = [value.replace(",", ".", 1) for value in stripped]
    try:
        plain = np.array(stripped, np.float64)
    except ValueError:
        plain = np.array([math.nan])
    if np.isfinite(plain).all():
        return plain
    numbers = [_number(value) for value in stripped]
    read = sum(number is not None for number in numbers)
    if read >= _MOSTLY * len(present):
        return np.array([math.nan if number is None else number for number in numbers], np.float64)
    return _objects([None if value.lower() in MISSING else value for value in stripped])


def _objects(values: list[str | None]) -> Column:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _number(text: str) -> float | None:
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat(sep=" ") if hasattr(value, "hour") and hasattr(value, "year") else str(value)


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names, each once: an empty one becomes `unnamed 3`, a second `x` becomes `x.2`."""
    seen: dict[str, int] = {}
    distinct = []
    for place, name in enumerate(names):
        plain = name or f"unnamed {place}"
        seen[plain] = seen.get(plain, 0) + 1
        distinct.append(plain if seen[plain] == 1 else f"{plain}.{seen[plain]}")
    return distinct
