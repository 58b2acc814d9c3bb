"""Load curves from text: a table with one time column and one value column, as meters and utilities export it."""

import csv
import re
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.errors import ConfigError

_STEP = re.compile(r"(\d{1,4})\s*(s|sec|min|m|h)")
_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}
_DELIMITERS = ",;\t"
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_SPACED = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(?:\D|$))")
_MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "--"}


class Table(msgspec.Struct, frozen=True, eq=False):
    """The columns of a file: times as text, the value, and every other column that holds numbers."""

    times: list[str]
    value: NDArray[np.float64]
    """f64[n]; NaN where the cell is empty."""
    others: dict[str, NDArray[np.float64]]


def parse_step(text: str) -> timedelta:
    """A step such as `15min`, `1h` or `30s`.

    Raises:
        ConfigError: not such a text, or a step that does not divide a day.
    """
    found = _STEP.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"--step '{text}' is no step; write it as 15min, 1h or 30s")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds == 0 or 86_400 % seconds:
        raise ConfigError(f"--step '{text}' does not divide a day, so that no step begins at midnight")
    return timedelta(seconds=seconds)


def parse_table(data: bytes, file: str, time: str, value: str) -> Table:
    """The table in the bytes of a CSV file: UTF-8, GB 18030, or UTF-16 with its mark; comma, semicolon (then with decimal comma) or tab.

    Raises:
        ConfigError: no such column, no rows, rows of unequal length, or a value that is no finite number; with the row.
    """
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: neither UTF-8, GB 18030 nor UTF-16 text") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ConfigError(f"{file}: no rows under a line with the names of the columns")
    delimiter = max(_DELIMITERS, key=lines[0].count)
    try:
        header, *rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise ConfigError(f"{file}: not a table of columns ({error})") from error
    names = [name.strip() for name in header]
    for name, option in ((time, "--time"), (value, "--value")):
        if names.count(name) != 1:
            raise ConfigError(f"{file}: {option} '{name}' names no single column; there are {', '.join(names)}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise ConfigError(f"{file}: row {number} has {len(row)} cells, the header {len(names)}")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    comma = delimiter == ";"
    others = {name: _numbers(cells, comma) for name, cells in columns.items() if name not in (time, value)}
    return Table(columns[time], _values(columns[value], comma, file, value), {name: cells for name, cells in others.items() if cells is not None})


def _values(cells: Sequence[str], comma: bool, file: str, name: str) -> NDArray[np.float64]:
    found = np.full(len(cells), np.nan)
    grouped = _grouped(cells, comma)
    for row, cell in enumerate(cells):
        number = _number(cell, comma, grouped)
        if number is None or np.isinf(number):
            raise ConfigError(f"{file}: row {row + 2}: {name} '{cell[:40]}' is no finite number; leave the cell empty where nothing was measured")
        found[row] = number
    if np.isnan(found).all():
        raise ConfigError(f"{file}: column '{name}' is empty")
    return found


def _numbers(cells: Sequence[str], comma: bool) -> NDArray[np.float64] | None:
    """The column as numbers, or None where it is text."""
    grouped = _grouped(cells, comma)
    found = [_number(cell, comma, grouped) for cell in cells]
    return None if None in found else np.array(found, np.float64)


def _grouped(cells: Sequence[str], comma: bool) -> bool:
    """Whether points group thousands in a column with decimal commas: one number with both says so for `1.234` as well."""
    return comma and any("." in cell and "," in cell for cell in cells)


def _number(cell: str, comma: bool, grouped: bool) -> float | None:
    text = cell.strip()
    if text.lower() in _MISSING:
        return float("nan")
    if grouped or (comma and "," in text):
        text = text.replace(".", "")
    text = text.replace(",", ".") if comma else text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    try:
        return float(_SPACED.sub("", text)) if "_" not in text else None
    except ValueError:
        return None
