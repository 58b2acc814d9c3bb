"""The gateway's archive: every authentic batch whole, in two Merkle logs, on disk before the edge may forget. Engines are rebuilt from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from store.archive_admission import Replayed, admit
from store.archive_control import SCHEMA as CONTROL_SCHEMA
from store.archive_edges import SCHEMA as EDGES_SCHEMA
from store.archive_edges import EdgeBook
from store.archive_header import packed, unpacked
from store.archive_records import Alarm, Chain, Committed, ControlEntry, EdgeRecord, QuarantinedRow, Refused, StoredBatch, StoredHeader, TokenRecord
from store.archive_tables import SCHEMA as TABLES_SCHEMA
from store.archive_trees import SCHEMA as TREES_SCHEMA
from store.control_kinds import LostBatches, Prune
from store.log import LogName, data_leaf, leaf_hash
from store.signing import SigningKey
from store.sqlite import Database
from workshop.batch import Gap, Header, SealedBatch, decode_header
from workshop.errors import Rejected
from workshop.window import SECOND_US, Clock, Window

__all__ = [
    "Alarm", "Archive", "Committed", "ControlEntry", "EdgeRecord", "LogName", "QuarantinedRow", "Refused", "StoredBatch", "StoredHeader",
    "TokenRecord",
]

FORMAT = 3
_MIGRATIONS: dict[int, tuple[str, ...]] = {2: ()}
"""Format 3 may hold compressed headers, see `store.archive_header`; those of format 2 stay as they are."""
SILENCE_US = 60 * SECOND_US
_PAGE = 16
_PART_BITS = 16
_PRUNE_BATCHES = 256
_HEADERS = 256
_SCHEMA = (
    *TABLES_SCHEMA, *TREES_SCHEMA, *CONTROL_SCHEMA, *EDGES_SCHEMA,
    "CREATE TABLE batches (number INTEGER PRIMARY KEY, edge TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " accepted_us INTEGER NOT NULL, from_us INTEGER, to_us INTEGER,"
    " parts INTEGER NOT NULL, gaps INTEGER NOT NULL, leaf BLOB NOT NULL, header BLOB NOT NULL, signature BLOB NOT NULL)",
    "CREATE UNIQUE INDEX batches_identity ON batches (edge, epoch, seq)",
    "CREATE INDEX batches_time ON batches (from_us, to_us)",
    "CREATE INDEX batches_gaps ON batches (number) WHERE gaps > 0",
    # id = batch number × 65,536 + place in the header, so that parts need no index of their own; a part that is not there has no row.
    "CREATE TABLE parts (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)


class Archive(EdgeBook):
    """Batches, data log, control log, edges and tokens in one file. Threads may share it; one process at a time.

    Every writing method raises NotConnected when the disk is full or refuses (nothing was stored) and ConfigError when the file is damaged.
    """

    def __init__(self, database: Database, *, key: SigningKey, origin: str, clock: Clock, silence_us: int) -> None:
        super().__init__(database, key, origin, clock, silence_us)
        rows = database.execute("SELECT accepted_us FROM batches ORDER BY number DESC LIMIT 1")
        self._accepted_us = int(rows[0][0]) if rows else 0
        self._pruned_end = max((entry.body["end"] for entry in self.control_entries(0, "prune")), default=0)
        self._lost_signals: dict[int, tuple[str, ...]] = {}
        self._delete_pruned()

    @classmethod
    def open(cls, path: Path, *, key: SigningKey, origin: str, clock: Clock, silence_us: int = SILENCE_US) -> "Archive":
        """Opens the archive, or begins one with the control entry "origin"; the trees are read from the tiles at their ends.

        Args:
            origin: name of the logs, without "/data" and "/control".
            silence_us: how long an edge must be silent before a new epoch of it is accepted.
        Raises:
            ConfigError: open in another process, made by a newer program, damaged, or the log of another origin or key.
        """
        database = Database.open(path, what="archive", version=FORMAT, schema=_SCHEMA, migrations=_MIGRATIONS)
        try:
            return cls(database, key=key, origin=origin, clock=clock, silence_us=silence_us)
        except BaseException:
            database.close()
            raise

    def commit(self, batches: Sequence[SealedBatch], headers: Sequence[Header] | None = None) -> list[Committed | Refused]:
        """Judges batches in order and stores the good ones in one transaction with one fsync; when it returns the edge may be told.

        The same batch again changes nothing; another body under its identity is refused, never an overwrite.
        Args:
            headers: what `decode_header` gave for each batch, if the caller has it.
        """
        with self._write_lock:
            # Accepted times never go backwards within the log, whatever the clock does.
            now = max(self._clock(), self._accepted_us)
            chains = dict(self._chains)
            rows: list[tuple[object, ...]] = []
            parts: list[tuple[int, bytes]] = []
            fresh: dict[tuple[str, int, int], bytes] = {}
            answers: list[Committed | Refused] = []

            def stored(edge: str, epoch: int, seq: int) -> bytes | None:
                chain = chains.get(edge)
                if chain is not None and chain.epoch == epoch and seq > chain.seq:
                    return None  # beyond the watermark there is nothing: no need to look
                return fresh.get((edge, epoch, seq)) or self._stored_header(edge, epoch, seq)

            with self._adding() as added:
                for number, batch in enumerate(batches):
                    header = headers[number] if headers is not None else None
                    verdict = admit(batch, self._edges.get, self._key_of, chains.get, stored, now, self._silence_us, header)
                    if isinstance(verdict, Refused):
                        answers.append(verdict)
                    elif isinstance(verdict, Replayed):
                        answers.append(Committed(self._last_seq(verdict.header, chains), None))
                    else:
                        header = verdict.header
                        index = self.data_size + len(added.data)
                        if verdict.new_epoch not in (None, "first"):
                            self._begin_epoch(added, header, chains[header.edge], verdict.new_epoch)
                        leaf = leaf_hash(data_leaf(now, batch.header, batch.signature))
                        rows.append(_row(index, now, header, batch, leaf))
                        parts += ((index << _PART_BITS | n, part) for n, part in enumerate(batch.parts) if part is not None)
                        added.data.append(leaf)
                        fresh[header.edge, header.epoch, header.seq] = batch.header
                        chains[header.edge] = Chain(header.epoch, header.seq, batch.digest, now)
                        answers.append(Committed(header.seq, index))
                changed = [(edge, *msgspec.structs.astuple(chain)) for edge, chain in chains.items() if chain is not self._chains.get(edge)]
                self._db.execute_many("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                self._db.execute_many("INSERT INTO parts VALUES (?, ?)", parts)
                self._db.execute_many("INSERT OR REPLACE INTO chains VALUES (?, ?, ?, ?, ?)", changed)
            self._chains = chains
            if rows:
                self._accepted_us = now
            return answers

    def batches(self, first: int, end: int) -> Iterator[StoredBatch]:
        """Batches with index in [first, end), in order; read in pages, so that no reader holds the file up. Parts that were pruned are None."""
        while first < end:
            page = self._read_page(first, min(end, first + _PAGE))
            if not page:
                return
            yield from page
            first = page[-1].index + 1

    def headers(self, first: int, end: int) -> Iterator[StoredHeader]:
        """As `batches`, without reading the parts."""
        while first < end:
            last = min(end, first + _HEADERS)
            sql = "SELECT number, accepted_us, parts, header FROM batches WHERE number >= ? AND number < ? ORDER BY number"
            rows = self._reader.execute(sql, (first, last))
            if not rows:
                return
            sizes: dict[int, int] = dict(self._reader.execute("SELECT id, LENGTH(data) FROM parts WHERE id >= ? AND id < ?", (
                first << _PART_BITS, last << _PART_BITS)))
            for number, us, count, header in rows:
                yield StoredHeader(number, us, unpacked(header), tuple(sizes.get(number << _PART_BITS | n) for n in range(count)))
            first = int(rows[-1][0]) + 1

    def indices(self, edge: str, epoch: int, from_seq: int, to_seq: int) -> list[int]:
        """Places in the data log of an edge's batches from one sequence number to another, both included."""
        sql = "SELECT number FROM batches WHERE edge = ? AND epoch = ? AND seq >= ? AND seq <= ? ORDER BY number"
        return [int(number) for (number,) in self._reader.execute(sql, (edge, epoch, from_seq, to_seq))]

    def index_before(self, edge: str, epoch: int, seq: int) -> int | None:
        """Place in the data log of an edge's last batch before this one, or None."""
        sql = "SELECT number FROM batches WHERE edge = ? AND (epoch, seq) < (?, ?) ORDER BY epoch DESC, seq DESC LIMIT 1"
        rows = self._reader.execute(sql, (edge, epoch, seq))
        return int(rows[0][0]) if rows else None

    def range_for(self, window: Window, lookback_us: int) -> tuple[int, int]:
        """[first, end) of the indices that hold every batch whose parts or gaps meet [start - lookback, end); (0, 0) if there is none."""
        sql = "SELECT MIN(number), MAX(number) FROM batches WHERE from_us < ? AND to_us > ?"
        first, last = self._reader.execute(sql, (window.end_us, window.start_us - lookback_us))[0]
        return (0, 0) if first is None else (int(first), int(last) + 1)

    def touched(self, first: int, end: int) -> list[tuple[int, int]]:
        """The times [from, to), µs, that the parts and gaps of the batches with index in [first, end) are about, united and sorted."""
        sql = "SELECT from_us, to_us FROM batches WHERE number >= ? AND number < ? AND to_us >= from_us"
        found: list[tuple[int, int]] = []
        for start_us, end_us in sorted(self._reader.execute(sql, (first, end))):
            if found and start_us <= found[-1][1]:
                found[-1] = found[-1][0], max(found[-1][1], int(end_us) + 1)
            else:
                found.append((int(start_us), int(end_us) + 1))
        return found

    def gaps(self) -> list[tuple[str, Gap]]:
        """(edge, gap) of every gap in a committed header, in the log's order."""
        rows = self._reader.execute("SELECT header FROM batches WHERE gaps > 0 ORDER BY number")
        headers = [decode_header(unpacked(header)) for (header,) in rows]
        return [(header.edge, gap) for header in headers for gap in header.gaps]

    @property
    def pruned_end(self) -> int:
        """Index before which the parts of all batches are deleted; 0 when nothing was pruned."""
        return self._pruned_end

    def gaps_in(self, window: Window) -> list[tuple[str, Gap]]:
        """(edge, gap) of the declared gaps that meet the window, in the log's order; only batches that reach into it are read. Those of the control
        log come last: what is lost by a restore, or with an edge's journal."""
        sql = "SELECT header FROM batches WHERE gaps > 0 AND from_us < ? AND to_us > ? ORDER BY number"
        headers = [decode_header(unpacked(header)) for (header,) in self._reader.execute(sql, (window.end_us, window.start_us))]
        found = [*((header.edge, gap) for header in headers for gap in header.gaps), *self._losses()]
        return [(edge, gap) for edge, gap in found if gap.from_us < window.end_us and gap.to_us > window.start_us]

    def _losses(self) -> list[tuple[str, Gap]]:
        """Gaps of the control log, each about all signals of the equipment that the edge delivered near it."""
        found = []
        for entry in self.control_entries(0, "gap"):
            body = msgspec.convert(entry.body, LostBatches)
            if body.is_loss:
                if entry.index not in self._lost_signals:
                    self._lost_signals[entry.index] = self._signals_near(body)
                found.append((body.edge, Gap(self._lost_signals[entry.index], body.sealed_after_us, body.sealed_before_us, body.reason)))
        return found

    def _signals_near(self, body: LostBatches) -> tuple[str, ...]:
        sql = "SELECT header FROM batches WHERE edge = ? AND (epoch, seq) {} (?, ?) ORDER BY epoch {order}, seq {order} LIMIT ?"
        near = (body.edge, body.epoch, body.from_seq, _HEADERS)
        rows = self._reader.execute(sql.format("<", order="DESC"), near) or self._reader.execute(sql.format(">", order="ASC"), near)
        equipment = {part.equipment for (header,) in rows for part in decode_header(unpacked(header)).parts}
        register = self.register()
        return () if register is None else tuple(sorted(name for name, item, _ in register.signals() if item.id in equipment))

    def prune(self, before_us: int, *, author: str, reason: str, limit: int | None = None) -> Prune:
        """Deletes the parts of the oldest batches, those that hold nothing from `before_us` on, up to the first that does; with an entry "prune".

        Headers, signatures, leaf hashes and proofs stay.
        Args:
            limit: index at which to stop in any case, such as the engine's cursor.
        Raises:
            Rejected: nothing is so old.
        """
        with self._write_lock:
            first = self._pruned_end
            rows = self._db.execute("SELECT number FROM batches WHERE number >= ? AND to_us > ? ORDER BY number LIMIT 1", (first, before_us))
            end = min(int(rows[0][0]) if rows else self.data_size, self.data_size if limit is None else limit)
            if end <= first:
                raise Rejected(f"prune: the first batch with raw data, number {first}, holds readings or gaps after that time; nothing to do")
            body = Prune(first, end, before_us, reason)
            self.add(body, author=author)
            self._pruned_end = end
        self._delete_pruned()
        return body

    def _delete_pruned(self) -> None:
        """In small transactions, so that ingest goes on; whatever a crash leaves is deleted at the next start."""
        while rows := self._db.execute("SELECT MIN(id) FROM parts WHERE id < ?", (self._pruned_end << _PART_BITS,)):
            if rows[0][0] is None:
                return
            end = min(self._pruned_end, (int(rows[0][0]) >> _PART_BITS) + _PRUNE_BATCHES)
            with self._write_lock, self._db.transaction():
                self._db.execute("DELETE FROM parts WHERE id < ?", (end << _PART_BITS,))

    def _stored_header(self, edge: str, epoch: int, seq: int) -> bytes | None:
        rows = self._db.execute("SELECT header FROM batches WHERE edge = ? AND epoch = ? AND seq = ?", (edge, epoch, seq))
        return unpacked(bytes(rows[0][0])) if rows else None

    def _last_seq(self, header: Header, chains: dict[str, Chain]) -> int:
        """Last committed seq of the header's own epoch, which may be an old one."""
        chain = chains.get(header.edge)
        if chain is not None and chain.epoch == header.epoch:
            return chain.seq
        return int(self._db.execute("SELECT MAX(seq) FROM batches WHERE edge = ? AND epoch = ?", (header.edge, header.epoch))[0][0])

    def _read_page(self, first: int, end: int) -> list[StoredBatch]:
        sql = "SELECT number, accepted_us, parts, header, signature FROM batches WHERE number >= ? AND number < ? ORDER BY number"
        rows = self._reader.execute(sql, (first, end))
        parts: dict[int, bytes] = dict(self._reader.execute("SELECT id, data FROM parts WHERE id >= ? AND id < ?", (
            first << _PART_BITS, end << _PART_BITS)))
        return [
            StoredBatch(number, us, SealedBatch(unpacked(header), signature, tuple(parts.get(number << _PART_BITS | n) for n in range(count))))
            for number, us, count, header, signature in rows
        ]


def _row(index: int, now: int, header: Header, batch: SealedBatch, leaf: bytes) -> tuple[object, ...]:
    starts = [part.from_us for part in header.parts] + [gap.from_us for gap in header.gaps]
    ends = [part.to_us + 1 for part in header.parts] + [gap.to_us for gap in header.gaps]
    return (
        index, header.edge, header.epoch, header.seq, now, min(starts, default=None), max(ends, default=None), len(header.parts), len(header.gaps),
        leaf, packed(batch.header), batch.signature,
    )
