"""Components that the analytics service has measured, and what the gateway merged of them: a cache, never evidence. What is lost is made again."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from analytics.indicator import Components
from store.sqlite import Database
from workshop.window import Window
from workshop.wire import ComponentsRow

_SUMS = """CREATE TABLE sums (indicator TEXT NOT NULL, version INTEGER NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL,
    register TEXT NOT NULL, pieces BLOB NOT NULL, PRIMARY KEY (indicator, version, start_us, end_us))"""
"""With a rowid: a large value is read from its pages at half the cost."""
_SCHEMA = (
    """CREATE TABLE components (indicator TEXT NOT NULL, version INTEGER NOT NULL, equipment TEXT NOT NULL, start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (indicator, version, equipment, start_us, end_us)) WITHOUT ROWID""",
    _SUMS,
)
_LONGEST_US = 32 * 24 * 3600 * 1_000_000
"""No sum is longer: so that those over a moment are found by their start."""


class ComponentsCache:
    """Rows by (indicator, version, equipment, start, end), the same key again replaces the row; and sums of all equipment over days and months."""

    def __init__(self, path: Path) -> None:
        again = ("DROP TABLE IF EXISTS sums", _SUMS)
        self._database = Database.open(path, what="components", version=3, schema=_SCHEMA, migrations={1: (), 2: again})

    def put(self, rows: Sequence[ComponentsRow]) -> None:
        """Stores the rows in one transaction; sums that their times are part of go."""
        touched = {(row.indicator, row.version, row.end_us, row.start_us - _LONGEST_US, row.start_us) for row in rows}
        with self._database.transaction():
            self._database.execute_many(
                "INSERT OR REPLACE INTO components VALUES (?, ?, ?, ?, ?, ?)",
                [(row.indicator, row.version, row.equipment, row.start_us, row.end_us, msgspec.json.encode(row)) for row in rows],
            )
            self._database.execute_many(
                "DELETE FROM sums WHERE indicator = ? AND version = ? AND start_us < ? AND start_us > ? AND end_us > ?", sorted(touched))

    def find(self, indicator: str, window: Window, version: int | None = None) -> list[ComponentsRow]:
        """The rows of an indicator that lie wholly in the window, by equipment and start."""
        found = self._database.execute(
            "SELECT row FROM components WHERE indicator = ? AND start_us >= ? AND end_us <= ? AND version = coalesce(?, version)"
            " ORDER BY equipment, start_us",
            (indicator, window.start_us, window.end_us, version),
        )
        return [msgspec.json.decode(row, type=ComponentsRow) for (row,) in found]

    def keep_sum(self, indicator: str, version: int, span: Window, register: str, pieces: Sequence[Components]) -> None:
        """Keeps what the hours of all equipment in the span merge to.

        Args:
            register: digest of the revision that was in force in the whole span.
        """
        values = (indicator, version, span.start_us, span.end_us, register, msgspec.msgpack.encode(pieces))
        with self._database.transaction():
            self._database.execute("INSERT OR REPLACE INTO sums VALUES (?, ?, ?, ?, ?, ?)", values)

    def sum_of(self, indicator: str, version: int, span: Window, register: str) -> list[Components] | None:
        """One piece per equipment; None where none is kept."""
        found = self._database.execute(
            "SELECT pieces FROM sums WHERE indicator = ? AND version = ? AND start_us = ? AND end_us = ? AND register = ?",
            (indicator, version, span.start_us, span.end_us, register),
        )
        return msgspec.msgpack.decode(found[0][0], type=list[Components]) if found else None

    def has_sum(self, indicator: str, version: int, span: Window, register: str) -> bool:
        """Whether `sum_of` finds one."""
        return bool(self._database.execute(
            "SELECT 1 FROM sums WHERE indicator = ? AND version = ? AND start_us = ? AND end_us = ? AND register = ?",
            (indicator, version, span.start_us, span.end_us, register),
        ))

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
