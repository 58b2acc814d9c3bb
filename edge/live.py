"""The thin way for values that people look at: the newest of each signal, several times a second. Never stored, never evidence, never in the way."""

import asyncio

import httpx
import msgspec
import numpy as np

from edge.gateway_link import Body, Token, open_client
from workshop.block import Block
from workshop.wire import LatestPost, LatestReading


class Live:
    """Posts what changed: a change after a silence at once, further ones `every_ms` later; what fails is counted and forgotten."""

    def __init__(self, url: str, token: Token, edge: str, *, every_ms: int, timeout_s: float = 2.0) -> None:
        """For a gateway at `http(s)://host:port`."""
        self.posts = 0
        self.failures = 0
        self._edge, self._every_s = edge, every_ms / 1000
        self._client, self._body = open_client(url, token, timeout_s), Body()
        self._changed: dict[str, LatestReading] = {}
        self._newest_us: dict[str, int] = {}
        self._news = asyncio.Event()

    def note(self, block: Block) -> None:
        """Takes the newest row of each signal in the block."""
        numbers, from_end = np.unique(block.signal[::-1], return_index=True)
        for number, back in zip(numbers.tolist(), from_end.tolist(), strict=True):
            signal, row = block.signals[number], len(block) - 1 - back
            time_us = int(block.source_time_us[row])
            if time_us >= self._newest_us.get(signal, 0):
                self._newest_us[signal] = time_us
                self._changed[signal] = LatestReading(signal, time_us, block.value(row), int(block.quality[row]))
        if self._changed:
            self._news.set()

    async def run(self) -> None:
        """Posts until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            await self._post(LatestPost(self._edge, list(changed.values())))
            await asyncio.sleep(self._every_s)

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _post(self, post: LatestPost) -> None:
        body, headers = self._body.encode(msgspec.json.encode(post), "application/json")
        try:
            answer = await self._client.post("/v1/latest", content=body, headers=headers)
        except httpx.HTTPError:
            self.failures += 1
            return
        self._body.hear(answer)
        self.posts += 1
        self.failures += not answer.is_success
