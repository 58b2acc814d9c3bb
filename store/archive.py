"""The gateway's archive: every authentic batch whole, in two Merkle logs, on disk before the edge may forget. Engines are rebuilt from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from store.archive_admission import Admitted, Replayed, admit
from store.archive_control import SCHEMA as CONTROL_SCHEMA
from store.archive_control import ControlLog
from store.archive_records import Chain, Committed, ControlEntry, EdgeRecord, QuarantinedRow, Refused, StoredBatch, TokenRecord
from store.archive_tables import SCHEMA as TABLES_SCHEMA
from store.log import Tree, checkpoint_text, data_leaf, leaf_hash, sign_note
from store.signing import SigningKey, decode_key
from store.sqlite import Database
from workshop.batch import Gap, Header, Provenance, SealedBatch, decode_header
from workshop.errors import ConfigError, Rejected
from workshop.window import SECOND_US, Clock, Window

__all__ = ["Archive", "Committed", "ControlEntry", "EdgeRecord", "LogName", "QuarantinedRow", "Refused", "StoredBatch", "TokenRecord"]

LogName = Literal["data", "control"]
FORMAT = 1
SILENCE_US = 60 * SECOND_US
_PAGE = 16
_SCHEMA = (
    *TABLES_SCHEMA, *CONTROL_SCHEMA,
    "CREATE TABLE edges (edge TEXT PRIMARY KEY, public_key TEXT NOT NULL, provenance TEXT NOT NULL, token_sha256 TEXT NOT NULL,"
    " enrolled_us INTEGER NOT NULL, revoked_us INTEGER) WITHOUT ROWID",
    "CREATE TABLE chains (edge TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, digest TEXT NOT NULL,"
    " accepted_us INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE batches (number INTEGER PRIMARY KEY, edge TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " accepted_us INTEGER NOT NULL, from_us INTEGER, to_us INTEGER,"
    " rows INTEGER NOT NULL, gaps INTEGER NOT NULL, leaf BLOB NOT NULL, header BLOB NOT NULL, signature BLOB NOT NULL)",
    "CREATE UNIQUE INDEX batches_identity ON batches (edge, epoch, seq)",
    "CREATE INDEX batches_time ON batches (from_us, to_us)",
    "CREATE INDEX batches_gaps ON batches (number) WHERE gaps > 0",
    "CREATE INDEX batches_leaf ON batches (number, leaf, accepted_us)",
    "CREATE TABLE parts (batch INTEGER, number INTEGER, equipment TEXT NOT NULL, data BLOB, PRIMARY KEY (batch, number))",
)


class Archive(ControlLog):
    """Batches, data log, control log, edges and tokens in one file. Threads may share it; one process at a time.

    Every writing method raises NotConnected when the disk is full or refuses (nothing was stored) and ConfigError when the file is damaged.
    """

    def __init__(self, database: Database, *, key: SigningKey, origin: str, clock: Clock, silence_us: int) -> None:
        super().__init__(database, key, clock)
        self.origin = origin
        self._silence_us = silence_us
        rows = database.execute("SELECT leaf, accepted_us FROM batches ORDER BY number")
        self._data = Tree(leaf for leaf, _ in rows)
        self._accepted_us = int(rows[-1][1]) if rows else 0
        self._edges = {row[0]: EdgeRecord(row[0], row[1], Provenance(row[2]), *row[3:]) for row in database.execute("SELECT * FROM edges")}
        self._chains = {row[0]: Chain(*row[1:]) for row in database.execute("SELECT * FROM chains")}
        identity = {"origin": origin, "gateway_key": key.public}
        if self.control_size == 0:
            self.add_control("origin", identity, author="gateway")
        elif (found := self.control_entries(0, "origin")[0].body) != identity:
            raise ConfigError(f"archive {database.path}: is the log '{found.get('origin')}' of another gateway key; name another data folder")

    @classmethod
    def open(cls, path: Path, *, key: SigningKey, origin: str, clock: Clock, silence_us: int = SILENCE_US) -> "Archive":
        """Opens the archive, or begins one with the control entry "origin"; both trees are rebuilt from stored leaf hashes.

        Args:
            origin: name of the logs, without "/data" and "/control".
            silence_us: how long an edge must be silent before a new epoch of it is accepted.
        Raises:
            ConfigError: open in another process, made by a newer program, damaged, or the log of another origin or key.
        """
        database = Database.open(path, what="archive", version=FORMAT, schema=_SCHEMA)
        try:
            return cls(database, key=key, origin=origin, clock=clock, silence_us=silence_us)
        except BaseException:
            database.close()
            raise

    def enrol(self, record: EdgeRecord, *, author: str) -> None:
        """Admits an edge, or gives a known one a new key and token; with a control entry "enrolment".

        Raises:
            Rejected: no Ed25519 key, or another provenance than the edge has had: that is fixed for ever.
        """
        decode_key(record.public_key)
        before = self._edges.get(record.edge)
        if before is not None and before.provenance is not record.provenance:
            raise Rejected(f"edge '{record.edge}' is enrolled as {before.provenance.value}, which never changes; enrol it under another name")
        body = {"edge": record.edge, "key": record.public_key, "provenance": record.provenance.value}
        self._write_edge(record, "enrolment", body, author)

    def revoke(self, edge: str, *, author: str, reason: str) -> None:
        """Refuses the edge's batches from now on; with a control entry "revocation".

        Raises:
            Rejected: no such edge.
        """
        record = self._edges.get(edge)
        if record is None:
            raise Rejected(f"no edge '{edge}'; there are {', '.join(sorted(self._edges)) or 'none'}")
        self._write_edge(msgspec.structs.replace(record, revoked_us=self._clock()), "revocation", {"edge": edge, "reason": reason}, author)

    def edges(self) -> list[EdgeRecord]:
        """All edges ever enrolled, by name."""
        return [self._edges[name] for name in sorted(self._edges)]

    def edge(self, edge: str) -> EdgeRecord | None:
        """The edge of this name, or None."""
        return self._edges.get(edge)

    def watermark(self, edge: str) -> tuple[int, int] | None:
        """(epoch, last committed seq) of an edge, or None before its first batch."""
        chain = self._chains.get(edge)
        return (chain.epoch, chain.seq) if chain else None

    def last_accepted_us(self, edge: str) -> int | None:
        """When the edge's last batch was accepted, µs, or None before its first."""
        chain = self._chains.get(edge)
        return chain.accepted_us if chain else None

    def commit(self, batches: Sequence[SealedBatch]) -> list[Committed | Refused]:
        """Judges batches in order and stores the good ones in one transaction with one fsync; when it returns the edge may be told.

        The same batch again changes nothing; another body under its identity is refused, never an overwrite.
        """
        with self._write_lock:
            # Accepted times never go backwards within the log, whatever the clock does.
            now = max(self._clock(), self._accepted_us)
            chains = dict(self._chains)
            leaves: list[bytes] = []
            entries: list[tuple[bytes, int]] = []
            answers: list[Committed | Refused] = []
            with self._db.transaction():
                for batch in batches:
                    verdict = admit(batch, self._edges.get, chains.get, self._stored_header, now, self._silence_us)
                    if isinstance(verdict, Refused):
                        answers.append(verdict)
                    elif isinstance(verdict, Replayed):
                        answers.append(Committed(self._last_seq(verdict.header), None))
                    else:
                        index = self._data.size + len(leaves)
                        if verdict.new_epoch not in (None, "first"):
                            entries.append(self._store_epoch(verdict, chains[verdict.header.edge], self.control_size + len(entries)))
                        leaves.append(self._store_batch(index, now, verdict.header, batch))
                        chains[verdict.header.edge] = Chain(verdict.header.epoch, verdict.header.seq, batch.digest, now)
                        answers.append(Committed(verdict.header.seq, index))
                changed = [(edge, *msgspec.structs.astuple(chain)) for edge, chain in chains.items() if chain is not self._chains.get(edge)]
                self._db.execute_many("INSERT OR REPLACE INTO chains VALUES (?, ?, ?, ?, ?)", changed)
            self._data.extend(leaves)
            self._control.extend(leaf for leaf, _ in entries)
            self._control_us = max([self._control_us, *(time_us for _, time_us in entries)])
            self._chains = chains
            if leaves:
                self._accepted_us = now
            return answers

    @property
    def data_size(self) -> int:
        """Number of batches in the data log."""
        return self._data.size

    def batches(self, first: int, end: int) -> Iterator[StoredBatch]:
        """Batches with index in [first, end), in order; read in pages, so that no reader holds the file up."""
        while first < end:
            page = self._read_page(first, min(end, first + _PAGE))
            if not page:
                return
            yield from page
            first = page[-1].index + 1

    def range_for(self, window: Window, lookback_us: int) -> tuple[int, int]:
        """[first, end) of the indices that hold every batch whose parts or gaps meet [start - lookback, end); (0, 0) if there is none."""
        sql = "SELECT MIN(number), MAX(number) FROM batches WHERE from_us < ? AND to_us > ?"
        first, last = self._reader.execute(sql, (window.end_us, window.start_us - lookback_us))[0]
        return (0, 0) if first is None else (int(first), int(last) + 1)

    def gaps(self) -> list[tuple[str, Gap]]:
        """(edge, gap) of every gap in a committed header, in the log's order."""
        rows = self._reader.execute("SELECT header FROM batches WHERE gaps > 0 ORDER BY number")
        headers = [decode_header(header) for (header,) in rows]
        return [(header.edge, gap) for header in headers for gap in header.gaps]

    def gaps_in(self, window: Window) -> list[tuple[str, Gap]]:
        """(edge, gap) of the declared gaps that meet the window, in the log's order; only batches that reach into it are read."""
        sql = "SELECT header FROM batches WHERE gaps > 0 AND from_us < ? AND to_us > ? ORDER BY number"
        headers = [decode_header(header) for (header,) in self._reader.execute(sql, (window.end_us, window.start_us))]
        return [
            (header.edge, gap) for header in headers for gap in header.gaps if gap.from_us < window.end_us and gap.to_us > window.start_us
        ]

    def root(self, log: LogName, size: int | None = None) -> bytes:
        """Root of a log at a size, now by default. Raises Rejected beyond its end."""
        return self._tree(log).root(size)

    def inclusion_proof(self, log: LogName, index: int, size: int) -> list[bytes]:
        """Audit path of an entry. Raises Rejected for an index or size that is not there."""
        return self._tree(log).inclusion_proof(index, size)

    def consistency_proof(self, log: LogName, old: int, new: int) -> list[bytes]:
        """Proof that the log of size `new` begins with that of size `old`. Raises Rejected for sizes that are not there."""
        return self._tree(log).consistency_proof(old, new)

    def checkpoint(self, log: LogName) -> str:
        """Signed note of the log's present size and root; origin line and key name are `<origin>/data` or `<origin>/control`."""
        name, tree = f"{self.origin}/{log}", self._tree(log)
        size = tree.size
        return sign_note(checkpoint_text(name, size, tree.root(size)), name, self.key)

    def seal_checkpoint(self) -> int:
        """Adds the data log's size and root to the control log, so that one checkpoint covers both; returns the entry's index."""
        with self._write_lock:
            size = self._data.size
            return self.add_control("checkpoint", {"size": size, "root": self._data.root(size).hex()}, author="gateway")

    def _tree(self, log: LogName) -> Tree:
        return self._data if log == "data" else self._control

    def _write_edge(self, record: EdgeRecord, kind: str, body: dict[str, str], author: str) -> None:
        with self._write_lock:
            row = (record.edge, record.public_key, record.provenance.value, record.token_sha256, record.enrolled_us, record.revoked_us)
            with self._db.transaction():
                self._db.execute("INSERT OR REPLACE INTO edges VALUES (?, ?, ?, ?, ?, ?)", row)
                leaf, time_us = self._store_control(self.control_size, kind, body, author)
            self._control.append(leaf)
            self._control_us = time_us
            self._edges[record.edge] = record

    def _stored_header(self, edge: str, epoch: int, seq: int) -> bytes | None:
        rows = self._db.execute("SELECT header FROM batches WHERE edge = ? AND epoch = ? AND seq = ?", (edge, epoch, seq))
        return bytes(rows[0][0]) if rows else None

    def _last_seq(self, header: Header) -> int:
        """Last committed seq of the header's own epoch, which may be an old one."""
        return int(self._db.execute("SELECT MAX(seq) FROM batches WHERE edge = ? AND epoch = ?", (header.edge, header.epoch))[0][0])

    def _store_epoch(self, admitted: Admitted, before: Chain, index: int) -> tuple[bytes, int]:
        header = admitted.header
        body = {"edge": header.edge, "epoch": header.epoch, "old_epoch": before.epoch, "old_seq": before.seq, "prev": admitted.new_epoch}
        return self._store_control(index, "epoch", body, "gateway")

    def _store_batch(self, index: int, now: int, header: Header, batch: SealedBatch) -> bytes:
        leaf = leaf_hash(data_leaf(now, batch.header, batch.signature))
        starts = [part.from_us for part in header.parts] + [gap.from_us for gap in header.gaps]
        ends = [part.to_us + 1 for part in header.parts] + [gap.to_us for gap in header.gaps]
        self._db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (
            index, header.edge, header.epoch, header.seq, now, min(starts, default=None), max(ends, default=None), header.rows, len(header.gaps),
            leaf, batch.header, batch.signature,
        ))
        rows = ((index, n, entry.equipment, part) for n, (entry, part) in enumerate(zip(header.parts, batch.parts, strict=True)))
        self._db.execute_many("INSERT INTO parts VALUES (?, ?, ?, ?)", rows)
        return leaf

    def _read_page(self, first: int, end: int) -> list[StoredBatch]:
        parts: dict[int, list[bytes | None]] = {}
        sql = "SELECT batch, data FROM parts WHERE batch >= ? AND batch < ? ORDER BY batch, number"
        for number, data in self._reader.execute(sql, (first, end)):
            parts.setdefault(number, []).append(data)
        sql = "SELECT number, accepted_us, header, signature FROM batches WHERE number >= ? AND number < ? ORDER BY number"
        rows = self._reader.execute(sql, (first, end))
        return [StoredBatch(number, us, SealedBatch(header, signature, tuple(parts.get(number, ())))) for number, us, header, signature in rows]
