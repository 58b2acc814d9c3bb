"""A table of named columns: what a reader hands to the models. A column is numbers (NaN where missing) or text (None where missing)."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from workshop.errors import ConfigError

Numbers = NDArray[np.float64]
Column = NDArray[Any]

_TIME_FORMATS = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y")


class Table(msgspec.Struct, frozen=True, eq=False):
    """Columns of one length, in the file's order."""

    name: str
    """Where it comes from, for messages."""
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def take(self, rows: NDArray[np.intp] | slice) -> "Table":
        """The table of these rows, in this order."""
        return Table(self.name, {name: column[rows] for name, column in self.columns.items()})

    def column(self, name: str, option: str) -> Column:
        """A column by name.

        Raises:
            ConfigError: there is none of this name; the message lists those that exist.
        """
        if name not in self.columns:
            raise ConfigError(f"{self.name}: no column '{name}' (given with {option}); there are {listing(self.columns)}")
        return self.columns[name]

    def digest(self) -> str:
        """SHA-256 over names and values, in order."""
        found = hashlib.sha256()
        for name, column in self.columns.items():
            found.update(repr((name, len(column), is_text(column))).encode())
            found.update(repr(column.tolist()).encode() if is_text(column) else np.ascontiguousarray(column, dtype="<f8").tobytes())
        return found.hexdigest()


def is_text(column: Column) -> bool:
    """Whether a column holds text."""
    return column.dtype == object


def listing(names: Iterable[str], most: int = 30) -> str:
    """Names for a message; the first ones where there are many."""
    known = list(names)
    return ", ".join(known[:most]) + (f" … ({len(known)} in all)" if len(known) > most else "")


def matching(table: Table, patterns: Sequence[str], option: str) -> list[str]:
    """The columns that the patterns name, in the table's order; `*` stands for any characters.

    Raises:
        ConfigError: a pattern names no column.
    """
    found: set[str] = set()
    for pattern in patterns:
        shape = re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")), re.DOTALL)
        hits = {pattern} if pattern in table.columns else {name for name in table.columns if shape.fullmatch(name)}
        if not hits:
            raise ConfigError(f"{table.name}: no column '{pattern}' (given with {option}); there are {listing(table.columns)}")
        found |= hits
    return [name for name in table.columns if name in found]


def codes_of(column: Column) -> tuple[NDArray[np.intp], list[str]]:
    """(code of each row, names of the codes) in order of first appearance; a missing value is a group of its own."""
    names: dict[str, int] = {}
    codes = np.array([names.setdefault(_label(value), len(names)) for value in column.tolist()], np.intp)
    return codes, list(names)


def times_of(column: Column, table: str, name: str) -> Numbers:
    """Times as numbers that can be compared: numbers as they are, dates as seconds.

    Raises:
        ConfigError: a value is missing, or is neither number nor date.
    """
    if not is_text(column):
        if np.isnan(column).any():
            raise ConfigError(f"{table}: column '{name}' is the time, and row {int(np.flatnonzero(np.isnan(column))[0]) + 1} has none")
        return column.astype(np.float64)
    values = column.tolist()
    if any(value is None for value in values):
        raise ConfigError(f"{table}: column '{name}' is the time, and row {values.index(None) + 1} has none")
    for reader in (_iso, *(_formatted(shape) for shape in _TIME_FORMATS)):
        try:
            return np.array([reader(value) for value in values], np.float64)
        except ValueError:
            continue
    raise ConfigError(f"{table}: column '{name}' is neither a number nor a date that is understood (such as 2026-01-31 08:00:00), e.g. '{values[0]}'")


def _iso(value: str) -> float:
    return (datetime.fromisoformat(value).replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()


def _formatted(shape: str) -> Any:
    return lambda value: (datetime.strptime(value, shape) - datetime(1970, 1, 1)).total_seconds()


def _label(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ("" if np.isnan(value) else repr(value))
    return "" if value is None else str(value)
