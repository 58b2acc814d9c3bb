"""The analytics service: a client of the gateway's API that posts components hour by hour, and scores of bearings as an edge of its own.

Its scores travel like any readings: on disk first, in signed batches, with the provenance *derived*. They never support a claim.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from analytics.indicator import load_indicators
from analytics.maintenance.watch.settings import WatchSettings
from chejian.service_api import ServiceApi
from chejian.service_bearings import Bearings
from chejian.service_hours import BACKFILL_US, Hours
from chejian.service_late import Late
from chejian.service_status import Heartbeat
from chejian.service_watch import Watches
from edge.live import Live
from edge.uplink import Uplink
from edge.worker import Worker
from store.engine import Engine
from store.engines.gateway import GatewaySettings, open_engine
from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import Provenance
from workshop.errors import NotConnected, Rejected
from workshop.window import SECOND_US, Clock, Window

END_OF_TIME_US = 2**53
_RUNNING_EVERY = 30
"""Rounds between two looks at the running hour."""
_DRAIN_S = 5.0
_SOON_S = 0.05
"""Until the next round while there is an arrear to score."""

_log = structlog.get_logger()


class ServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the gateway is, and how often the service looks."""

    url: str
    token: str
    """Bearer token of this service's enrolment."""
    data: Path
    """Folder of its journal and fit periods."""
    edge: str = "analytics"
    tick_s: float = 30.0
    """Seconds between two rounds."""
    fit_s: int = 8 * 3600
    """Seconds of a machine's first data on which its detector is fitted."""
    watch: WatchSettings | None = WatchSettings()
    """How all machines are watched; None: they are not."""


async def run(settings: ServiceSettings, *, key: SigningKey, clock: Clock, stop: asyncio.Event) -> None:
    """Runs until told to stop; a gateway that is away is tried again each round. On the way out what is on disk is sent once more.

    Raises:
        ConfigError: the gateway does not let us in, or the data folder is not ours.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    worker = Worker()
    journal = await worker.call(
        EdgeJournal.open, settings.data / "journal.sqlite", edge=settings.edge, provenance=Provenance.DERIVED, key=key, clock=clock,
    )
    api = ServiceApi(settings.url, settings.token)
    engine = open_engine(GatewaySettings(settings.url, settings.token))
    uplink = Uplink(settings.url, settings.token, journal, worker=worker)
    live = Live(settings.url, settings.token, settings.edge, every_ms=500)
    heartbeat = Heartbeat(settings.data / "status.json", clock)
    rounds = _Rounds(settings, api, engine, journal, worker, live, clock, heartbeat)
    tasks = [asyncio.create_task(work) for work in (rounds.run(stop), uplink.run(stop), live.run(), heartbeat.run())]
    try:
        done, _ = await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        await uplink.drain(_DRAIN_S)
        heartbeat.write(stopped=True)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await live.close()
        await uplink.close()
        api.close()
        engine.close()
        await worker.call(journal.close)
        worker.close()


class _Rounds:
    """One round after the other; what a round could not do the next one does."""

    def __init__(
        self, settings: ServiceSettings, api: ServiceApi, engine: Engine, journal: EdgeJournal, worker: Worker, live: Live, clock: Clock,
        heartbeat: Heartbeat,
    ) -> None:
        self._heartbeat = heartbeat
        self._settings, self._api, self._engine, self._clock = settings, api, engine, clock
        self._journal, self._worker, self._live = journal, worker, live
        self._hours: list[Hours] = []
        self._late = Late(api, settings.data / "looked.json")
        self._bearings: Bearings | None = None
        self._watches: Watches | None = None
        self._revisions: list[tuple[int, str]] = []
        self._rounds = 0
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds until told to stop."""
        while not stop.is_set():
            self._heartbeat.begin()
            await self._round()
            self._heartbeat.end(self._trouble)
            behind = self._watches is not None and self._watches.behind and not self._trouble
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SOON_S if behind else self._settings.tick_s)
        await self._measure_running()

    async def _round(self) -> None:
        try:
            await self._follow_register()
            await self._score()
            await self._watch()
            await asyncio.to_thread(self._late.look, self._hours, self._clock())
            for hours in self._hours:
                await asyncio.to_thread(hours.measure_due, self._clock())
            await asyncio.to_thread(self._late.confirm)
            if self._rounds % _RUNNING_EVERY == _RUNNING_EVERY - 1:
                await self._measure_running()
        except NotConnected as error:
            self._note("cannot go on; trying again each round", str(error))
        except Rejected as error:
            self._note("refused; trying again each round", str(error))
        else:
            if self._trouble:
                _log.info("going on")
            self._trouble = ""
        self._rounds += 1

    def _note(self, event: str, reason: str) -> None:
        if not self._trouble:
            _log.warning(event, reason=reason)
        self._trouble = event

    async def _follow_register(self) -> None:
        revisions = await asyncio.to_thread(self._api.revisions)
        if revisions == self._revisions:
            return
        indicators, made = list(load_indicators().values()), []
        ends = [time_us for time_us, _ in revisions[1:]] + [END_OF_TIME_US]
        for number, ((time_us, digest), end_us) in enumerate(zip(revisions, ends, strict=True)):
            if time_us < end_us and end_us > self._clock() - BACKFILL_US:
                register = await asyncio.to_thread(self._api.register, time_us)
                # The first revision also counts for time before it: there was no other.
                made.append(Hours(self._api, self._engine, register, indicators, Window(time_us if number else 0, end_us)))
                _log.info("register loaded", workshop=register.id, digest=digest)
        self._hours, self._revisions = made, revisions
        self._bearings = Bearings(self._engine, register, fit_us=self._settings.fit_s * SECOND_US, file=self._settings.data / "bearings.json")
        if self._settings.watch is not None:
            self._watches = Watches(self._engine, self._api, register, self._settings.watch, self._settings.data)

    async def _score(self) -> None:
        if self._bearings is None:
            return
        positions = await self._worker.call(self._journal.positions)
        block = await asyncio.to_thread(self._bearings.scores, positions, self._clock())
        if len(block):
            await self._worker.call(self._journal.append, [block])
            self._live.note(block)
        self._bearings.confirm()

    async def _watch(self) -> None:
        if self._watches is None:
            return
        positions = await self._worker.call(self._journal.positions)
        block = await asyncio.to_thread(self._watches.round, positions, self._clock())
        if len(block):
            await self._worker.call(self._journal.append, [block])
            self._live.note(block)
        await asyncio.to_thread(self._watches.confirm)

    async def _measure_running(self) -> None:
        if self._hours:
            with suppress(NotConnected, Rejected):
                await asyncio.to_thread(self._hours[-1].measure_running, self._clock())
