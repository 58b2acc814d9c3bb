"""The newest row of every signal, kept in memory: looking it up in a table of millions takes hundreds of milliseconds."""

import threading
from collections.abc import Sequence

import numpy as np

from workshop.block import Block, concat, empty_block


def newest_rows(block: Block, signals: Sequence[str] | None = None) -> Block:
    """One row per signal: the newest by source time, of equal times the one that arrived last. Both dictionaries hold only what is used.

    Args:
        block: rows in their order of arrival.
        signals: only these, in this order; all, in the dictionary's order, when None.
    """
    if not len(block):
        return empty_block()
    order = np.lexsort((block.source_time_us, block.signal))  # stable: arrival decides between equal times
    last = order[np.append(np.diff(block.signal[order]) != 0, True)]
    row_of = {block.signals[int(block.signal[row])]: int(row) for row in last.tolist()}
    names = list(row_of) if signals is None else [name for name in dict.fromkeys(signals) if name in row_of]
    rows = block.take(np.array([row_of[name] for name in names], np.int64))
    used, status = np.unique(rows.status, return_inverse=True)
    return Block(
        names, [rows.statuses[i] for i in used.tolist()], np.arange(len(names), dtype=np.int32), rows.source_time_us, rows.received_time_us,
        rows.kind, rows.value_f64, rows.value_i64, rows.value_text, rows.quality, status.reshape(-1).astype(np.int32),
    )


class LatestRows:
    """The newest row of every signal; safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows = empty_block()

    def update(self, block: Block) -> None:
        """Takes rows in their order of arrival."""
        if len(block):
            with self._lock:
                self._rows = newest_rows(concat([self._rows, newest_rows(block)]))

    def block(self, signals: Sequence[str] | None = None, before_us: int | None = None) -> Block:
        """The newest row of each signal (all when None), in the order given; only those older than `before_us`, when given."""
        with self._lock:
            rows = self._rows
        if before_us is not None:
            rows = rows.take(rows.source_time_us < before_us)
        return newest_rows(rows, signals) if signals is not None or before_us is not None else rows
