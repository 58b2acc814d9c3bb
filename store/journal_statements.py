"""What an edge's journal says under its own key besides batches: what it still keeps after a gateway's restore, and a new key."""

import numpy as np

from store.journal_batches import SealedBatches
from store.journal_fragment import decode_fragment
from store.signing import SigningKey
from store.sqlite import Database
from workshop.batch import decode_header
from workshop.block import Block, concat
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.signal import split_signal_id
from workshop.statements import ResumeStatement, RotationStatement
from workshop.window import Clock

MAX_SEARCHED = 256
"""Batches that are searched for the answer to a challenge."""


class JournalStatements:
    """The part of the journal that signs statements."""

    edge: str
    epoch: int
    _db: Database
    _key: SigningKey
    _clock: Clock
    _batches: SealedBatches
    _last_seq: int
    _last_digest: str
    _unsealed: int

    def check_watermark(self, watermark: int) -> None:
        """Refuses a watermark beyond what this journal ever sealed.

        Raises:
            ConfigError: the journal is an old copy; its numbers would be used twice.
        """
        if watermark > self._last_seq:
            raise ConfigError(
                f"journal {self._db.path}: the gateway has batch {watermark}, this journal ends at {self._last_seq}: it is an old copy; "
                "move it away to begin a new epoch"
            )

    def header_at(self, seq: int) -> tuple[int, str, int] | None:
        """(seq, prev, sealed time in µs) of the first batch from `seq` on that is still kept, or None when none is."""
        sealed, _ = self._batches.read(seq, 1)
        if not sealed:
            return None
        header = decode_header(sealed[0][1].header)
        return header.seq, header.prev, header.sealed_us

    def resume_statement(self, origin: str, generation: int, watermark: int) -> tuple[ResumeStatement, bytes] | None:
        """What this journal can still send to a gateway restored from a backup that stands at `watermark`, signed; None if it can send everything.

        Raises:
            ConfigError: as `check_watermark`.
        """
        self.check_watermark(watermark)
        now = self._clock()
        first, prev, sealed_us = self.header_at(watermark + 1) or (self._last_seq + 1, self._last_digest, now)
        if first == watermark + 1:
            return None
        statement = ResumeStatement(origin, generation, self.edge, self.epoch, watermark, first, prev, sealed_us, now)
        return statement, self._key.sign("resume", canonical_json(statement))

    def readings_within(self, signal: str, from_us: int, to_us: int) -> tuple[Block, bool]:
        """What is on disk of a signal with source times in [from, to), and whether everything that came since `from_us` is still there."""
        blocks, whole = self._batches.within(split_signal_id(signal)[0], from_us, MAX_SEARCHED)
        if self._last_seq == 0:
            whole = True
        for (data,) in self._db.execute("SELECT data FROM fragments ORDER BY number"):
            try:
                blocks.append(decode_fragment(data))
            except Rejected:
                whole = False
        found = []
        for block in blocks:
            if signal in block.signals:
                rows = (block.signal == block.signals.index(signal)) & (block.source_time_us >= from_us) & (block.source_time_us < to_us)
                found += [block.take(rows)] if bool(np.any(rows)) else []
        return concat(found), whole

    def rotate(self, new: SigningKey, origin: str) -> tuple[RotationStatement, bytes, bytes]:
        """The statement that gives this edge a new key, signed by both; batches sealed so far keep the old one. Nothing changes until `take_key`.

        Raises:
            Rejected: there are readings that are not sealed; seal first.
        """
        if self._unsealed:
            raise Rejected(f"journal {self._db.path}: {self._unsealed} readings are not sealed yet; seal, then rotate")
        statement = RotationStatement(origin, self.edge, self._key.public, new.public, self.epoch, self._last_seq, self._clock())
        data = canonical_json(statement)
        return statement, self._key.sign("rotation", data), new.sign("rotation", data)

    def take_key(self, new: SigningKey) -> None:
        """Signs with the new key from now on; batches that were signed with the old ones stay as they are."""
        keys = (new.public, *self._batches.public_keys)
        with self._db.transaction():
            self._db.execute_many("INSERT OR REPLACE INTO meta VALUES (?, ?)", (("key", new.public), ("keys", " ".join(keys))))
        self._key, self._batches.public_keys = new, keys
