"""The archive's two Merkle trees on disk: tiles in one table, and additions to log, tables and trees in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from store.archive_tables import ArchiveTables
from store.log import HASH_BYTES, LogName
from store.sqlite import Database
from store.tiles import HEIGHT, WIDTH, TileTree
from workshop.errors import ConfigError
from workshop.window import Clock

LOGS: tuple[LogName, ...] = ("data", "control")
SCHEMA = ("CREATE TABLE tiles (log TEXT, level INTEGER, number INTEGER, hashes BLOB NOT NULL, PRIMARY KEY (log, level, number))",)
_TABLE: dict[LogName, str] = {"data": "batches", "control": "control"}


class Additions(msgspec.Struct):
    """Leaf hashes that a transaction adds, and the time of the last control entry."""

    data: list[bytes]
    control: list[bytes]
    control_us: int


class ArchiveTrees(ArchiveTables):
    """The trees of data log and control log. Threads may share it: one writes, others read sizes that they have seen."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._trees: dict[LogName, TileTree] = {log: self._load(log) for log in LOGS}
        self._control_us = int(database.execute("SELECT COALESCE(MAX(time_us), 0) FROM control")[0][0])

    @property
    def data_size(self) -> int:
        """Number of batches in the data log."""
        return self._trees["data"].size

    @property
    def control_size(self) -> int:
        """Number of entries in the control log."""
        return self._trees["control"].size

    def root(self, log: LogName, size: int | None = None) -> bytes:
        """Root of a log at a size, now by default. Raises Rejected beyond its end."""
        return self._trees[log].root(size)

    def inclusion_proof(self, log: LogName, index: int, size: int) -> list[bytes]:
        """Audit path of an entry. Raises Rejected for an index or size that is not there."""
        return self._trees[log].inclusion_proof(index, size)

    def consistency_proof(self, log: LogName, old: int, new: int) -> list[bytes]:
        """Proof that the log of size `new` begins with that of size `old`. Raises Rejected for sizes that are not there."""
        return self._trees[log].consistency_proof(old, new)

    def tile(self, log: LogName, level: int, number: int, width: int = WIDTH) -> bytes:
        """The first `width` hashes of a tile (C2SP tlog-tiles). Raises Rejected where the log does not reach."""
        return self._trees[log].tile(level, number, width)

    @contextmanager
    def _adding(self) -> Iterator[Additions]:
        """A transaction that adds to the logs: rows and tiles are on disk together, and only then do the trees grow."""
        with self._write_lock:
            added = Additions([], [], self._control_us)
            with self._db.transaction():
                yield added
                growths = {log: self._trees[log].plan(added.data if log == "data" else added.control) for log in LOGS}
                rows = [(log, *tile) for log, growth in growths.items() for tile in growth.tiles]
                if rows:
                    self._db.execute_many("INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)", rows)
            for log, growth in growths.items():
                self._trees[log].grow(growth)
            self._control_us = added.control_us

    def _load(self, log: LogName) -> TileTree:
        """The tree from the last rows of the log and the tile at the end of each level; a million entries need no longer than a hundred."""
        table = _TABLE[log]
        size = int(self._db.execute(f"SELECT COALESCE(MAX(number) + 1, 0) FROM {table}")[0][0])  # noqa: S608
        rows = self._db.execute(f"SELECT leaf FROM {table} WHERE number >= ? ORDER BY number", (size // WIDTH * WIDTH,))  # noqa: S608
        tails = [b"".join(leaf for (leaf,) in rows)]
        while (covered := size >> HEIGHT * len(tails)) > 0:
            wanted = covered % WIDTH * HASH_BYTES
            tails.append(self._read_tile(log, len(tails), covered // WIDTH)[:wanted] if wanted else b"")
            if len(tails[-1]) != wanted:
                raise ConfigError(f"archive {self._db.path}: damaged, the tiles of the {log} log do not reach its end; restore a backup")
        return TileTree(size, tails, lambda level, number: self._read_tile(log, level, number))

    def _read_tile(self, log: LogName, level: int, number: int) -> bytes:
        rows = self._reader.execute("SELECT hashes FROM tiles WHERE log = ? AND level = ? AND number = ?", (log, level, number))
        if not rows:
            raise ConfigError(f"archive {self._db.path}: damaged, tile {number} of level {level} of the {log} log is missing; restore a backup")
        return bytes(rows[0][0])
