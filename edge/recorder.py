"""Makes readings durable, in the order in which they came, and only then lets their sources acknowledge (promise 1)."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from edge.config import CommitBlock
from edge.pace import CommitPace
from edge.resume import Resume
from edge.skew import mark_skew
from edge.source import Delivery, Loss
from edge.worker import Worker
from store.journal import EdgeJournal
from workshop.batch import Gap
from workshop.block import I64_MAX, Block, concat, empty_block
from workshop.errors import NotConnected, Rejected

OWN = "(edge)"
"""In place of a source's name: readings that the edge makes itself."""
REFUSED_REASON = "refused by the journal"

_log = logging.getLogger(__name__)
_WAITING = 256
_ROWS = 65_536
_FIRST_RETRY_S, _MAX_RETRY_S = 0.1, 5.0


class _Stored(NamedTuple):
    source: str
    block: Block
    present: Block


class Recorder:
    """One queue, one commit at a time. When the disk refuses, nobody gets through `put`: the sources wait, and so do the devices."""

    def __init__(
        self, journal: EdgeJournal, worker: Worker, resume: Resume, commit: CommitBlock, on_stored: Callable[[Block, Block], None], max_skew_s: float,
    ) -> None:
        """`on_stored` is told of every block once it is on disk, and of what came that is about the present: without the past, and with repetitions,
        of which the last is what holds now."""
        self.resume = resume
        self.readings: Counter[str] = Counter()
        """Stored readings by source."""
        self.refused = 0
        self.skewed = 0
        """Stored readings that are uncertain because of the device's clock."""
        self.problem = ""
        """Why the disk refuses at the moment; empty if it does not."""
        self.has_stored = asyncio.Event()
        """Set with the first reading of a machine."""
        self._journal, self._worker, self._on_stored = journal, worker, on_stored
        self._max_skew_us = round(max_skew_s * 1e6)
        self.pace = CommitPace(commit)
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
        await self._append([], self.resume.declare(signals, to_us, reason))

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
        """The next group: everything within the commit interval, or as much as one commit takes."""
        items: list[tuple[str, Delivery]] = []
        rows = 0
        first = await self._queue.get()
        ends_at = asyncio.get_running_loop().time() + self.pace.wait_s
        while True:
            if isinstance(first, asyncio.Event):
                return items, [first]
            items.append(first)
            rows += len(first[1].block)
            if rows >= _ROWS:
                return items, []
            try:
                async with asyncio.timeout_at(ends_at):
                    first = await self._queue.get()
            except TimeoutError:
                return items, []

    async def _commit(self, items: Sequence[tuple[str, Delivery]]) -> None:
        began_at = asyncio.get_running_loop().time()
        try:
            blocks = await self._store(items)
        except Rejected as error:
            # Sources let nothing through that the journal refuses; if one does, it must not stop the others.
            _log.error("journal refuses a commit of %d deliveries: %s; storing them one by one", len(items), error)
            blocks = [stored for item in items for stored in await self._one(item)]
        self.pace.note(sum(len(stored.block) for stored in blocks), asyncio.get_running_loop().time() - began_at)
        for _, delivery in items:
            if delivery.on_committed is not None:
                delivery.on_committed()
        for stored in blocks:
            self.readings[stored.source] += len(stored.block)
            self._on_stored(stored.block, stored.present)
        if any(stored.source != OWN and len(stored.block) for stored in blocks):
            self.has_stored.set()

    async def _store(self, items: Sequence[tuple[str, Delivery]]) -> list[_Stored]:
        """What of these deliveries is now on disk, with the gaps that it ends.

        Raises:
            Rejected: the journal refuses something of it; nothing is stored, and `resume` is as it was.
        """
        blocks: list[_Stored] = []
        gaps: list[Gap] = []
        refused = [(source, refusal.payload, refusal.reason) for source, delivery in items for refusal in delivery.refusals]
        skewed = 0
        past: tuple[int, int] | None = None
        for source, run in _runs(items):
            whole = concat([delivery.block for delivery in run]) if len(run) > 1 else run[0].block
            is_even = len(run) > 1 and self.resume.goes_on(whole)
            is_historical = run[0].is_historical
            limit_us = I64_MAX if is_historical else self._max_skew_us
            for came, (admitted, ended) in [(whole, (whole, list[Gap]()))] if is_even else [(one.block, self._admit(one)) for one in run]:
                gaps += ended
                if is_historical and len(admitted):
                    low, high = int(admitted.source_time_us.min()), int(admitted.source_time_us.max()) + 1
                    past = (low, high) if past is None else (min(low, past[0]), max(high, past[1]))
                block, count = mark_skew(admitted, self.resume.machine_signals, limit_us)
                skewed += count
                present = empty_block() if is_historical else block
                if len(came) > len(admitted) and not is_historical:
                    present = mark_skew(came, self.resume.machine_signals, limit_us)[0]
                if len(came):
                    blocks.append(_Stored(source, block, present))
        await self._append([stored.block for stored in blocks if len(stored.block)], gaps, refused, past)
        self.skewed += skewed
        self.refused += len(refused)
        return blocks

    def _admit(self, delivery: Delivery) -> tuple[Block, list[Gap]]:
        for loss in delivery.losses:
            self.resume.lose(loss)
        self.resume.expect(delivery.repeats)
        return self.resume.admit(delivery.block)

    async def _append(
        self, blocks: Sequence[Block], gaps: Sequence[Gap], refused: Sequence[tuple[str, bytes, str]] = (), past: tuple[int, int] | None = None
    ) -> None:
        tracks = self.resume.tracks()
        try:
            if blocks or gaps or tracks or refused:
                await self._patiently(self._journal.append, blocks, gaps, tracks, refused, past)
        except Rejected:
            self.resume.undo()
            raise
        self.resume.settle()
        self.resume.know(self._journal.take_declared())
        for gap in gaps:
            _log.info("gap of %.3f s, %d signals such as %s: %s", (gap.to_us - gap.from_us) / 1e6, len(gap.signals), gap.signals[0], gap.reason)

    async def _one(self, item: tuple[str, Delivery]) -> list[_Stored]:
        """Stores one delivery; if the journal refuses it, it goes to quarantine and its signals are lost until their next reading."""
        source, delivery = item
        try:
            return await self._store([item])
        except Rejected as error:
            self.refused += 1
            payload = repr(delivery.block.readings()).encode(errors="backslashreplace")
            losses = (*delivery.losses, Loss(tuple(delivery.block.signals), REFUSED_REASON))
            await self._store([(source, Delivery(empty_block(), losses=losses, refusals=delivery.refusals))])
            await self._patiently(self._journal.quarantine, "recorder", payload, str(error))
            return []

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


def _runs(items: Sequence[tuple[str, Delivery]]) -> Iterator[tuple[str, list[Delivery]]]:
    """The deliveries in their order: those of one source that are nothing but rows together."""
    waiting: list[Delivery] = []
    before = ""
    for source, delivery in items:
        is_plain = not delivery.losses and not delivery.repeats and source == before
        if waiting and not (is_plain and not waiting[0].losses and not waiting[0].repeats and delivery.is_historical == waiting[0].is_historical):
            yield before, waiting
            waiting = []
        before = source
        waiting.append(delivery)
    if waiting:
        yield before, waiting
