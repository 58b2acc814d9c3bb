"""What an edge's journal says of itself; for status files and people."""

import msgspec


class JournalStatus(msgspec.Struct):
    """What the journal holds."""

    epoch: int
    last_seq: int
    watermark: int
    unsealed_rows: int
    pending_batches: int
    bytes_on_disk: int
    gaps: int
    """Gaps declared in this epoch, before equal ranges are merged."""
    quarantined: int
    pending_bytes: int = 0
    """Of the batches that the gateway has not acknowledged."""
    oldest_us: int | None = None
    """When the oldest of what the gateway has not acknowledged was sealed or, not sealed yet, stored; None when it has everything."""
    max_bytes: int = 0
    free_bytes: int = 0
    """Free on the disk."""
    dropped_rows: int = 0
    """Readings of this epoch that made room for newer ones, and were declared."""
    stored_rows: int = 0
    """Since the start."""
    acknowledged_rows: int = 0
    """Since the start."""
    commits: int = 0
    """Since the start; each is one fsync."""
    full: str = ""
    """Why nothing more may be stored; empty if it may."""
