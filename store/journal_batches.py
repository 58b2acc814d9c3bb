"""Sealed batches on the edge's disk: kept until the gateway has them, and a while longer; checked whenever they are read."""

from collections import deque
from collections.abc import Sequence
from itertools import islice, takewhile

from store.journal_fragment import decode_spans, encode_spans
from store.journal_seal import CutPart, lost_spans
from store.signing import verify
from store.sqlite import Database
from workshop.batch import SIGNATURE_BYTES, Gap, Header, PartEntry, SealedBatch, decode_header
from workshop.block import Block
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError, Rejected
from workshop.part import decode_part
from workshop.signal import split_signal_id

# Header ‖ signature stands twice, the copy among the parts: a batch whose header is lost could never be sent, and would stop the line.
_COPY = -1
_WHOLE, _DAMAGED, _DROPPED = 0, 1, 2
# The mark of a batch whose parts were dropped stands at the copy of its header.
_AT_ONCE = 1000
HANDED_OUT = 16
"""Batches that are read at once for sending: those up to so many after the watermark may have reached the gateway, whatever the answer was."""
SCHEMA = (
    "CREATE TABLE batches (seq INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, record BLOB NOT NULL)",
    "CREATE TABLE parts (seq INTEGER, number INTEGER, damaged INTEGER NOT NULL, span BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, number))",
)


