"""The archive's plain tables: named values, tokens, quarantined rows. What they hold proves nothing and stands in no log."""

import threading
from collections.abc import Sequence

import msgspec

from store.archive_records import QuarantinedRow, TokenRecord
from store.sqlite import Database
from workshop.window import Clock

SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE tokens (sha256 TEXT PRIMARY KEY, role TEXT NOT NULL, subject TEXT NOT NULL, expires_us INTEGER, once INTEGER NOT NULL,"
    " used_us INTEGER) WITHOUT ROWID",
    "CREATE TABLE quarantine (edge TEXT, epoch INTEGER, seq INTEGER, equipment TEXT, row INTEGER, reason TEXT NOT NULL,"
    " PRIMARY KEY (edge, epoch, seq, equipment, row)) WITHOUT ROWID",
)
_IDENTITY = "(edge, epoch, seq, equipment, row)"
_USABLE = "sha256 = ? AND (expires_us IS NULL OR expires_us > ?) AND NOT (once AND used_us IS NOT NULL)"


class ArchiveTables:
    """Tables beside the logs. Threads may share it: one connection writes, another reads and never waits for a commit."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._reader = database.reader()
        self._write_lock = threading.RLock()
        self._clock = clock

    def get_meta(self, name: str) -> str | None:
        """The value stored under this name, or None."""
        rows = self._reader.execute("SELECT value FROM meta WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, name: str, value: str) -> None:
        """Stores a value under a name."""
        with self._write_lock, self._db.transaction():
            self._db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))

    def add_token(self, sha256: str, role: str, subject: str, expires_us: int | None, once: bool) -> None:
        """Admits a token by the SHA-256 (hex) of its secret, until it expires or, with `once`, until it is used."""
        with self._write_lock, self._db.transaction():
            self._db.execute("DELETE FROM tokens WHERE expires_us <= ?", (self._clock(),))
            self._db.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, NULL)", (sha256, role, subject, expires_us, int(once)))

    def find_token(self, sha256: str) -> TokenRecord | None:
        """The token, unless it is unknown, expired or used up."""
        rows = self._reader.execute(f"SELECT sha256, role, subject, expires_us, once FROM tokens WHERE {_USABLE}", (sha256, self._clock()))  # noqa: S608
        if not rows:
            return None
        digest, role, subject, expires_us, once = rows[0]
        return TokenRecord(digest, role, subject, expires_us, bool(once))

    def token_subjects(self) -> list[str]:
        """Whose tokens were ever made, of every role, in order; without edges and invitations."""
        rows = self._reader.execute("SELECT DISTINCT subject FROM tokens WHERE role NOT IN ('edge', 'enrol', 'setup') ORDER BY subject")
        return [subject for (subject,) in rows]

    def use_token(self, sha256: str) -> bool:
        """Notes a use; True if the token was usable. Of two uses of a one-time token at the same moment one gets False."""
        now = self._clock()
        with self._write_lock, self._db.transaction():
            return bool(self._db.execute(f"UPDATE tokens SET used_us = ? WHERE {_USABLE} RETURNING 1", (now, sha256, now)))  # noqa: S608

    def remove_token(self, sha256: str) -> None:
        """Forgets a token; it is refused from now on."""
        with self._write_lock, self._db.transaction():
            self._db.execute("DELETE FROM tokens WHERE sha256 = ?", (sha256,))

    def forget_invitations(self) -> None:
        """Makes every one-time token void: a backup may hold some that were used since."""
        with self._write_lock, self._db.transaction():
            self._db.execute("DELETE FROM tokens WHERE once")

    def quarantine(self, rows: Sequence[QuarantinedRow]) -> None:
        """Notes rows that cannot be indexed, all in one transaction; the same row again changes nothing."""
        if rows:
            with self._write_lock, self._db.transaction():
                self._db.execute_many("INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", [msgspec.structs.astuple(row) for row in rows])

    def forget_quarantine(self, first: int) -> None:
        """Forgets the rows of batches from this data-log index on: whoever indexes these anew sets them aside anew, if still for a reason."""
        sql = "SELECT 1 FROM batches b WHERE (b.edge, b.epoch, b.seq) = (quarantine.edge, quarantine.epoch, quarantine.seq) AND b.number >= ?"
        with self._write_lock, self._db.transaction():
            self._db.execute(f"DELETE FROM quarantine WHERE EXISTS ({sql})", (first,))  # noqa: S608 - fixed words

    def quarantined(self, limit: int = 10_000, after: QuarantinedRow | None = None) -> list[QuarantinedRow]:
        """Quarantined rows in order of their identity, from the first, or from the one behind `after`."""
        behind = () if after is None else (after.edge, after.epoch, after.seq, after.equipment, after.row)
        where = f" WHERE {_IDENTITY} > (?, ?, ?, ?, ?)" if behind else ""
        sql = f"SELECT * FROM quarantine{where} ORDER BY edge, epoch, seq, equipment, row LIMIT ?"  # noqa: S608 - fixed words
        return [QuarantinedRow(*row) for row in self._reader.execute(sql, (*behind, limit))]

    def quarantined_last(self, limit: int) -> list[QuarantinedRow]:
        """The rows of the newest batches of each edge, newest first; at most so many of each edge."""
        found: list[QuarantinedRow] = []
        edge = ""
        # One look into the index for each edge: a scan would grow with the years.
        while rows := self._reader.execute("SELECT edge FROM quarantine WHERE edge > ? ORDER BY edge LIMIT 1", (edge,)):
            edge = str(rows[0][0])
            sql = "SELECT * FROM quarantine WHERE edge = ? ORDER BY epoch DESC, seq DESC, equipment DESC, row DESC LIMIT ?"
            found += [QuarantinedRow(*row) for row in self._reader.execute(sql, (edge, limit))]
        return sorted(found, key=lambda row: (row.epoch, row.seq), reverse=True)

    def quarantined_count(self, most: int = 10_000) -> int:
        """How many rows there are, counted up to `most`."""
        rows = self._reader.execute("SELECT count(*) FROM (SELECT 1 FROM quarantine LIMIT ?)", (most,))
        return int(rows[0][0])

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._db.close()
