"""The writer: one thread that feeds the engine from the archive, with the engine's own cursor; a restart goes on where the engine stands."""

import threading
import time
from collections.abc import Callable

import structlog

from gateway.indexing import Rules
from gateway.monitoring import Monitoring
from store.archive import Archive
from store.engine import Engine
from workshop.block import Block, concat
from workshop.errors import ConfigError, NotConnected
from workshop.register import Workshop

ROWS_AT_ONCE = 131_072
BATCHES_AT_ONCE = 512
RETRY_S = 1.0
STALLED_S = 30.0

log = structlog.get_logger()


def feed(archive: Archive, engine: Engine, rules: Rules, monitoring: Monitoring, start_size: int = 0) -> int:
    """Writes the next batches of the archive into the engine, in one transaction.

    Args:
        start_size: rows are counted only for batches from this data-log index on.
    Returns:
        rows (by the headers) of the batches that were taken from `start_size` on; -1 when there was nothing to take.
    Raises:
        NotConnected: the engine cannot write now; nothing was stored.
    """
    first, end = engine.cursor(), archive.data_size
    if first >= end:
        return -1
    blocks: list[Block] = []
    rows = counted = 0
    cursor = first
    for stored in archive.batches(first, min(end, first + BATCHES_AT_ONCE)):
        indexed = rules.index(stored)
        for item in indexed.quarantined:
            archive.quarantine(item.edge, item.epoch, item.seq, item.equipment, item.row, item.reason)
            monitoring.quarantined.inc()
        blocks.append(indexed.block)
        rows += len(indexed.block)
        counted += indexed.rows if stored.index >= start_size else 0
        cursor = stored.index + 1
        if rows >= ROWS_AT_ONCE:
            break
    engine.write(concat(blocks), cursor)
    monitoring.indexed.inc(rows)
    return counted


class Writer:
    """The thread and its backlog.

    Raises:
        ConfigError: the engine is ahead of the archive, as after a restored backup.
    """

    def __init__(self, archive: Archive, engine: Engine, register: Workshop, monitoring: Monitoring) -> None:
        if engine.cursor() > archive.data_size:
            ahead = f"its cursor {engine.cursor()} is beyond the archive's {archive.data_size} batches"
            raise ConfigError(f"engine: {ahead}, as after a restored backup; run 'chejian gateway rebuild'")
        self._archive, self._engine, self._monitoring = archive, engine, monitoring
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
        return max(0, self._archive.data_size - self._engine.cursor())

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
                rows = feed(self._archive, self._engine, self._rules, self._monitoring, self._start_size)
            except NotConnected as error:
                if not self._failing:
                    log.error("engine does not take rows; trying again", reason=str(error))
                self._failing = True
                if self._stop.wait(RETRY_S):
                    return
                continue
            if self._failing:
                log.info("engine takes rows again")
                self._failing = False
            self._progress_s = time.monotonic()
            self._started.set()
            if rows >= 0:
                with self._count:
                    self._waiting_rows -= rows
                continue
            if self._stop.is_set():
                return
            self._wake.wait(1.0)
            self._wake.clear()


def rebuild(archive: Archive, engine: Engine, register: Workshop, progress: Callable[[int, int], None]) -> int:
    """Feeds an empty engine with the whole archive.

    Args:
        progress: is told batches done and batches in all.
    Returns:
        rows in the engine.
    """
    rules, monitoring = Rules(register), Monitoring()
    progress(0, archive.data_size)
    while feed(archive, engine, rules, monitoring) >= 0:
        progress(engine.cursor(), archive.data_size)
    return engine.count()
