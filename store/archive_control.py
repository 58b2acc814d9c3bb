"""The control log: everything besides batches that a verdict depends on, one signed entry after the other."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from store.archive_records import ControlEntry
from store.archive_tables import ArchiveTables
from store.log import Tree, data_leaf, leaf_hash
from store.signing import SigningKey
from store.sqlite import Database
from workshop.canonical import canonical_json
from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.window import Clock

SCHEMA = (
    "CREATE TABLE control (number INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, kind TEXT NOT NULL, leaf BLOB NOT NULL, entry BLOB NOT NULL,"
    " signature BLOB NOT NULL)",
    "CREATE INDEX control_kind ON control (kind, number)",
)
_PAGE = 64


class _Entry(msgspec.Struct, frozen=True):
    v: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


class ControlLog(ArchiveTables):
    """The control log with the tables beside it."""

    def __init__(self, database: Database, key: SigningKey, clock: Clock) -> None:
        super().__init__(database, clock)
        self.key = key
        self._control = Tree(leaf for (leaf,) in database.execute("SELECT leaf FROM control ORDER BY number"))
        self._control_us = int(database.execute("SELECT COALESCE(MAX(time_us), 0) FROM control")[0][0])

    @property
    def control_size(self) -> int:
        """Number of entries."""
        return self._control.size

    def add_control(self, kind: str, body: Mapping[str, Any], *, author: str) -> int:
        """Adds an entry, signed by the gateway and naming the authenticated author; returns its index.

        Raises:
            Rejected: a body without canonical JSON (integers beyond 2^53 - 1, NaN, keys that are not text).
        """
        with self._write_lock:
            index = self._control.size
            with self._db.transaction():
                leaf, time_us = self._store_control(index, kind, body, author)
            self._control.append(leaf)
            self._control_us = time_us
            return index

    def control_entries(self, first: int = 0, kind: str | None = None) -> list[ControlEntry]:
        """Entries from index `first` on, all or those of one kind."""
        sql, values = "SELECT number, entry FROM control WHERE number >= ?", [first]
        rows = self._reader.execute(f"{sql} ORDER BY number", values) if kind is None else self._reader.execute(
            f"{sql} AND kind = ? ORDER BY number", [*values, kind]
        )
        entries = []
        for number, data in rows:
            entry = msgspec.json.decode(data, type=_Entry)
            entries.append(ControlEntry(number, entry.v, entry.kind, entry.time_us, entry.author, entry.body))
        return entries

    def control_leaves(self, first: int = 0) -> Iterator[bytes]:
        """Leaves from index `first` on, as they are hashed; read in pages, so that no reader holds the file up."""
        while rows := self._reader.execute(
            "SELECT number, time_us, entry, signature FROM control WHERE number >= ? ORDER BY number LIMIT ?", (first, _PAGE)
        ):
            for _, time_us, entry, signature in rows:
                yield data_leaf(time_us, entry, signature)
            first = int(rows[-1][0]) + 1

    def revise_register(self, workshop: Workshop, *, author: str, reason: str) -> bool:
        """Adds the register in full as a control entry if it differs from the one in force; whether it did."""
        with self._write_lock:
            last = self.register()
            if last is not None and last.digest == workshop.digest:
                return False
            body = {"digest": workshop.digest, "reason": reason, "register": msgspec.to_builtins(workshop)}
            self.add_control("register", body, author=author)
            return True

    def register(self) -> Workshop | None:
        """The register in force, or None before the first."""
        rows = self._reader.execute("SELECT entry FROM control WHERE kind = 'register' ORDER BY number DESC LIMIT 1")
        return _register_of(msgspec.json.decode(rows[0][0], type=_Entry).body) if rows else None

    def registers(self) -> list[tuple[int, Workshop]]:
        """Every revision with the time, µs, of its entry."""
        return [(entry.time_us, _register_of(entry.body)) for entry in self.control_entries(kind="register")]

    def _store_control(self, index: int, kind: str, body: Mapping[str, Any], author: str) -> tuple[bytes, int]:
        """Writes an entry inside a transaction; the caller extends the tree once it is on disk."""
        # Times never go backwards within the log, whatever the clock does.
        time_us = max(self._clock(), self._control_us)
        try:
            data = canonical_json({"v": 1, "kind": kind, "time_us": time_us, "author": author, "body": dict(body)})
        except (ValueError, TypeError) as error:
            raise Rejected(f"control entry '{kind}': {error}") from error
        signature = self.key.sign("control", data)
        leaf = leaf_hash(data_leaf(time_us, data, signature))
        self._db.execute("INSERT INTO control VALUES (?, ?, ?, ?, ?, ?)", (index, time_us, kind, leaf, data, signature))
        return leaf, time_us


def _register_of(body: Mapping[str, Any]) -> Workshop:
    return msgspec.convert(body["register"], Workshop)
