"""The writer: one thread that feeds the engine from the archive, with the engine's own cursor; a restart goes on where the engine stands."""

import threading
import time
from collections.abc import Sequence

import numpy as np
import structlog

from gateway.indexing import Indexed, Rules
from gateway.monitoring import Monitoring
from store.archive import Archive, QuarantinedRow, StoredBatch
from store.engine import Engine, RefusedRows
from workshop.batch import decode_header
from workshop.errors import ChejianError, ConfigError
from workshop.register import Workshop

ROWS_AT_ONCE = 131_072
BATCHES_AT_ONCE = 512
RETRY_S = 1.0
MOST_RETRY_S = 60.0
STALLED_S = 30.0

log = structlog.get_logger()


def feed(archive: Archive, engine: Engine, rules: Rules, monitoring: Monitoring, start_size: int = 0) -> int:
    """Writes the next batches of the archive into the engine, in one transaction.

    Args:
        start_size: rows are counted only for batches from this data-log index on.
    Returns:
        rows (by the headers) of the batches that were taken from `start_size` on; -1 when there was nothing to take.
    Raises:
        NotConnected, ConfigError: the engine cannot write now; its cursor has not moved.
    """
    first, end = engine.cursor(), archive.data_size
    if first >= end:
        return -1
    batches: list[StoredBatch] = []
    rows = counted = 0
    for stored in archive.batches(first, min(end, first + BATCHES_AT_ONCE)):
        batches.append(stored)
        stated = decode_header(stored.batch.header).rows
        rows += stated
        counted += stated if stored.index >= start_size else 0
        if rows >= ROWS_AT_ONCE:
            break
    indexed = rules.index(batches)
    _quarantine(archive, monitoring, indexed.quarantined)
    begun_s = time.monotonic()
    refused = engine.write(indexed.block, batches[-1].index + 1)
    monitoring.engine_seconds.observe(time.monotonic() - begun_s)
    _note(archive, monitoring, indexed, refused)
    monitoring.indexed.inc(len(indexed.block) - sum(len(item.rows) for item in refused))
    return counted


def _note(archive: Archive, monitoring: Monitoring, indexed: Indexed, refused: Sequence[RefusedRows]) -> None:
    """Writes down which rows the engine cannot hold; the archive has them whole. Every row is counted, but of each signal and reason only the first
    batch since the start gets a record: an engine without text would otherwise add one for every batch for ever."""
    block = indexed.block
    for item in refused:
        monitoring.refused_rows.inc(len(item.rows))
        numbers = {int(number) for number in np.unique(block.signal[item.rows])}
        fresh = {number for number in numbers if monitoring.first_time(block.signals[number], item.reason)}
        for number in sorted(fresh):
            rows = item.rows[block.signal[item.rows] == number]
            _quarantine(archive, monitoring, indexed.quarantine(rows, f"signal '{block.signals[number]}': {item.reason}")[:1])


def _quarantine(archive: Archive, monitoring: Monitoring, rows: Sequence[QuarantinedRow]) -> None:
    archive.quarantine(rows)
    monitoring.quarantined.inc(len(rows))


class Writer:
    """The thread and its backlog.

    Raises:
        ConfigError: the engine is ahead of the archive, as after a restored backup.
    """

    def __init__(self, archive: Archive, engine: Engine, register: Workshop, monitoring: Monitoring) -> None:
        if engine.cursor() > archive.data_size:
            ahead = f"its cursor {engine.cursor()} is beyond the archive's {archive.data_size} batches"
            raise ConfigError(f"engine: {ahead}, as after a restored backup; run 'chejian gateway rebuild'")
        self._archive, self.engine, self._monitoring = archive, engine, monitoring
        self._rules = Rules(register)
        self._start_size = archive.data_size
        self._wake, self._stop, self._started = threading.Event(), threading.Event(), threading.Event()
        self._count = threading.Lock()
        self._waiting_rows = 0
        self._failing = False
        self._progress_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="engine writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def notify(self, rows: int) -> None:
        """Says that a batch of so many rows has been committed."""
        with self._count:
            self._waiting_rows += rows
        self._wake.set()

    @property
    def backlog_rows(self) -> int:
        """Rows committed since the start and not yet in the engine; what was waiting at the start is on disk and does not press on anybody."""
        return max(0, self._waiting_rows)

    @property
    def backlog_batches(self) -> int:
        """Batches in the archive that are not in the engine."""
        return max(0, self._archive.data_size - self.engine.cursor())

    def lag_us(self, now_us: int) -> int:
        """Age of the oldest batch that the engine does not have, µs; 0 when it has all."""
        cursor = self.engine.cursor()
        oldest = next(self._archive.headers(cursor, cursor + 1), None) if cursor < self._archive.data_size else None
        return max(0, now_us - oldest.accepted_us) if oldest is not None else 0

    @property
    def moving(self) -> bool:
        """Whether the thread lives, has been round once, and gets on with what there is: the engine takes rows."""
        idle = self.backlog_batches == 0
        return self._thread.is_alive() and self._started.is_set() and not self._failing and (idle or time.monotonic() - self._progress_s < STALLED_S)

    def stop(self, drain_s: float = 10.0) -> None:
        """Writes what is waiting, for so long at most, and ends the thread; what is left is written after the next start."""
        deadline = time.monotonic() + drain_s
        self._stop.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while True:
            try:
                rows = feed(self._archive, self.engine, self._rules, self._monitoring, self._start_size)
            except ChejianError as error:
                # A server that refuses us (ConfigError: token, bucket) is no reason to end: a person mends it and the line goes on.
                if not self._failing:
                    log.error("engine does not take rows; trying again", reason=str(error))
                self._failing = True
                if self._stop.wait(max(RETRY_S, min(MOST_RETRY_S, getattr(error, "retry_after_s", None) or 0.0))):
                    return
                continue
            if self._failing:
                log.info("engine takes rows again")
                self._failing = False
            self._progress_s = time.monotonic()
            self._started.set()
            # Batches that an engine takes again, because its server lost them, are not counted a second time.
            self._start_size = max(self._start_size, self.engine.cursor())
            if rows >= 0:
                with self._count:
                    self._waiting_rows -= rows
                continue
            if self._stop.is_set():
                return
            self._wake.wait(1.0)
            self._wake.clear()
