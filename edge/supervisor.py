"""Keeps one source going: connects, reads, and tries again. The only place that retries, and the one that may catch everything."""

import asyncio
import logging
import random
from collections.abc import Coroutine
from typing import Any

from edge.config import RetryBlock
from edge.links import Links
from edge.recorder import Recorder
from edge.source import Source
from edge.status import SourceState
from workshop.errors import ChejianError
from workshop.window import Clock

_log = logging.getLogger(__name__)


class Supervisor:
    """One source and its state."""

    def __init__(self, name: str, source: Source, recorder: Recorder, links: Links, retry: RetryBlock, clock: Clock) -> None:
        self.name, self.source, self.state = name, source, SourceState(since_us=clock())
        self._recorder, self._links, self._retry, self._clock = recorder, links, retry, clock

    async def run(self, stop: asyncio.Event, linger_s: float) -> None:
        """Reads until told to stop, and then what arrives within `linger_s`. A connected source stays open: call `close` when all is on disk."""
        tries = 0
        while not stop.is_set():
            try:
                if await _unless(stop, self.source.connect()):
                    return
                tries = 0
                self._turn(True, "")
                await self._read(stop, linger_s)
                return
            except ChejianError as error:
                await self._fail(error)
            except Exception as error:  # noqa: BLE001 – logged with its traceback and counted; one bad source must not end the edge
                _log.exception("source %s: unforeseen error", self.name)
                self.state.crashes += 1
                await self._fail(error)
            wait_s = min(self._retry.max_s, self._retry.first_s * 2**min(tries, 30)) * random.uniform(0.5, 1.0)
            tries += 1
            await _unless(stop, asyncio.sleep(wait_s))

    async def close(self) -> None:
        """Lets go of the connection."""
        try:
            await self.source.close()
        except Exception:  # noqa: BLE001 – as above
            _log.exception("source %s: unforeseen error while closing", self.name)
            self.state.crashes += 1

    async def _read(self, stop: asyncio.Event, linger_s: float) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(stop.wait())
        reading = asyncio.create_task(self.source.read())
        ends_at = float("inf")
        try:
            while True:
                wait_s = None if ends_at == float("inf") else max(0.0, ends_at - loop.time())
                await asyncio.wait({reading} if stopping.done() else {reading, stopping}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done() and ends_at == float("inf"):
                    ends_at = loop.time() + linger_s
                if reading.done():
                    for delivery in reading.result():
                        await self._links.change(delivery.links)
                        await self._recorder.put(self.name, [delivery])
                    reading = asyncio.create_task(self.source.read())
                if loop.time() >= ends_at:
                    return
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    async def _fail(self, error: Exception) -> None:
        said = str(error) or type(error).__name__
        if self.state.connected or said != self.state.error:
            _log.warning("source %s: %s", self.name, said)
        self.state.failures += 1
        self._turn(False, said)
        await self._links.change(dict.fromkeys(self.source.equipment, False))
        await self.close()

    def _turn(self, connected: bool, error: str) -> None:
        if connected != self.state.connected:
            self.state.since_us = self._clock()
            if connected:
                _log.info("source %s: connected", self.name)
        self.state.connected, self.state.error = connected, error


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Does the work unless told to stop first; whether it was. What the work raises comes out."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return False
        return True
    finally:
        for each in (task, stopping):
            each.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)
