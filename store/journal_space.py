"""How much room an edge's journal may take, and what happens when there is none: nothing grows without bound, nothing is dropped in silence."""

import errno
import os
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec

from store.journal_batches import HANDED_OUT, SealedBatches
from store.sqlite import Database
from workshop.batch import MAX_BYTES, MAX_ROWS, Gap
from workshop.errors import NotConnected

DROPPED = "dropped: the journal was full"
_SPARE = 2**20
"""As long as the file has this much free inside, the disk may be full."""
_RESERVE = 2**20
_SHARE = 16
"""Of the journal's limit, the share that is dropped at once: one gap a signal, not one a batch."""


class WhenFull(StrEnum):
    """What a journal does that may not grow any more."""

    BLOCK = "block"
    """The sources wait, and with them the devices: what they keep is not lost, what they cannot keep they say."""
    DROP_OLDEST = "drop-oldest-with-gap"
    """The oldest readings that were not delivered make room, and are declared."""


class JournalLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How large batches and the journal may become."""

    seal_rows: int = MAX_ROWS
    seal_bytes: int = MAX_BYTES
    retention_bytes: int = 256 * 2**20
    """Kept after acknowledgement, so that a gateway restored from a backup can ask again."""
    max_bytes: int = 4 * 2**30
    """Of the journal's file; beyond it `when_full` says what happens."""
    min_free_bytes: int = 64 * 2**20
    """Of the disk, left to others; below it `when_full` says what happens."""
    when_full: WhenFull = WhenFull.BLOCK


def free_bytes(path: Path) -> int:
    """Bytes that are free for us on the disk where this file is."""
    return shutil.disk_usage(path.parent).free


class Space:
    """The room of one journal, and a small reserve on the disk: on a full disk even forgetting needs room, in SQLite's log.

    Args:
        free: bytes that are free on the disk of a file.
    """

    def __init__(self, database: Database, batches: SealedBatches, limits: JournalLimits, free: Callable[[Path], int] = free_bytes) -> None:
        self._db, self._batches, self._limits, self._free = database, batches, limits, free
        self._reserve = database.path.with_name(database.path.name + ".reserve")
        self._reserve_bytes = min(_RESERVE, limits.max_bytes // 16)
        database.when_full = self.release

    def shortage(self) -> str:
        """Why nothing more may be stored; empty if it may."""
        used, spare = self._db.room()
        if used >= self._limits.max_bytes:
            return f"full, {used} bytes of {self._limits.max_bytes}"
        if spare >= _SPARE:
            return ""
        free = self._free(self._db.path)
        if free < self._limits.min_free_bytes:
            return f"{free} bytes are free on the disk, {self._limits.min_free_bytes} are to stay free"
        return "" if self._hold(free) else "the disk is full"

    def prune(self, watermark: int) -> int:
        """Forgets everything that is acknowledged; belongs inside a transaction. Returns how many batches, for `pruned`."""
        return self._batches.prune(watermark, 0)

    def drop(self, watermark: int) -> tuple[int, list[Gap]]:
        """Drops the readings of the oldest batches that cannot have reached the gateway; belongs inside a transaction.

        Their headers stay, so that the chain stays whole; the gaps belong into a later one.
        Returns:
            the number of readings, and the gaps that declare them.
        """
        rows, spans = self._batches.drop_oldest(watermark + HANDED_OUT, self._limits.max_bytes // _SHARE)
        return rows, [Gap((name,), start, end + 1, DROPPED) for name, (start, end) in spans.items()]

    def release(self) -> None:
        """Gives the reserve back to the disk, and lets SQLite begin its log again: what makes room can then be written."""
        self._reserve.unlink(missing_ok=True)
        self._db.begin_log_again()

    def full(self, why: str) -> NotConnected:
        """What a source hears whose readings find no room."""
        return NotConnected(f"journal {self._db.path}: {why}; nothing was stored, reach the gateway, free space or allow more")

    def _hold(self, free: int) -> bool:
        """Whether the reserve is there, or could be made."""
        if self._reserve.exists() and self._reserve.stat().st_size >= self._reserve_bytes:
            return True
        if free < self._reserve_bytes:
            return False
        try:
            with self._reserve.open("wb") as file:
                # Allocated, not only stated: room that a file is to have one day is no reserve.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self._reserve_bytes)
                else:
                    file.write(bytes(self._reserve_bytes))
        except OSError as error:
            self._reserve.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                return False
            raise NotConnected(f"{self._reserve}: cannot be written ({error.strerror}); nothing was stored") from error
        return True