class SealedBatches:
    """The two tables of sealed batches. Writing methods belong inside a transaction of the journal."""

    def __init__(self, database: Database, public_keys: tuple[str, ...], numbers: dict[str, int]) -> None:
        self._db, self.public_keys = database, public_keys
        """Of this edge, the present one first: a batch keeps the signature that it was sealed with."""
        self._numbers = numbers
        """Signal → number, shared with the journal, which adds to it."""
        self._count()

    def _count(self) -> None:
        self._kept = deque[tuple[int, int]](self._db.execute("SELECT seq, bytes FROM batches ORDER BY seq"))

    def add(self, seq: int, header: bytes, signature: bytes, parts: Sequence[CutPart]) -> tuple[int, int]:
        """Stores one batch; returns (seq, bytes), for `added` once that is on disk."""
        record = header + signature
        size = 2 * len(record) + sum(len(part.data) for part in parts)
        self._db.execute("INSERT INTO batches VALUES (?, ?, ?)", (seq, size, record))
        rows = [(seq, _COPY, 0, b"", record)]
        rows += [(seq, n, 0, encode_spans(part.spans, self._numbers), part.data) for n, part in enumerate(parts)]
        self._db.execute_many("INSERT INTO parts VALUES (?, ?, ?, ?, ?)", rows)
        return seq, size

    def added(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Counts batches that are now on disk."""
        self._kept.extend(sizes)

    def bytes_after(self, seq: int) -> int:
        """Bytes of the batches after this one."""
        return sum(size for _, size in takewhile(lambda kept: kept[0] > seq, reversed(self._kept)))

    def header(self, seq: int) -> Header | None:
        """The header of this batch alone; None where it is not kept or damaged."""
        for (record,) in self._db.execute("SELECT record FROM batches WHERE seq = ?", (seq,)):
            try:
                return decode_header(record[:-SIGNATURE_BYTES])
            except Rejected:
                return None
        return None

    def last(self) -> tuple[int, str] | None:
        """Sequence number and digest of the newest batch, or None where none is kept or both copies of its header are damaged."""
        if not self._kept:
            return None
        seq = self._kept[-1][0]
        rows = self._db.execute(
            "SELECT record FROM batches WHERE seq = ? UNION ALL SELECT data FROM parts WHERE seq = ? AND number = ?", (seq, seq, _COPY)
        )
        record = self._intact([record for (record,) in rows])
        return (seq, sha256_hex(record[:-SIGNATURE_BYTES])) if record else None

    def read(self, seq: int, limit: int) -> tuple[list[tuple[int, SealedBatch]], list[tuple[int, int, list[Gap]]]]:
        """Batches from `seq` on, in order, and the parts now found damaged as (seq, part, what it held); a damaged part is None in its batch.

        Raises:
            ConfigError: both copies of a header are damaged.
        """
        sealed, damaged = [], []
        for number, record in self._db.execute("SELECT seq, record FROM batches WHERE seq >= ? ORDER BY seq LIMIT ?", (seq, limit)):
            stored = {n: (flag, span, data) for n, flag, span, data in self._db.execute(
                "SELECT number, damaged, span, data FROM parts WHERE seq = ?", (number,)
            )}
            whole = self._intact([record, stored[_COPY][2] if _COPY in stored else b""])
            if whole is None:
                where = f"journal {self._db.path}: batch {number}"
                raise ConfigError(f"{where}: both copies of its header are damaged; move the journal away to begin a new epoch")
            header, signature = whole[:-SIGNATURE_BYTES], whole[-SIGNATURE_BYTES:]
            missing = stored[_COPY][0] if _COPY in stored else _WHOLE
            parts: list[bytes | None] = []
            for n, entry in enumerate(decode_header(header).parts):
                flag, span, data = stored.get(n, (missing, b"", b""))
                good = not flag and sha256_hex(data) == entry.sha256
                if not good and not flag:
                    damaged.append((number, n, self._lost(entry, span)))
                parts.append(data if good else None)
            sealed.append((number, SealedBatch(header, signature, tuple(parts))))
        return sealed, damaged

    def newest(self, rows: int, batches: int) -> list[Block]:
        """Blocks of the newest batches, oldest first, until there are as many rows or batches; ends at a damaged header."""
        found: list[list[Block]] = []
        for seq, _ in islice(reversed(self._kept), batches):
            if rows <= 0:
                break
            try:
                ((_, batch),) = self.read(seq, 1)[0]
            except ConfigError:
                break
            header = decode_header(batch.header)
            rows -= header.rows
            pairs = zip(header.parts, batch.parts, strict=True)
            found.append([decode_part(entry.equipment, part) for entry, part in pairs if part is not None])
        return [block for blocks in reversed(found) for block in blocks]

    def within(self, equipment: str, from_us: int, limit: int) -> tuple[list[Block], bool]:
        """Blocks of one equipment sealed after a time, newest first, and whether they reach back to it; damaged parts are passed over."""
        found: list[Block] = []
        for seq, _ in islice(reversed(self._kept), limit):
            try:
                ((_, batch),) = self.read(seq, 1)[0]
            except ConfigError:
                return found, False
            header = decode_header(batch.header)
            if header.sealed_us <= from_us:
                return found, True
            pairs = zip(header.parts, batch.parts, strict=True)
            found += [decode_part(equipment, part) for entry, part in pairs if part is not None and entry.equipment == equipment]
            if seq == 1:
                return found, True
        return found, False

    def mark_damaged(self, seq: int, part: int) -> None:
        """Remembers that the part's loss is declared."""
        self._db.execute("INSERT OR IGNORE INTO parts VALUES (?, ?, ?, x'', x'')", (seq, part, _DAMAGED))
        self._db.execute("UPDATE parts SET damaged = ? WHERE seq = ? AND number = ?", (_DAMAGED, seq, part))

    def drop_oldest(self, after: int, wanted: int) -> tuple[int, dict[str, tuple[int, int]]]:
        """Deletes the parts of the oldest batches after `after` until `wanted` bytes are free; the newest batch is left.

        Returns:
            the number of readings, and of each signal first and last source time, µs, of what is gone; `dropped` counts it once it is on disk.
        """
        rows, spans, gone, freed = 0, dict[str, tuple[int, int]](), list[int](), 0
        last = self._kept[-1][0] if self._kept else 0
        whole = "SELECT DISTINCT seq FROM parts WHERE seq > ? AND seq < ? AND number >= 0 ORDER BY seq LIMIT ?"
        for (seq,) in self._db.execute(whole, (after, last, _AT_ONCE)):
            if freed >= wanted:
                break
            if (header := self.header(seq)) is None:
                continue  # a damaged header is a matter of its own
            stored = "SELECT number, span, length(data) FROM parts WHERE seq = ? AND number >= 0 AND damaged = ?"
            for number, span, length in self._db.execute(stored, (seq, _WHOLE)):
                entry = header.parts[number]
                for gap in self._lost(entry, span):
                    for name in gap.signals:
                        start, end = spans.get(name, (gap.from_us, gap.to_us - 1))
                        spans[name] = min(start, gap.from_us), max(end, gap.to_us - 1)
                rows += entry.rows
                freed += length
                gone.append(seq)
        keys = [(seq,) for seq in dict.fromkeys(gone)]
        self._db.execute_many("DELETE FROM parts WHERE seq = ? AND number >= 0", keys)
        self._db.execute_many("UPDATE parts SET damaged = ? WHERE seq = ? AND number = ?", ((_DROPPED, seq, _COPY) for (seq,) in keys))
        self._db.execute_many("UPDATE batches SET bytes = 2 * length(record) WHERE seq = ?", keys)
        return rows, spans

    def dropped(self) -> None:
        """Counts what is left."""
        self._count()

    def prune(self, watermark: int, budget: int) -> int:
        """Deletes the oldest acknowledged batches beyond a budget in bytes; returns how many, for `pruned` once that is on disk."""
        acknowledged = [size for seq, size in self._kept if seq <= watermark]
        used, count = sum(acknowledged), 0
        while count < len(acknowledged) and used > budget:
            used -= acknowledged[count]
            count += 1
        if count:
            last = self._kept[count - 1][0]
            self._db.execute("DELETE FROM batches WHERE seq <= ?", (last,))
            self._db.execute("DELETE FROM parts WHERE seq <= ?", (last,))
        return count

    def pruned(self, count: int) -> None:
        """No longer counts batches that are gone."""
        for _ in range(count):
            self._kept.popleft()

    def _intact(self, copies: list[bytes]) -> bytes | None:
        for record in copies:
            if any(verify(key, "batch", record[:-SIGNATURE_BYTES], record[-SIGNATURE_BYTES:]) for key in self.public_keys):
                return record
        return None

    def _lost(self, entry: PartEntry, span: bytes) -> list[Gap]:
        try:
            return lost_spans(decode_spans(span, self._numbers))
        except Rejected:
            # The spans are damaged too: every signal of the equipment that the journal knows, over the part's whole range.
            names = sorted(name for name in self._numbers if split_signal_id(name)[0] == entry.equipment)
            return [Gap(tuple(names), entry.from_us, entry.to_us + 1, "damaged")] if names else []
