"""The thin way for values that people look at: the newest of each signal, several times a second. Never stored, never evidence, never in the way."""

import asyncio

import httpx
import msgspec
import numpy as np

from edge.gateway_link import Body, Token, open_client
from workshop.block import Block, concat
from workshop.wire import LatestPost, LatestReading

_MOST_ROWS = 2**17
_LONGEST_S = 5.0


class Live:
    """Posts what changed: a change after a silence at once, further ones `every_ms` later; what fails is counted and forgotten."""

    def __init__(self, url: str, token: Token, edge: str, *, every_ms: int, timeout_s: float = 2.0) -> None:
        """For a gateway at `http(s)://host:port`."""
        self.posts = 0
        self.failures = 0
        self._edge, self._every_s = edge, every_ms / 1000
        self._client, self._body = open_client(url, token, timeout_s), Body()
        self._noted: list[Block] = []
        self._rows = 0
        self._newest_us: dict[str, int] = {}
        self._news = asyncio.Event()

    def note(self, block: Block) -> None:
        """Takes note of rows; they are looked at when it is time to post."""
        if not len(block):
            return
        self._noted.append(block)
        self._rows += len(block)
        if self._rows > _MOST_ROWS:
            self._noted = [_newest(concat(self._noted))]
            self._rows = len(self._noted[0])
        self._news.set()

    async def run(self) -> None:
        """Posts until cancelled; less often as long as nobody answers."""
        wait_s = self._every_s
        while True:
            await self._news.wait()
            self._news.clear()
            noted, self._noted, self._rows = self._noted, [], 0
            readings = self._changed(_newest(concat(noted)))
            if readings:
                is_heard = await self._post(LatestPost(self._edge, readings))
                wait_s = self._every_s if is_heard else min(2 * wait_s, max(_LONGEST_S, self._every_s))
            await asyncio.sleep(wait_s)

    def _changed(self, block: Block) -> list[LatestReading]:
        found = []
        columns = (block.signal.tolist(), block.source_time_us.tolist(), block.quality.tolist())
        for row, (number, time_us, quality) in enumerate(zip(*columns, strict=True)):
            signal = block.signals[number]
            if time_us >= self._newest_us.get(signal, 0):
                self._newest_us[signal] = time_us
                found.append(LatestReading(signal, time_us, block.value(row), quality))
        return found

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _post(self, post: LatestPost) -> bool:
        body, headers = self._body.encode(msgspec.json.encode(post), "application/json")
        try:
            answer = await self._client.post("/v1/latest", content=body, headers=headers)
        except httpx.HTTPError:
            self.failures += 1
            return False
        self._body.hear(answer)
        self.posts += 1
        self.failures += not answer.is_success
        return answer.is_success


def _newest(block: Block) -> Block:
    """The row of each signal with the largest source time; of equal ones the last to come."""
    order = np.lexsort((block.source_time_us, block.signal))
    signals = block.signal[order]
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = signals[1:] != signals[:-1]
    return block.take(order[is_last])
