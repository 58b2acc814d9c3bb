"""Connected time to the platform per machine: when the platform acknowledged its values, kept as spans on disk."""

import threading
from pathlib import Path

import msgspec

from store.sqlite import Database
from workshop.window import Window

_SCHEMA = ("CREATE TABLE spans (equipment TEXT, from_us INTEGER, to_us INTEGER NOT NULL, PRIMARY KEY (equipment, from_us)) WITHOUT ROWID",)


class ConnectedTime(msgspec.Struct, frozen=True):
    """How long the platform had a machine's values, within a window."""

    equipment: str
    connected_us: int
    window_us: int
    last_us: int | None
    """The last acknowledgement before the window's end."""


class ConnectedTimes:
    """The spans; acknowledgements not further apart than `gap_us` make one."""

    def __init__(self, path: Path, gap_us: int) -> None:
        self._database, self._gap_us = Database.open(path, what="connected times", version=1, schema=_SCHEMA), gap_us
        self._reader = self._database.reader()
        self._lock = threading.Lock()
        # The present span of each machine is written when it is a minute longer than on disk, and at the end.
        self._open: dict[str, tuple[int, int]] = {}
        self._stored: dict[str, int] = {}

    def acknowledged(self, equipment: str, time_us: int) -> bool:
        """The platform has confirmed values of this machine; whether a new span begins."""
        with self._lock:
            span = self._open.get(equipment)
            if span is not None and 0 <= time_us - span[1] <= self._gap_us:
                self._open[equipment] = (span[0], time_us)
                if time_us - self._stored.get(equipment, 0) > 60_000_000:
                    self._write([equipment])
                return False
            if span is not None:
                self._write([equipment])
            self._open[equipment] = (time_us, time_us)
            return True

    def lapsed(self, time_us: int) -> list[str]:
        """Machines whose span has ended: nothing was acknowledged for too long."""
        with self._lock:
            gone = [equipment for equipment, (_, end) in self._open.items() if time_us - end > self._gap_us]
            self._write(gone)
            for equipment in gone:
                del self._open[equipment]
            return gone

    def times(self, window: Window, equipment: list[str]) -> list[ConnectedTime]:
        """The connected time of each machine within the window."""
        with self._lock:
            self._write(list(self._open))
        found = []
        for name in equipment:
            rows = self._reader.execute(
                "SELECT MAX(from_us, ?), MIN(to_us, ?) FROM spans WHERE equipment = ? AND from_us < ? AND to_us >= ?",
                (window.start_us, window.end_us, name, window.end_us, window.start_us),
            )
            last = max((end for _, end in rows), default=None)
            found.append(ConnectedTime(name, sum(end - start for start, end in rows), window.length_us, last))
        return found

    def close(self) -> None:
        """Writes the present spans and closes the file."""
        with self._lock:
            self._write(list(self._open))
        self._database.close()

    def _write(self, names: list[str]) -> None:
        rows = [(name, *self._open[name]) for name in names]
        with self._database.transaction():
            self._database.execute_many("INSERT OR REPLACE INTO spans VALUES (?, ?, ?)", rows)
        self._stored |= {name: end for name, _, end in rows}
