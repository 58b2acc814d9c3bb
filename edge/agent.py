"""A running edge: sources, recorder, link states, uplink, live values and status, from start to an orderly end."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import EdgeSettings, source_context
from edge.links import Links
from edge.liveness import Liveness
from edge.mapping import machines_of
from edge.metrics import serve
from edge.mqtt_topics import Unmatched
from edge.rates import RateMeter
from edge.recorder import Recorder
from edge.resume import Resume
from edge.source import open_source
from edge.status import EdgeStatus, SourceStatus, UplinkState, write_status
from edge.supervisor import Supervisor
from edge.worker import Worker
from store.journal import EdgeJournal
from store.signing import SigningKey
from workshop.batch import ClockState
from workshop.block import Block
from workshop.errors import NotConnected
from workshop.register import Workshop
from workshop.signal import Origin
from workshop.window import Clock

if TYPE_CHECKING:
    from edge.gateway_link import Token
    from edge.live import Live
    from edge.requests import Requests
    from edge.uplink import Uplink

_log = logging.getLogger(__name__)
_PATIENCE_S = 2.0
_STATUS_S = 1.0
_METRICS_RETRY_S = 15.0


async def run(
    settings: EdgeSettings, register: Workshop, *, clock: Clock, key: SigningKey, journal: EdgeJournal, token: "Token", stop: asyncio.Event,
    status: Path | None, file: str = "edge.toml", clock_state: Callable[[], ClockState] = ClockState,
) -> None:
    """Runs the edge until `stop` is set, and then ends in order: last readings, gaps of what is not heard, seal, deliver, close.

    Args:
        key: the key that signs the journal's batches and the answers to challenges; the journal has it, too.
        token: bearer token of this edge at the gateway, or what gives the present one.
        clock_state: what the operating system says of the clock; its distance from the gateway's is measured here, and stands in every header.
        status: where to write status.json; its folder is also where sources keep their small files.
        file: name of the settings' file, for messages.
    Raises:
        ConfigError: settings and register do not fit together, or the journal is damaged.
    """
    agent = _Agent(settings, register, clock, key, journal, token, status, file, clock_state)
    await agent.run(stop)


class _Agent:
    def __init__(
        self, settings: EdgeSettings, register: Workshop, clock: Clock, key: SigningKey, journal: EdgeJournal, token: "Token", status: Path | None,
        file: str, clock_state: Callable[[], ClockState],
    ) -> None:
        self._settings, self._clock, self._journal, self._token, self._status = settings, clock, journal, token, status
        self._clock_state, self._key = clock_state, key
        self._worker, self._rates = Worker(), RateMeter()
        self._machine_signals = {name: item.id for name, item, signal in register.signals() if signal.origin is Origin.MACHINE}
        self._uplink: Uplink | None = None
        self._live: Live | None = None
        self._requests: Requests | None = None
        self._last: EdgeStatus | None = None
        resume = Resume(journal.positions(), self._machine_signals, journal.remembered())
        self._recorder = Recorder(journal, self._worker, resume, settings.commit, self._stored, settings.max_skew_s)
        equipment = [item.id for block in settings.source for item, _ in machines_of(settings.source, block, register, file)]
        self._links = Links(register, equipment, self._recorder, clock)
        directory = status.parent if status is not None else None
        self._supervisors = []
        mapped: list[str] = []
        for block in settings.source:
            context = source_context(settings, block, register, file, clock=clock, directory=directory, last_us=resume.last_us)
            source = open_source(block.protocol, block.options, context)
            mapped += [signal.id for signal in context.signals]
            self._supervisors.append(Supervisor(block.name, source, self._recorder, self._links, settings.retry, clock))
        self._liveness = Liveness(register, mapped)

    async def run(self, stop: asyncio.Event) -> None:
        """The whole life."""
        linger_s = self._settings.shutdown.linger_ms / 1000
        async with AsyncExitStack() as stack:
            stack.callback(self._worker.close)
            stack.push_async_callback(self._close)
            recording = self._task(stack, self._recorder.run())
            reading = [self._task(stack, supervisor.run(stop, linger_s)) for supervisor in self._supervisors]
            beating = self._task(stack, self._links.beat())
            telling = self._task(stack, self._tell())
            self._task(stack, self._measured())
            uplinking = self._task(stack, self._deliver(stop))
            stopping = self._task(stack, stop.wait())
            tasks = {recording, beating, telling, uplinking, stopping, *reading}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(tasks)
            _log.info("edge %s: ending", self._settings.edge)
            patience_s = linger_s + self._settings.shutdown.drain_s + _PATIENCE_S
            await asyncio.wait(reading, timeout=patience_s)
            beating.cancel()
            await self._end(recording, patience_s)
            await asyncio.wait([uplinking], timeout=patience_s)
            _raise_first({recording, telling, uplinking, *reading})
            telling.cancel()
            await self._drain()
            await self._write(stopped=True)

    async def _end(self, recording: "asyncio.Task[Any]", patience_s: float) -> None:
        """Everything on disk, acknowledged and declared, and the sources closed. A disk that refuses is not waited for: nothing was acknowledged."""
        try:
            async with asyncio.timeout(patience_s):
                await _either(recording, self._recorder.flush())
                await self._declare()
        except TimeoutError:
            _log.error("edge %s: the disk refuses: %s; ending without", self._settings.edge, self._recorder.problem)
        await self._close_sources()

    async def _close_sources(self) -> None:
        await asyncio.gather(*(supervisor.close() for supervisor in self._supervisors))

    async def _close(self) -> None:
        await self._close_sources()
        if self._live is not None:
            await self._live.close()
        if self._requests is not None:
            await self._requests.close()
        if self._uplink is not None:
            await self._uplink.close()

    async def _declare(self) -> None:
        down = set(self._links.down())
        now_us = self._clock()
        signals = [signal for signal, equipment in self._machine_signals.items() if equipment in down]
        await self._recorder.declare(signals, now_us, "link down")
        # Reconnected, but not a reading since: what lies between is as unknown as behind a link that is down.
        await self._recorder.declare(self._recorder.resume.unresolved(), now_us, "connection lost")

    async def _deliver(self, stop: asyncio.Event) -> None:
        """Uplink and live values. They come after the first reading: loading an HTTP client must not lengthen the gap that a restart leaves."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._recorder.has_stored.wait()
        except TimeoutError:
            pass
        uplink = await self._open_uplink()
        live, requests = self._live, self._requests
        assert live is not None and requests is not None  # noqa: S101 – made together with the uplink
        beside = [asyncio.create_task(live.run()), asyncio.create_task(requests.run())]
        try:
            await uplink.run(stop)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _open_uplink(self) -> "Uplink":
        uplinks = await asyncio.to_thread(import_module, "edge.uplink")
        lives = await asyncio.to_thread(import_module, "edge.live")
        requests = await asyncio.to_thread(import_module, "edge.requests")
        gateway = self._settings.gateway
        uplink: Uplink = uplinks.Uplink(
            gateway.url, self._token, self._journal, worker=self._worker, seal=self._settings.seal, timeout_s=gateway.timeout_s,
            max_retry_s=gateway.max_retry_s, keep_alive_s=gateway.keep_alive_s, catch_up_bytes_s=gateway.catch_up_kib_s * 1024,
            clock_state=self._clock_now,
        )
        self._live = lives.Live(gateway.url, self._token, self._settings.edge, every_ms=self._settings.live.every_ms)
        self._requests = requests.Requests(
            gateway.url, self._token, self._settings.edge, epoch=self._journal.epoch, key=self._key, clock=self._clock,
            find=lambda *asked: self._worker.call(self._journal.readings_within, *asked), look_back=uplink.look_back,
        )
        self._uplink = uplink
        return uplink

    async def _drain(self) -> None:
        if self._uplink is None:
            return
        drain_s = self._settings.shutdown.drain_s
        if not await self._uplink.drain(drain_s):
            _log.warning("edge %s: not everything delivered within %.0f s; the rest goes after the next start", self._settings.edge, drain_s)

    def _stored(self, block: Block, present: Block) -> None:
        self._liveness.note(block)
        if self._live is not None:
            self._live.note(present)

    def _clock_now(self) -> ClockState:
        state = self._clock_state()
        offset_us = self._requests.gateway_clock.offset_us if self._requests is not None else None
        return state if offset_us is None else ClockState(offset_us, state.synchronised)

    async def _measured(self) -> None:
        """Answers Prometheus, if it is asked for. A port that cannot be had stops nothing else."""
        block, said = self._settings.metrics, False
        while block.port:
            try:
                await serve(block.listen, block.port, lambda: self._last)
            except NotConnected as error:
                if not said:
                    _log.error("edge %s: %s; trying again", self._settings.edge, error)
                said = True
                await asyncio.sleep(_METRICS_RETRY_S)

    async def _tell(self) -> None:
        while True:
            await self._write()
            await asyncio.sleep(_STATUS_S)

    async def _write(self, stopped: bool = False) -> None:
        if self._status is None:
            return
        sources = {}
        for supervisor in self._supervisors:
            state = supervisor.state
            sources[supervisor.name] = SourceStatus(
                state.connected, state.since_us, state.failures, state.crashes, state.error, self._recorder.readings[supervisor.name],
                supervisor.source.problems, supervisor.source.warnings, getattr(supervisor.source, "terms", {}),
                getattr(supervisor.source, "unmatched", Unmatched()),
            )
        journal = await self._worker.call(self._journal.status)
        status = EdgeStatus(
            os.getpid(), self._settings.edge, self._clock(), [] if stopped else [name for name, state in sources.items() if state.connected], sources,
            dict(self._links.is_up), journal, self._uplink.state if self._uplink is not None else UplinkState(), self._recorder.resume.repeated,
            self._recorder.refused, self._live.posts if self._live is not None else 0, self._live.failures if self._live is not None else 0,
            self._recorder.problem, stopped, self._recorder.resume.late, self._recorder.skewed,
        )
        status.equipment = self._liveness.look(self._links.is_up, status.time_us)
        status.rates = self._rates.note(asyncio.get_running_loop().time(), journal, status.uplink.sent_bytes)
        status.clock_synchronised = self._clock_state().synchronised
        if self._requests is not None:
            gateway_clock = self._requests.gateway_clock
            status.clock_offset_us, status.clock_round_us = gateway_clock.offset_us, gateway_clock.round_us
        self._last = status
        await self._worker.call(write_status, self._status, status)

    @staticmethod
    def _task(stack: AsyncExitStack, work: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)
        return task


async def _either(running: "asyncio.Task[Any]", work: Coroutine[Any, Any, None]) -> None:
    """Does the work, unless what it depends on has ended with an error; raises that."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task, running], return_when=asyncio.FIRST_COMPLETED)
        _raise_first({running, task})
    finally:
        task.cancel()


def _raise_first(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
