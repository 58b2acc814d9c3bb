"""One edge without sources: a real journal and uplink, a bad wire, a real gateway in a process of its own, and the account of what was emitted."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from edge.config import CommitBlock, SealBlock
from edge.recorder import Recorder
from edge.resume import Resume
from edge.source import Delivery
from edge.uplink import Uplink
from edge.worker import Worker
from store.journal import EdgeJournal, JournalLimits
from tests.faults.oracle import Delivered, Key
from tests.faults.wire import Wire
from tests.unit.edge.rig import now_us, until
from tests.unit.gateway.plant import Process, Sender, admin_of
from workshop.batch import ClockState, Provenance
from workshop.block import block_of
from workshop.reading import Reading

T0 = 1_700_000_000_000_000
SIGNALS = ("m-1/gauge", "m-2/gauge")
LIMITS = JournalLimits(min_free_bytes=0)


class Site:
    """Emits numbered readings of two machines, and `sending` runs an uplink over the wire. While it does, use the journal through `worker`."""

    def __init__(self, folder: Path, gateway: Process, name: str, limits: JournalLimits = LIMITS, clock: Callable[[], int] = now_us) -> None:
        self.name, self.gateway = name, gateway
        self.sender = Sender(name)
        self.enrol()
        self.clock, self._limits, self._file = clock, limits, folder / f"{name}.sqlite"
        self.journal = self.open()
        self.worker = Worker()
        self.wire = Wire(gateway.port)
        self.emitted: dict[Key, Any] = {}
        self._lots = random.Random(name)

    def open(self) -> EdgeJournal:
        """The journal, again after it was closed."""
        return EdgeJournal.open(
            self._file, edge=self.name, provenance=Provenance.SIMULATED, key=self.sender.key, clock=self.clock, limits=self._limits
        )

    def enrol(self) -> None:
        """Gets a token, again with the same key."""
        with httpx.Client(base_url=self.gateway.url) as client:
            self.sender.enrol(client, admin_of(self.gateway.folder))

    def emit(self, scans: int = 1, *, start_us: int | None = None, step_us: int = 1000, seals: bool = True) -> None:
        """That many scans of odd numbers, stored and sealed."""
        first = T0 + len(self.emitted) // len(SIGNALS) * step_us if start_us is None else start_us
        rows = [
            Reading(signal, time_us, time_us + 7, self._lots.random())
            for time_us in range(first, first + scans * step_us, step_us) for signal in SIGNALS
        ]
        self.store(rows, seals)

    def store(self, rows: list[Reading], seals: bool = True) -> None:
        """These readings."""
        self.journal.append([block_of(rows)])
        self.emitted |= {(row.signal, row.source_time_us): row.value for row in rows}
        if seals:
            self.journal.seal(ClockState())

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[Recorder]:
        """A recorder at work on the journal, as after a start of the edge."""
        resume = Resume(self.journal.positions(), SIGNALS, self.journal.remembered())
        recorder = Recorder(self.journal, self.worker, resume, CommitBlock(), lambda *_: None, 300.0)
        task = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def record(self, recorder: Recorder, rows: list[Reading], **more: Any) -> None:
        """Hands these readings to the recorder as one delivery, and waits until they are on disk."""
        self.emitted |= {(row.signal, row.source_time_us): row.value for row in rows}
        await recorder.put("cell", [Delivery(block_of(rows), **more)])
        await recorder.flush()

    @asynccontextmanager
    async def sending(self, **more: Any) -> AsyncIterator[Uplink]:
        """An uplink at work over the wire."""
        url = await self.wire.start()
        options = {"seal": SealBlock(every_s=0.1, away_s=0.1), "max_retry_s": 0.1, "keep_alive_s": 5.0} | more
        uplink = Uplink(url, lambda: self.sender.token, self.journal, worker=self.worker, **options)
        stop = asyncio.Event()
        task = asyncio.create_task(uplink.run(stop))
        try:
            yield uplink
        finally:
            stop.set()
            await task
            await uplink.close()
            await self.wire.close()

    def close(self) -> None:
        """Ends it."""
        self.worker.close()
        self.journal.close()

    async def delivered(self, within_s: float = 60.0) -> None:
        """Waits until the gateway has acknowledged everything."""
        await until(lambda: self.journal.watermark == self.journal.status().last_seq and not self.journal.unsealed_rows(), "delivered", within_s)

    def check(self, **more: Any) -> dict[str, int]:
        """The oracle over what the gateway's archive holds of this edge."""
        return Delivered.of_gateway(self.gateway.folder / "data", self.name).check(self.emitted, **more)
