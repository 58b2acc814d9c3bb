"""Components that the analytics service has measured: a cache, never evidence. What is lost here is measured again."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from store.sqlite import Database
from workshop.window import Window
from workshop.wire import ComponentsRow

_SCHEMA = (
    """CREATE TABLE components (indicator TEXT NOT NULL, version INTEGER NOT NULL, equipment TEXT NOT NULL, start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (indicator, version, equipment, start_us, end_us)) WITHOUT ROWID""",
)


class ComponentsCache:
    """Rows by (indicator, version, equipment, start, end); the same key again replaces the row."""

    def __init__(self, path: Path) -> None:
        self._database = Database.open(path, what="components", version=1, schema=_SCHEMA)

    def put(self, rows: Sequence[ComponentsRow]) -> None:
        """Stores the rows in one transaction."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT OR REPLACE INTO components VALUES (?, ?, ?, ?, ?, ?)",
                [(row.indicator, row.version, row.equipment, row.start_us, row.end_us, msgspec.json.encode(row)) for row in rows],
            )

    def find(self, indicator: str, window: Window, version: int | None = None) -> list[ComponentsRow]:
        """The rows of an indicator that lie wholly in the window, by equipment and start."""
        found = self._database.execute(
            "SELECT row FROM components WHERE indicator = ? AND start_us >= ? AND end_us <= ? AND version = coalesce(?, version)"
            " ORDER BY equipment, start_us",
            (indicator, window.start_us, window.end_us, version),
        )
        return [msgspec.json.decode(row, type=ComponentsRow) for (row,) in found]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
