"""Back-fill in an edge's journal: which batches hold readings that came late, for what time, and whether the gateway has been told."""

from typing import NamedTuple

from store.sqlite import Database

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS backfills (number INTEGER PRIMARY KEY, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, from_us INTEGER NOT NULL,"
    " to_us INTEGER NOT NULL, announced INTEGER NOT NULL)",
)
_KEPT = 1000
"""Told ones, so that a gateway restored from a backup can be told again."""


class Past(NamedTuple):
    """Batches with readings of the past."""

    number: int
    from_seq: int
    to_seq: int
    from_us: int
    to_us: int
    """The time is half-open, µs."""


class PastTables:
    """The part of the journal that knows of back-fill; what is not sealed yet has sequence number 0."""

    _db: Database

    def unannounced(self, seq: int) -> list[Past]:
        """Sealed back-fill up to this batch of which the gateway has not been told, in order."""
        asked = "SELECT number, from_seq, to_seq, from_us, to_us FROM backfills WHERE announced = 0 AND from_seq BETWEEN 1 AND ? ORDER BY number"
        return [Past(*row) for row in self._db.execute(asked, (seq,))]

    def announced(self, number: int) -> None:
        """The gateway has this one on record."""
        with self._db.transaction():
            self._db.execute("UPDATE backfills SET announced = 1 WHERE number = ?", (number,))
            self._db.execute("DELETE FROM backfills WHERE announced = 1 AND number <= ?", (number - _KEPT,))

    def announce_again(self, seq: int) -> None:
        """The gateway was restored to a time before this batch: what was said of it and of later ones may be gone."""
        with self._db.transaction():
            self._db.execute("UPDATE backfills SET announced = 0 WHERE to_seq >= ?", (seq,))

    def _store_past(self, from_us: int, to_us: int) -> None:
        """Notes unsealed readings of the past; within a transaction."""
        if self._db.execute("SELECT number FROM backfills WHERE from_seq = 0"):
            self._db.execute("UPDATE backfills SET from_us = MIN(from_us, ?), to_us = MAX(to_us, ?) WHERE from_seq = 0", (from_us, to_us))
        else:
            self._db.execute("INSERT INTO backfills (from_seq, to_seq, from_us, to_us, announced) VALUES (0, 0, ?, ?, 0)", (from_us, to_us))

    def _seal_past(self, first: int, last: int) -> None:
        """These batches hold what was noted; within the transaction that seals them."""
        self._db.execute("UPDATE backfills SET from_seq = ?, to_seq = ? WHERE from_seq = 0", (first, last))
