"""What the gateway wants of this edge: the edge asks every few seconds, since the gateway never dials into the workshop network.

Answered are spot challenges, with the last reading within the asked window under the edge's own key. A watermark below what was acknowledged tells of
a gateway that was restored from a backup; the uplink then sends again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

import httpx
import msgspec
import numpy as np

from edge.uplink import open_client
from store.signing import SigningKey, encode_signature
from workshop.block import Block
from workshop.canonical import canonical_json
from workshop.reading import Value
from workshop.statements import AnswerStatement, Question
from workshop.window import Clock
from workshop.wire import AnswerPost, OpenChallenge, RequestsAnswer

_log = logging.getLogger(__name__)
EVERY_S = 2.0
_KEPT = 256
_JSON = {"Content-Type": "application/json"}


class _Seen(msgspec.Struct, frozen=True):
    source_time_us: int
    received_time_us: int
    value: Value
    quality: int


class Requests:
    """Polls one gateway for one edge.

    Args:
        epoch: of the edge's journal.
        look_back: is told the epoch and watermark that the gateway stands at.
    """

    def __init__(
        self, url: str, token: str, edge: str, *, epoch: int, key: SigningKey, clock: Clock, look_back: Callable[[int | None, int], Awaitable[None]],
        every_s: float = EVERY_S, timeout_s: float = 5.0,
    ) -> None:
        self.answered = 0
        self.failures = 0
        self._edge, self._epoch, self._key, self._clock, self._look_back, self._every_s = edge, epoch, key, clock, look_back, every_s
        self._client = open_client(url, token, timeout_s)
        self._seen: dict[str, deque[_Seen]] = {}

    def note(self, block: Block) -> None:
        """Remembers the newest row of each signal in the block."""
        numbers, from_end = np.unique(block.signal[::-1], return_index=True)
        for number, back in zip(numbers.tolist(), from_end.tolist(), strict=True):
            row = len(block) - 1 - back
            seen = _Seen(int(block.source_time_us[row]), int(block.received_time_us[row]), block.value(row), int(block.quality[row]))
            self._seen.setdefault(block.signals[number], deque(maxlen=_KEPT)).append(seen)

    async def run(self) -> None:
        """Asks until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(self._every_s)

    async def ask(self) -> None:
        """Asks once, and answers what can be answered now; what fails is counted and tried again the next time."""
        try:
            answer = await self._client.get(f"/v1/edges/{self._edge}/requests")
            given = msgspec.json.decode(answer.content, type=RequestsAnswer) if answer.is_success else None
            if given is None:
                self.failures += 1
                return
            await self._look_back(given.epoch, given.watermark)
            for item in given.challenges:
                if (statement := self._answer(item.question)) is not None:
                    await self._post(item, statement)
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError):
            self.failures += 1

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    def _answer(self, question: Question) -> AnswerStatement | None:
        """The answer, or None while it may still change: an action is answered at the end of its window, a value as soon as there is one."""
        now = self._clock()
        within = [seen for seen in self._seen.get(question.signal, ()) if question.from_us <= seen.source_time_us < question.to_us]
        if now < question.to_us and (question.action or not within):
            return None
        last = max(within, key=lambda seen: seen.source_time_us, default=None)
        if last is None:
            return AnswerStatement(question, self._epoch, None, None, None, None, now)
        return AnswerStatement(question, self._epoch, last.source_time_us, last.received_time_us, last.value, last.quality, now)

    async def _post(self, item: OpenChallenge, statement: AnswerStatement) -> None:
        signature = encode_signature(self._key.sign("answer", canonical_json(statement)))
        post = AnswerPost(item.challenge, statement, signature)
        answer = await self._client.post(f"/v1/edges/{self._edge}/answers", content=msgspec.json.encode(post), headers=_JSON)
        if answer.is_success:
            self.answered += 1
            _log.info("challenge %s about %s answered", item.question.id, item.question.signal)
        else:
            self.failures += 1
