"""What an edge must know after a restart to tell a repetition from a reading: how far signals are, what is declared, what was stored lately."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.journal_batches import SealedBatches
from store.journal_tracks import Track
from store.sqlite import Database
from workshop.batch import Gap
from workshop.block import Block, concat

# Made in journals that are older than these tables, too.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS tracks (signal TEXT PRIMARY KEY, front_us INTEGER NOT NULL, last_us INTEGER, offset_us INTEGER, "
    "heard_us INTEGER NOT NULL, lost TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS declared (number INTEGER PRIMARY KEY, signal TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS declared_signal ON declared (signal, number)",
)
MAX_GAPS = 256
"""Declared gaps that are remembered of each signal; of more, the latest."""
MAX_ROWS, MAX_BATCHES = 65_536, 256
"""Readings that are remembered after a restart: all that are not sealed, and sealed ones until there are as many, or so many batches."""


class Memory(msgspec.Struct):
    """What the journal remembers."""

    tracks: dict[str, Track] = {}
    gaps: dict[str, list[tuple[int, int]]] = {}
    """By signal, in the order in which they were declared: [from, to)."""
    stored: dict[str, NDArray[np.int64]] = {}
    """By signal, source times of the latest stored readings."""


class MemoryTables:
    """The two tables. Writing methods belong inside a transaction of the journal."""

    def __init__(self, database: Database) -> None:
        self._db = database
        for statement in SCHEMA:
            database.execute(statement)
        self._counts: Counter[str] = Counter(dict(database.execute("SELECT signal, COUNT(*) FROM declared GROUP BY signal")))

    def declare(self, gaps: Sequence[Gap]) -> None:
        """Writes gaps, and forgets the oldest of a signal that has too many."""
        rows = [(signal, gap.from_us, gap.to_us) for gap in gaps for signal in gap.signals]
        self._db.execute_many("INSERT INTO declared (signal, from_us, to_us) VALUES (?, ?, ?)", rows)
        for signal, count in Counter(signal for signal, _, _ in rows).items():
            # A transaction that fails leaves the count a little off: the next clearing comes sooner or later, and come it will.
            self._counts[signal] += count
            if self._counts[signal] > 2 * MAX_GAPS:
                latest = "SELECT number FROM declared WHERE signal = ? ORDER BY number DESC LIMIT ?"
                self._db.execute(f"DELETE FROM declared WHERE signal = ? AND number NOT IN ({latest})", (signal, signal, MAX_GAPS))  # noqa: S608 – fixed text
                self._counts[signal] = MAX_GAPS

    def all(self, recent: Mapping[str, Track], unsealed: Sequence[Block], batches: SealedBatches) -> Memory:
        """Everything remembered, with the tracks that are newer than the table, and the readings of these blocks and of the newest batches."""
        sealed = batches.newest(MAX_ROWS - sum(map(len, unsealed)), MAX_BATCHES)
        memory = Memory()
        for signal, *fields in self._db.execute("SELECT signal, front_us, last_us, offset_us, heard_us, lost FROM tracks"):
            memory.tracks[signal] = Track(*fields)
        memory.tracks |= recent
        for signal, from_us, to_us in self._db.execute("SELECT signal, from_us, to_us FROM declared ORDER BY number"):
            memory.gaps.setdefault(signal, []).append((from_us, to_us))
        block = concat([one for one in (*sealed, *unsealed) if len(one)])
        order = np.argsort(block.signal, kind="stable")
        starts = np.searchsorted(block.signal[order], np.arange(len(block.signals) + 1))
        times = block.source_time_us[order]
        memory.stored = {name: times[starts[n] : starts[n + 1]] for n, name in enumerate(block.signals) if starts[n + 1] > starts[n]}
        return memory
