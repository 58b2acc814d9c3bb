"""The room that an edge's journal takes: making some when there is none, and telling how full it is."""

from collections.abc import Sequence

from store.journal_batches import SealedBatches
from store.journal_space import JournalLimits, Space, WhenFull, free_bytes
from store.journal_status import JournalStatus
from store.sqlite import Database
from workshop.batch import Gap


class JournalRoom:
    """The part of the journal that keeps it within its limits."""

    epoch: int
    _db: Database
    _batches: SealedBatches
    _limits: JournalLimits
    _space: Space
    _last_seq: int
    _watermark: int
    _unsealed: int
    _unsealed_since: int | None
    _gaps: int
    _quarantined: int
    _dropped: int
    _stored: int
    _acknowledged: int
    _commits: int
    _full: str
    _declared: list[Gap]

    def _store_gaps(self, gaps: Sequence[Gap]) -> None:
        raise NotImplementedError

    def _set_meta(self, **values: int | str) -> None:
        raise NotImplementedError

    def take_declared(self) -> list[Gap]:
        """Gaps that the journal itself has declared since the last call, because it had to make room."""
        declared, self._declared = self._declared, []
        return declared

    def status(self) -> JournalStatus:
        """What the journal holds now."""
        pending = self._last_seq - self._watermark
        header = self._batches.header(self._watermark + 1) if pending else None
        return JournalStatus(
            self.epoch, self._last_seq, self._watermark, self._unsealed, pending, self._db.bytes_on_disk(), self._gaps, self._quarantined,
            self._batches.bytes_after(self._watermark), header.sealed_us if header is not None else self._unsealed_since, self._limits.max_bytes,
            free_bytes(self._db.path), self._dropped, self._stored, self._acknowledged, self._commits, self._full,
        )

    def _make_room(self) -> None:
        """Forgets what is acknowledged, and after that does what `when_full` says, until something more may be stored."""
        self._full = self._space.shortage()
        if not self._full:
            return
        with self._db.transaction():
            count = self._space.prune(self._watermark)
        self._batches.pruned(count)
        self._full = self._space.shortage()
        while self._full and self._limits.when_full is WhenFull.DROP_OLDEST and self._drop():
            self._full = self._space.shortage()
        if self._full:
            raise self._space.full(self._full)

    def _drop(self) -> bool:
        with self._db.transaction():
            rows, gaps = self._space.drop(self._watermark)
            if gaps:
                self._store_gaps(gaps)
                self._set_meta(dropped=self._dropped + rows)
        if not gaps:
            return False
        self._batches.dropped()
        self._dropped += rows
        self._gaps += len(gaps)
        self._declared += gaps
        return True
