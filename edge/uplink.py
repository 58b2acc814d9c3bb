"""The way out: seals what is on disk into signed batches and delivers them, at least once and in order.

    2xx with watermark          may forget up to it
    409 sequence-gap            send from its watermark on; after a restore, what is no longer kept is declared lost
    409 conflict, other 4xx     stop, say why; the journal keeps filling; a new token begins again
    429, 5xx, no answer         the same again, after a back-off drawn at random, on top of what Retry-After says

While the gateway is away batches are sealed seldom: larger ones take less room, and are caught up sooner.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

import httpx
import msgspec

from edge.announce import announce
from edge.catch_up import CatchUp
from edge.config import SealBlock
from edge.gateway_link import KEEP_ALIVE_S, Backoff, Body, Token, open_client, present, problem_of, retry_after_s
from edge.status import UplinkState
from edge.worker import Worker
from store.journal import HANDED_OUT, EdgeJournal
from store.signing import encode_signature
from workshop.batch import ClockState, SealedBatch, frame
from workshop.errors import ConfigError, NotConnected
from workshop.wire import BATCH_CONTENT_TYPE, Acknowledgement, RequestsAnswer, ResumePost

_log = logging.getLogger(__name__)
_MAX_BODY = 4 * 2**20
_LOOK_S = 1.0
_NEW_TOKEN_S = 2.0
_SEAL = SealBlock()
_AGAIN = {408, 425, 429}


class Uplink:
    """Delivers one journal to one gateway. `run` until stopped, then `drain`, then `close`."""

    def __init__(
        self, url: str, token: Token, journal: EdgeJournal, *, worker: Worker | None = None, seal: SealBlock = _SEAL, timeout_s: float = 10.0,
        max_retry_s: float = 30.0, keep_alive_s: float = KEEP_ALIVE_S, catch_up_bytes_s: float = 4 * 2**20,
        clock_state: Callable[[], ClockState] = ClockState,
    ) -> None:
        """For a gateway at `http(s)://host:port`.

        Args:
            worker: the thread on which the journal is used; one of its own if nobody else uses the journal.
        Raises:
            ConfigError: not an http address.
        """
        self.state = UplinkState()
        self._journal, self._own_worker = journal, Worker() if worker is None else None
        self._worker = worker or self._own_worker or Worker()
        self._seal_block, self._clock_state = seal, clock_state
        self._client = open_client(url, token, timeout_s, keep_alive_s)
        self._body, self._backoff, self._catch_up = Body(), Backoff(max_retry_s), CatchUp(catch_up_bytes_s)
        self._url, self._token = url, token
        self._sealed = asyncio.Event()
        self._next: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Seals and sends until told to stop."""
        tasks = [asyncio.create_task(self._seal_now_and_then()), asyncio.create_task(self._send_on()), asyncio.create_task(stop.wait())]
        try:
            await asyncio.wait({tasks[0], tasks[2]}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def drain(self, deadline_s: float) -> bool:
        """Seals everything and sends until all is acknowledged; whether that was so within `deadline_s`."""
        await self._seal()
        try:
            async with asyncio.timeout(deadline_s):
                while not self.is_stopped:
                    wait_s = await self._send()
                    if wait_s is None:
                        return True
                    await asyncio.sleep(wait_s)
        except TimeoutError:
            pass
        return False

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
        if self._own_worker is not None:
            self._own_worker.close()

    @property
    def is_stopped(self) -> bool:
        """Whether the gateway gave an answer after which only a person can go on."""
        return self.state.state == "stopped"

    async def _seal_now_and_then(self) -> None:
        last = monotonic()
        while True:
            await asyncio.sleep(min(_LOOK_S, self._seal_block.every_s))
            rows = await self._worker.call(self._journal.unsealed_rows)
            every_s = self._seal_block.every_s if self.state.state in ("idle", "sending") else max(self._seal_block.away_s, self._seal_block.every_s)
            if rows >= self._seal_block.rows or monotonic() - last >= every_s:
                last = monotonic()
                await self._seal()

    async def _seal(self) -> None:
        try:
            await self._worker.call(self._journal.seal, self._clock_state())
        except NotConnected as error:
            _log.error("cannot seal: %s; tried again later", error)
        # Also without a new batch: an older one may still be waiting after a start.
        self._sealed.set()

    async def _send_on(self) -> None:
        self._sealed.set()
        while True:
            if self.is_stopped:
                await self._wait_for_a_person()
            wait_s = await self._send()
            if wait_s is None:
                self._sealed.clear()
                await self._sealed.wait()
            else:
                await asyncio.sleep(wait_s)

    async def _wait_for_a_person(self) -> None:
        """Until there is a new token. Other reasons to stop are mended by a restart."""
        refused = present(self._token)
        while present(self._token) == refused:  # noqa: ASYNC110 – a file that somebody replaces tells nobody
            await asyncio.sleep(_NEW_TOKEN_S)
        _log.warning("uplink: there is a new token; trying again")
        self._become("waiting", "a new token")

    async def _send(self) -> float | None:
        """Sends the next batches once. Returns how long to wait before the next time, s; None when nothing is left to send."""
        try:
            pending = await self._worker.call(self._journal.pending if self._next is None else self._from_next)
            if not pending:
                if self._next is not None and self._next <= self._journal.watermark:
                    return await self._resume(self._next - 1)
                self._next = None
                self._become("idle")
                return None
            if self._next is not None and pending[0][0] != self._next:
                return await self._resume(self._next - 1)
            chosen = _chosen(pending)
            if self.state.state == "idle":  # otherwise what was said last stands until an attempt succeeds
                self._become("sending")
            if (wait_s := await self._announce(chosen[-1][0])) is not None:
                return wait_s
            return await self._post(chosen, is_behind=len(pending) > len(chosen) or len(pending) >= HANDED_OUT)
        except ConfigError as error:
            return self._stop(str(error))
        except NotConnected as error:
            return self._later(str(error))

    async def _announce(self, seq: int) -> float | None:
        """Announces back-fill up to this batch; None when all is on record, otherwise how long to wait, s."""
        for past in await self._worker.call(self._journal.unannounced, seq):
            try:
                answer = await announce(self._client, self._journal, past)
            except httpx.HTTPError as error:
                return self._later(f"{self._url}: {str(error) or type(error).__name__}")
            if answer is not None:
                problem = problem_of(answer)
                said = f"{self._url}: back-fill: {answer.status_code} {problem.type}: {problem.detail or problem.title}"
                return self._stop(said) if answer.status_code in (401, 403) else self._later(said, retry_after_s(answer))
            await self._worker.call(self._journal.announced, past.number)
        return None

    def _from_next(self) -> list[tuple[int, SealedBatch]]:
        return self._journal.from_seq(self._next or 1)

    async def _post(self, chosen: list[tuple[int, bytes]], is_behind: bool) -> float:
        body, headers = self._body.encode(b"".join(data for _, data in chosen), BATCH_CONTENT_TYPE)
        began = monotonic()
        try:
            answer = await self._client.post("/v1/batches", content=body, headers=headers)
        except httpx.HTTPError as error:
            return self._later(f"{self._url}: {str(error) or type(error).__name__}")
        self._body.hear(answer)
        if answer.is_success:
            wait_s = await self._acknowledged(answer, chosen)
            self.state.sent_bytes += len(body)
            return wait_s or self._catch_up.wait_s(len(body), monotonic() - began, is_behind)
        problem = problem_of(answer)
        said = f"{self._url}: {answer.status_code} {problem.type}: {problem.detail or problem.title}"
        if answer.status_code == 409 and problem.type == "sequence-gap" and problem.watermark is not None:
            if problem.watermark + 1 == chosen[0][0]:
                return self._later(f"{said}; it contradicts itself")
            _log.warning("%s; sending from batch %d", said, problem.watermark + 1)
            self._next = problem.watermark + 1
            await self._worker.call(self._journal.announce_again, self._next)
            if not await self._worker.call(self._from_next):
                return await self._resume(problem.watermark)
            return 0.0
        if answer.status_code in _AGAIN or answer.status_code >= 500:
            return self._later(said, retry_after_s(answer))
        return self._stop(said)

    async def look_back(self, epoch: int | None, watermark: int) -> None:
        """Takes note of the watermark that the gateway tells: a lower one than it has acknowledged means that it was restored; send from there."""
        mine = epoch == self._journal.epoch or (epoch or 0) < self._journal.epoch
        told = watermark if epoch == self._journal.epoch else 0
        if mine and told < self._journal.watermark and self._next is None and not self.is_stopped:
            _log.warning("%s: stands at batch %d, %d were acknowledged: it was restored; sending again", self._url, told, self._journal.watermark)
            await self._worker.call(self._journal.announce_again, told + 1)
            self._next = told + 1
            self._sealed.set()

    async def _resume(self, watermark: int) -> float:
        """States what this edge still keeps, so that the gateway can declare the rest lost. Only a gateway that declares its restore takes that."""
        await self._worker.call(self._journal.check_watermark, watermark)
        try:
            asked = await self._client.get(f"/v1/edges/{self._journal.edge}/requests")
            requests = msgspec.json.decode(asked.content, type=RequestsAnswer) if asked.is_success else None
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._later(f"{self._url}: {str(error) or type(error).__name__}")
        if requests is None:
            return self._later(f"{self._url}: {asked.status_code} {problem_of(asked).detail}")
        signed = await self._worker.call(self._journal.resume_statement, requests.origin, requests.generation, watermark)
        if signed is None:
            return 0.0
        statement, signature = signed
        post = ResumePost(statement, encode_signature(signature))
        try:
            answer = await self._client.post(
                f"/v1/edges/{self._journal.edge}/resume", content=msgspec.json.encode(post), headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            return self._later(f"{self._url}: {str(error) or type(error).__name__}")
        if answer.is_success:
            _log.error(
                "%s: batches %d to %d are lost: the gateway was restored from a backup, and this edge no longer keeps them", self._url,
                watermark + 1, statement.first_seq - 1)
            self._next = statement.first_seq
            self._backoff.reset()
            return 0.0
        problem = problem_of(answer)
        said = f"the gateway asks for batch {watermark + 1}, this edge keeps only from {statement.first_seq} on: {problem.detail or problem.title}"
        if problem.type == "sequence-gap" and problem.watermark is not None and problem.watermark != watermark:
            self._next = problem.watermark + 1
            return 0.0
        return self._later(said) if answer.status_code in _AGAIN or answer.status_code >= 500 else self._stop(said)

    async def _acknowledged(self, answer: httpx.Response, chosen: list[tuple[int, bytes]]) -> float:
        try:
            given = msgspec.json.decode(answer.content, type=Acknowledgement)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._later(f"{self._url}: {answer.status_code} without an acknowledgement; is that the gateway?")
        if (given.edge, given.epoch) != (self._journal.edge, self._journal.epoch):
            return self._stop(f"{self._url}: acknowledges edge {given.edge}, epoch {given.epoch}: not ours")
        if given.watermark < chosen[0][0]:
            return self._later(f"{self._url}: acknowledges {given.watermark} on receiving {chosen[0][0]}")
        await self._worker.call(self._journal.acknowledge, given.watermark)
        self._next = None if given.watermark >= self._journal.watermark else given.watermark + 1
        self.state.sent_batches += len(chosen)
        self._backoff.reset()
        self._become("sending")
        return 0.0

    def _later(self, why: str, at_least_s: float = 0.0) -> float:
        if self.state.state != "waiting":
            _log.warning("uplink: %s; trying again", why)
        self._become("waiting", why)
        self.state.failures += 1
        return self._backoff.next_s(at_least_s)

    def _stop(self, why: str) -> float:
        _log.error("uplink stopped: %s; the journal keeps filling", why)
        self._become("stopped", why)
        return 0.0

    def _become(self, state: str, why: str = "") -> None:
        self.state.state, self.state.why = state, why


def _chosen(pending: list[tuple[int, SealedBatch]]) -> list[tuple[int, bytes]]:
    """As many frames as fit in one request, at least one."""
    chosen: list[tuple[int, bytes]] = []
    size = 0
    for seq, batch in pending:
        data = frame(batch)
        if chosen and size + len(data) > _MAX_BODY:
            break
        chosen.append((seq, data))
        size += len(data)
    return chosen
