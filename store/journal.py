"""The edge's journal: readings and gaps go to disk before their source is told, and leave it as signed batches that the gateway has committed."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from store.journal_batches import HANDED_OUT, SealedBatches
from store.journal_batches import SCHEMA as BATCHES_SCHEMA
from store.journal_fragment import encode_fragment, encode_span_columns
from store.journal_memory import SCHEMA as MEMORY_SCHEMA
from store.journal_memory import Memory, MemoryTables
from store.journal_past import SCHEMA as PAST_SCHEMA
from store.journal_past import PastTables
from store.journal_positions import RECENT_SCHEMA, Positions, ends_of
from store.journal_positions import SCHEMA as POSITIONS_SCHEMA
from store.journal_room import JournalRoom
from store.journal_seal import check_gap, check_readings, cut_parts, merge_gaps, read_fragments, share_gaps
from store.journal_space import JournalLimits, Space, WhenFull
from store.journal_statements import JournalStatements
from store.journal_status import JournalStatus
from store.journal_tracks import Track
from store.signing import SigningKey
from store.sqlite import Database
from workshop.batch import NO_DIGEST, ClockState, Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import Block, concat
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError
from workshop.window import Clock

__all__ = ["DEFAULT_LIMITS", "FORMAT", "HANDED_OUT", "EdgeJournal", "JournalLimits", "JournalStatus", "WhenFull"]

FORMAT = 4
_QUARANTINE_ITEMS, _QUARANTINE_BYTES = 10_000, 2**20
_SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE fragments (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL, digest BLOB NOT NULL, span BLOB NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE gaps (number INTEGER PRIMARY KEY, gap BLOB NOT NULL)",
    "CREATE TABLE quarantine (number INTEGER PRIMARY KEY, time_us INTEGER, source TEXT NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL)",
    *POSITIONS_SCHEMA,
    *BATCHES_SCHEMA,
    *MEMORY_SCHEMA,
    *PAST_SCHEMA,
)
# Format 2 counts what was dropped, and marks the parts of which that is true: an older program would take them for damaged ones. Format 3 keeps how
# far signals are in one row a commit: an older program would begin too early. Format 4 knows of back-fill, which an older program would not announce.
_MIGRATIONS = {1: (*MEMORY_SCHEMA, "INSERT OR IGNORE INTO meta VALUES ('dropped', 0)"), 2: (RECENT_SCHEMA,), 3: PAST_SCHEMA}
Refused = tuple[str, bytes, str]
"""(source, payload, reason) of what a source sent and nobody can read."""
DEFAULT_LIMITS = JournalLimits()


class EdgeJournal(JournalRoom, JournalStatements, PastTables):
    """The journal of one edge in one epoch. Calls block on the disk: make them from one worker thread.

    Every method raises NotConnected when the disk is full or refuses (nothing was stored, try again) and ConfigError when the file is damaged.
    """

    def __init__(self, database: Database, *, edge: str, provenance: Provenance, key: SigningKey, clock: Clock, limits: JournalLimits) -> None:
        self._db, self._key, self._clock, self._limits = database, key, clock, limits
        self.edge, self.provenance = edge, provenance
        self._begin()
        meta: dict[str, Any] = dict(database.execute("SELECT name, value FROM meta"))
        for name, value in (("edge", edge), ("provenance", provenance.value), ("key", key.public)):
            if meta.get(name) != value:
                where = f"journal {database.path}: belongs to {name} '{meta.get(name)}', not '{value}'"
                raise ConfigError(f"{where}; name another data folder, or move the journal away to begin a new epoch")
        try:
            self.epoch, self._watermark, self._gaps, self._quarantined, self._dropped, last_seq = (
                int(meta[name]) for name in ("epoch", "watermark", "gaps", "quarantined", "dropped", "last_seq")
            )
            last_digest = str(meta["last_digest"])
        except (KeyError, ValueError) as error:
            raise ConfigError(f"journal {database.path}: damaged ({error}); move it away to begin a new epoch") from error
        self._positions = Positions(database)
        self._memory = MemoryTables(database)
        self._unsealed = int(database.execute("SELECT COALESCE(SUM(rows), 0) FROM fragments")[0][0])
        self._batches = SealedBatches(database, tuple(str(meta.get("keys", key.public)).split()), self._positions.numbers)
        # Where a batch is kept its own header says how the chain goes on; the counters are for the time after the last one was pruned.
        self._last_seq, self._last_digest = self._batches.last() or (last_seq, last_digest)
        self._space = Space(database, self._batches, limits)
        self._unsealed_since: int | None = clock() if self._unsealed else None
        self._stored = self._acknowledged = self._commits = 0
        self._full, self._declared = "", list[Gap]()

    @classmethod
    def open(
        cls, path: Path, *, edge: str, provenance: Provenance, key: SigningKey, clock: Clock, limits: JournalLimits = DEFAULT_LIMITS
    ) -> "EdgeJournal":
        """Opens the journal, or begins one whose epoch is the present time.

        Raises:
            ConfigError: open in another process, made by a newer program, damaged, or the journal of another edge, provenance or key.
        """
        database = Database.open(path, what="journal", version=FORMAT, schema=_SCHEMA, migrations=_MIGRATIONS)
        try:
            return cls(database, edge=edge, provenance=provenance, key=key, clock=clock, limits=limits)
        except BaseException:
            database.close()
            raise

    def _begin(self) -> None:
        if self._db.execute("SELECT name FROM meta LIMIT 1"):
            return
        meta: dict[str, int | str] = {"edge": self.edge, "provenance": self.provenance.value, "key": self._key.public, "epoch": self._clock()}
        meta |= {"last_seq": 0, "last_digest": NO_DIGEST, "watermark": 0, "gaps": 0, "quarantined": 0, "dropped": 0}
        with self._db.transaction():
            self._db.execute_many("INSERT INTO meta VALUES (?, ?)", meta.items())

    def append(
        self, blocks: Sequence[Block], gaps: Sequence[Gap] = (), tracks: Mapping[str, Track] | None = None, refused: Sequence[Refused] = (),
        past: tuple[int, int] | None = None,
    ) -> None:
        """Stores the readings and gaps in one transaction with one fsync. When it returns they are on disk and the source may be told.

        Args:
            tracks: how far signals are with this, for `remembered`.
            refused: source data for quarantine, as in `quarantine`.
            past: [from, to) in µs of the readings among these that are back-fill: their batches are to be announced.
        Raises:
            Rejected: readings or gaps that could never be sealed; nothing was stored, quarantine them.
            NotConnected: the disk, or the journal's own limit, is full: nothing was stored, the source waits.
        """
        block = concat([one for one in blocks if len(one)])
        check_readings(block)
        for gap in gaps:
            check_gap(gap)
        if not len(block) and not gaps and not tracks and not refused:
            return
        fragment = encode_fragment(block) if len(block) else None
        self._make_room()
        spans = self._positions.spans(block)
        change = self._positions.change(spans, ends_of((gap.signals, gap.to_us) for gap in gaps), tracks or {})
        with self._db.transaction():
            self._positions.store(change)
            if fragment is not None:
                row = (len(block), hashlib.sha256(fragment).digest(), encode_span_columns(*spans), fragment)
                self._db.execute("INSERT INTO fragments (rows, digest, span, data) VALUES (?, ?, ?, ?)", row)
                if past is not None:
                    self._store_past(*past)
            if gaps:
                self._store_gaps(gaps)
            for item in refused:
                self._store_quarantine(*item)
            if refused:
                self._set_meta(quarantined=self._quarantined + len(refused))
        self._positions.stored(change)
        self._unsealed += len(block)
        self._gaps += len(gaps)
        self._quarantined += len(refused)
        self._stored += len(block)
        self._commits += 1
        if self._unsealed_since is None and len(block):
            self._unsealed_since = self._clock()

    def positions(self) -> dict[str, int]:
        """For each signal the source time, µs, before which everything is stored or declared: sources go on from there."""
        return self._positions.all()

    def remembered(self) -> Memory:
        """Tracks, declared gaps and the latest readings: what an edge must know to tell repetitions from readings after a restart."""
        return self._memory.all(self._positions.tracks(), read_fragments(self._fragments(), self._positions.numbers)[0], self._batches)

    def unsealed_rows(self) -> int:
        """Number of readings in fragments."""
        return self._unsealed

    def seal(self, clock_state: ClockState) -> int | None:
        """Replaces all fragments and undeclared gaps by one or more signed batches, in one transaction.

        A damaged fragment goes to quarantine and its readings are declared a gap; the others are sealed.
        Returns:
            The last sequence number, or None if there was nothing to seal.
        """
        blocks, lost, damaged = read_fragments(self._fragments(), self._positions.numbers)
        gaps = [msgspec.json.decode(data, type=Gap) for (data,) in self._db.execute("SELECT gap FROM gaps ORDER BY number")]
        groups = share_gaps(merge_gaps([*gaps, *lost]))
        batches = list(cut_parts(concat(blocks), self._limits.seal_rows, self._limits.seal_bytes)) if blocks else []
        if not batches and not groups and not damaged:
            return None
        seq, prev, kept = self._last_seq, self._last_digest, []
        sealed_us = self._clock()
        # Damage may have taken a signal from the table of positions; its readings still need a number.
        until = {name: last + 1 for parts in batches for part in parts for name, (_, last) in part.spans.items()}
        change = self._positions.change(None, until, {})
        with self._db.transaction():
            self._positions.fold(change)
            for i in range(max(len(batches), len(groups))):
                parts = batches[i] if i < len(batches) else []
                seq += 1
                header = encode_header(Header(
                    self.edge, self.epoch, seq, prev, self.provenance, sealed_us, clock_state, tuple(part.entry for part in parts),
                    groups[i] if i < len(groups) else (),
                ))
                prev = sha256_hex(header)
                kept.append(self._batches.add(seq, header, self._key.sign("batch", header), parts))
            if seq > self._last_seq:
                self._seal_past(self._last_seq + 1, seq)
            for data, reason in damaged:
                self._store_quarantine("journal", data, reason)
            self._memory.declare(lost)
            self._db.execute("DELETE FROM fragments")
            self._db.execute("DELETE FROM gaps")
            self._set_meta(last_seq=seq, last_digest=prev, gaps=self._gaps + len(lost), quarantined=self._quarantined + len(damaged))
        self._positions.folded(change)
        self._last_seq, self._last_digest = seq, prev
        self._gaps += len(lost)
        self._quarantined += len(damaged)
        self._batches.added(kept)
        self._unsealed, self._unsealed_since = 0, None
        return seq if kept else None

    def pending(self, limit: int = HANDED_OUT) -> list[tuple[int, SealedBatch]]:
        """The next batches that are not yet acknowledged, in order."""
        return self.from_seq(self._watermark + 1, limit)

    def from_seq(self, seq: int, limit: int = HANDED_OUT) -> list[tuple[int, SealedBatch]]:
        """Batches from this sequence number on, in order, acknowledged ones too as long as they are kept; the first may be later than asked for.

        A part that is damaged on disk is None, and its readings are declared a gap that the next header carries.
        """
        sealed, damaged = self._batches.read(seq, limit)
        if damaged:
            gaps = [gap for _, _, found in damaged for gap in found]
            with self._db.transaction():
                for number, part, _ in damaged:
                    self._batches.mark_damaged(number, part)
                self._store_gaps(gaps)
            self._gaps += len(gaps)
        return sealed

    @property
    def watermark(self) -> int:
        """Largest sequence number that the gateway has acknowledged; 0 before the first."""
        return self._watermark

    def acknowledge(self, watermark: int) -> None:
        """Notes that the gateway has committed everything up to here, and forgets the oldest beyond the retention budget.

        A lower watermark than before (a gateway restored from a backup) changes nothing: send again with `from_seq`.
        Raises:
            ConfigError: as `check_watermark`.
        """
        self.check_watermark(watermark)
        if watermark <= self._watermark:
            return
        headers = [self._batches.header(seq) for seq in range(self._watermark + 1, watermark + 1)]
        with self._db.transaction():
            count = self._batches.prune(watermark, self._limits.retention_bytes)
            self._set_meta(watermark=watermark)
        self._acknowledged += sum(header.rows for header in headers if header is not None)
        self._watermark = watermark
        self._batches.pruned(count)

    def quarantine(self, source: str, payload: bytes, reason: str) -> None:
        """Keeps what a source sent and nobody can read, with the reason; of each the first MiB, of all the last 10,000."""
        self.append([], refused=[(source, payload, reason)])

    def quarantined(self) -> int:
        """Number of items ever quarantined in this epoch."""
        return self._quarantined

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._db.close()

    def _set_meta(self, **values: int | str) -> None:
        self._db.execute_many("UPDATE meta SET value = ? WHERE name = ?", ((value, name) for name, value in values.items()))

    def _fragments(self) -> list[tuple[bytes, bytes, bytes]]:
        return [(digest, span, data) for digest, span, data in self._db.execute("SELECT digest, span, data FROM fragments ORDER BY number")]

    def _store_gaps(self, gaps: Sequence[Gap]) -> None:
        self._memory.declare(gaps)
        self._db.execute_many("INSERT INTO gaps (gap) VALUES (?)", ((msgspec.json.encode(gap),) for gap in gaps))
        self._set_meta(gaps=self._gaps + len(gaps))

    def _store_quarantine(self, source: str, payload: bytes, reason: str) -> None:
        row = (self._clock(), source, reason, payload[:_QUARANTINE_BYTES])
        self._db.execute("INSERT INTO quarantine (time_us, source, reason, payload) VALUES (?, ?, ?, ?)", row)
        self._db.execute("DELETE FROM quarantine WHERE number <= (SELECT MAX(number) FROM quarantine) - ?", (_QUARANTINE_ITEMS,))
