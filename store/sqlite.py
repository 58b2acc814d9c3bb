"""One SQLite file in WAL mode with synchronous=FULL: what a transaction wrote is on disk when it returns; one process at a time.

The only file that imports sqlite3: its errors leave as `NotConnected` (try again, nothing was stored) or `ConfigError` (a person must look).
"""

import contextlib
import errno
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from workshop.errors import ConfigError, NotConnected

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

Row = tuple[Any, ...]
_BUSY_S = 10.0
# Result codes after which the same call may succeed later; everything else means that the file is not what it should be.
_LATER = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT,
}
_NOT_WRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


class Database:
    """An open database file. Threads may share it; a transaction holds it until it ends."""

    def __init__(self, path: Path, what: str, lock: BinaryIO | None, *, read_only: bool = False) -> None:
        self.path = path
        self.what = what
        self._lock_file = lock
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._readers: list[Database] = []
        self.when_full: Callable[[], None] | None = None
        """Called after a write that found no room, so that the next try may find some."""
        # What the log held when it was opened, or when the disk refused: readable from memory is not on disk. See `_settle`.
        log = path.with_name(path.name + "-wal")
        self._is_doubtful = not read_only and log.exists() and log.stat().st_size > 0
        with self._words(opening=True):
            # Autocommit: transactions are begun and ended by `transaction` alone.
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            # secure_delete is on in some builds: every page of what is deleted would be written once more, as zeros.
            pragmas = ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864", "secure_delete=OFF", f"query_only={int(read_only)}")
            for pragma in pragmas:
                self._connection.execute(f"PRAGMA {pragma}").fetchall()

    @classmethod
    def open(
        cls, path: Path, *, what: str, version: int, schema: Sequence[str], migrations: Mapping[int, Sequence[str]] | None = None
    ) -> "Database":
        """Opens the file for this process alone; creates folder, file and tables where they are missing.

        Args:
            what: word for messages: "journal", "archive".
            version: format version that this program writes, kept in `PRAGMA user_version`.
            migrations: format version → the statements that make the next one of it.
        Raises:
            ConfigError: in use by another process, a newer format or one without a way here, damaged, or a place that cannot be written.
            NotConnected: disk full or I/O error.
        """
        lock = _take_lock(path, what)
        try:
            database = cls(path, what, lock)
        except BaseException:
            lock.close()
            raise
        try:
            database._prepare(version, schema, migrations or {})
        except BaseException:
            database.close()
            raise
        return database

    def reader(self) -> "Database":
        """A second connection that only reads, and so never waits for a commit; closed with this one."""
        reader = Database(self.path, self.what, None, read_only=True)
        self._readers.append(reader)
        return reader

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are on disk together when the block ends, or none of them is.

        Raises:
            NotConnected: the disk is full or refuses; nothing was stored.
            ConfigError: the file is damaged.
        """
        with self._lock, self._words():
            connection = self._open_connection()
            try:
                self._settle(connection)
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    with self._quietly():
                        connection.execute("ROLLBACK")
                self._note(error)
                raise

    def _settle(self, connection: sqlite3.Connection) -> None:
        """Writes once more what may be in memory only, before anything is built on it.

        After a failed fsync the kernel takes the pages for clean: they can be read, also after a restart of this process, and a later fsync succeeds
        without writing them (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). So the log that a former life or a
        refusing disk left behind is copied into the file, synchronised there, and emptied; until that is through nothing is stored.
        """
        if not self._is_doubtful:
            return
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise NotConnected(f"{self.what} {self.path}: what the disk refused is being written again; nothing was stored")
        self._is_doubtful = False

    def _note(self, error: BaseException) -> None:
        # Statements inside a transaction have translated theirs already.
        found = error if isinstance(error, sqlite3.Error) else error.__cause__
        code = getattr(found, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if code == sqlite3.SQLITE_IOERR:
            self._is_doubtful = True
        elif code == sqlite3.SQLITE_FULL and self.when_full is not None:
            self.when_full()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of one statement."""
        with self._lock, self._words():
            return self._open_connection().execute(sql, values).fetchall()

    def execute_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """One statement for many rows."""
        with self._lock, self._words():
            self._open_connection().executemany(sql, values)

    @property
    def used_bytes(self) -> int:
        """Bytes of the file that hold something; pages freed by deletions are used again and do not count."""
        return self.room()[0]

    def room(self) -> tuple[int, int]:
        """(bytes of the file that hold something, bytes in it that are free to be used again)."""
        pages, free, size = (int(self.execute(f"PRAGMA {name}")[0][0]) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size, free * size

    def begin_log_again(self) -> None:
        """Takes everything from the log into the file, so that the log's room is used again; what the disk refuses stays as it was."""
        with self._lock, self._quietly():
            self._open_connection().execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    @staticmethod
    def copy(source: Path, target: Path, what: str) -> None:
        """Copies a file that another process may be writing, as of one moment (SQLite's online backup).

        Raises:
            ConfigError: there is no database, or the target cannot be written.
            NotConnected: the disk is full, or the source is locked.
        """
        if not source.is_file():
            raise ConfigError(f"{what} {source}: not there")
        reader = Database(source, what, None, read_only=True)
        try:
            with reader._words(), contextlib.closing(sqlite3.connect(target)) as copy:
                # All pages in one step: readers in WAL mode see one moment, and the writer is not held up.
                reader._open_connection().backup(copy)
        finally:
            reader.close()

    def bytes_on_disk(self) -> int:
        """Size of the file and of its write-ahead log."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Closes the file and gives up the lock; a second call does nothing."""
        with self._lock:
            for reader in self._readers:
                reader.close()
            connection, self._connection = self._connection, None
            lock, self._lock_file = self._lock_file, None
            try:
                if connection is not None:
                    with self._words():
                        connection.close()
            finally:
                if lock is not None:
                    lock.close()

    def _prepare(self, version: int, schema: Sequence[str], migrations: Mapping[int, Sequence[str]]) -> None:
        found = int(self.execute("PRAGMA user_version")[0][0])
        if found > version:
            versions = f"format version {found} is newer than this program's {version}"
            raise ConfigError(f"{self.what} {self.path}: {versions}; run the newer program or restore an older copy")
        if 0 < found < version:
            if any(step not in migrations for step in range(found, version)):
                versions = f"format version {found} is older than this program's {version}"
                raise ConfigError(f"{self.what} {self.path}: {versions}, and there is no way from it: name another data folder")
            with self.transaction():
                for step in range(found, version):
                    for statement in migrations[step]:
                        self.execute(statement)
                self.execute(f"PRAGMA user_version = {version:d}")
        if found == 0:
            if self.execute("SELECT name FROM sqlite_master LIMIT 1"):
                raise ConfigError(f"{self.what} {self.path}: a database of another program; name another file")
            with self.transaction():
                for statement in schema:
                    self.execute(statement)
                self.execute(f"PRAGMA user_version = {version:d}")

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise NotConnected(f"{self.what} {self.path}: closed")
        return self._connection

    @contextmanager
    def _words(self, *, opening: bool = False) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            where = f"{self.what} {self.path}"
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            if opening and code in _NOT_WRITABLE:
                raise ConfigError(f"{where}: cannot be opened for writing ({error}); check the path and its permissions") from error
            if code == sqlite3.SQLITE_FULL:
                raise NotConnected(f"{where}: disk full; nothing was stored, free space and it goes on") from error
            if code in _LATER:
                raise NotConnected(f"{where}: {error} ({name}); nothing was stored") from error
            raise ConfigError(f"{where}: damaged or of unknown format ({error}, {name}); move it away, restore a copy or begin a new one") from error

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error:
            return  # the first error is the one to tell; what is left undone here SQLite does when it can


def _take_lock(path: Path, what: str) -> BinaryIO:
    """An exclusive lock beside the file, held until the returned file is closed or the process ends, however it ends."""
    name = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = name.open("ab")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NotConnected(f"{what} {path}: disk full; nothing was stored, free space and it goes on") from error
        raise ConfigError(f"{what} {path}: cannot be opened for writing ({error.strerror}); check the path and its permissions") from error
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ConfigError(f"{what} {path}: in use by another process; stop that one first, two writers would break the sequence") from error
    return file
