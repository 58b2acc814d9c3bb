"""Makes readings durable, in the order in which they came, and only then lets their sources acknowledge (promise 1)."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from edge.config import CommitBlock
from edge.resume import Resume
from edge.source import Delivery
from edge.worker import Worker
from store.journal import EdgeJournal
from workshop.batch import Gap
from workshop.block import Block
from workshop.errors import NotConnected, Rejected

OWN = "(edge)"
"""In place of a source's name: readings that the edge makes itself."""

_log = logging.getLogger(__name__)
_WAITING = 256
_ROWS = 65_536
_FIRST_RETRY_S, _MAX_RETRY_S = 0.1, 5.0


class Recorder:
    """One queue, one commit at a time. When the disk refuses, nobody gets through `put`: the sources wait, and so do the devices."""

    def __init__(self, journal: EdgeJournal, worker: Worker, resume: Resume, commit: CommitBlock, on_stored: Callable[[Block], None]) -> None:
        """`on_stored` is told of every block once it is on disk."""
        self.resume = resume
        self.readings: Counter[str] = Counter()
        """Stored readings by source."""
        self.refused = 0
        self.problem = ""
        """Why the disk refuses at the moment; empty if it does not."""
        self.has_stored = asyncio.Event()
        """Set with the first reading of a machine."""
        self._journal, self._worker, self._on_stored = journal, worker, on_stored
        self._every_s, self._idle_s = commit.every_ms / 1000, commit.idle_ms / 1000
        self._queue: asyncio.Queue[tuple[str, Delivery] | asyncio.Event] = asyncio.Queue(_WAITING)

    async def put(self, source: str, deliveries: Iterable[Delivery]) -> None:
        """Takes deliveries; waits while too many are on their way to the disk."""
        for delivery in deliveries:
            await self._queue.put((source, delivery))

    async def flush(self) -> None:
        """Waits until everything that was put before is on disk."""
        done = asyncio.Event()
        await self._queue.put(done)
        await done.wait()

    async def declare(self, signals: Iterable[str], to_us: int, reason: str) -> None:
        """Declares gaps from where each signal's readings end up to this time. Call `flush` first."""
        gaps = self.resume.declare(signals, to_us, reason)
        if gaps:
            await self._append([], gaps)

    async def run(self) -> None:
        """Commits until cancelled.

        Raises:
            ConfigError: the journal is damaged.
        """
        while True:
            items, flushed = await self._collect()
            await self._commit(items)
            for event in flushed:
                event.set()

    async def _collect(self) -> tuple[list[tuple[str, Delivery]], list[asyncio.Event]]:
        """The next group: everything within the commit interval, or until nothing has come for a moment."""
        items: list[tuple[str, Delivery]] = []
        first = await self._queue.get()
        ends_at = asyncio.get_running_loop().time() + self._every_s
        while True:
            if isinstance(first, asyncio.Event):
                return items, [first]
            items.append(first)
            if sum(len(delivery.block) for _, delivery in items) >= _ROWS:
                return items, []
            wait_s = min(self._idle_s, ends_at - asyncio.get_running_loop().time())
            try:
                async with asyncio.timeout(max(wait_s, 0)):
                    first = await self._queue.get()
            except TimeoutError:
                return items, []

    async def _commit(self, items: Sequence[tuple[str, Delivery]]) -> None:
        blocks: list[tuple[str, Block]] = []
        gaps: list[Gap] = []
        for source, delivery in items:
            for loss in delivery.losses:
                self.resume.lose(loss)
            block, ended = self.resume.admit(delivery.block)
            gaps += ended
            if len(block):
                blocks.append((source, block))
        for gap in gaps:
            _log.info("gap of %.3f s, %d signals such as %s: %s", (gap.to_us - gap.from_us) / 1e6, len(gap.signals), gap.signals[0], gap.reason)
        if blocks or gaps:
            await self._append([block for _, block in blocks], gaps)
        refusals = [(source, refusal) for source, delivery in items for refusal in delivery.refusals]
        for source, refusal in refusals:
            await self._patiently(self._journal.quarantine, source, refusal.payload, refusal.reason)
        self.refused += len(refusals)
        for _, delivery in items:
            if delivery.on_committed is not None:
                delivery.on_committed()
        for source, block in blocks:
            self.readings[source] += len(block)
            self._on_stored(block)
        if any(source != OWN for source, _ in blocks):
            self.has_stored.set()

    async def _append(self, blocks: list[Block], gaps: list[Gap]) -> None:
        try:
            await self._patiently(self._journal.append, blocks, gaps)
        except Rejected as error:
            # Sources let nothing through that the journal refuses; if one does, it must not stop the others.
            _log.error("journal refuses %d blocks: %s; storing them one by one", len(blocks), error)
            await self._one_by_one(blocks, gaps)

    async def _one_by_one(self, blocks: list[Block], gaps: list[Gap]) -> None:
        pieces: list[tuple[list[Block], list[Gap]]] = [([block], []) for block in blocks]
        pieces += [([], [gap]) for gap in gaps]
        for piece in pieces:
            try:
                await self._patiently(self._journal.append, *piece)
            except Rejected as error:
                self.refused += 1
                payload = repr([block.readings() for block in piece[0]] or piece[1]).encode(errors="backslashreplace")
                await self._patiently(self._journal.quarantine, "recorder", payload, str(error))

    async def _patiently(self, function: Callable[..., None], *arguments: object) -> None:
        """Tries again while the disk refuses; the queue fills meanwhile, and the sources wait."""
        wait_s = _FIRST_RETRY_S
        while True:
            try:
                await self._worker.call(function, *arguments)
            except NotConnected as error:
                if not self.problem:
                    _log.error("cannot store: %s; the sources wait", error)
                self.problem = str(error)
            else:
                if self.problem:
                    _log.info("storing again")
                self.problem = ""
                return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _MAX_RETRY_S)
