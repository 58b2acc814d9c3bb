"""What the gateway wants of this edge: the edge asks every few seconds, since the gateway never dials into the workshop network.

Answered are spot challenges, with the last reading within the asked window under the edge's own key, from what is on disk: the same reading leaves
in a batch. A watermark below what was acknowledged tells of a gateway that was restored from a backup; the uplink then sends again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import httpx
import msgspec
import numpy as np

from edge.gateway_clock import GatewayClock
from edge.gateway_link import Token, open_client
from store.signing import SigningKey, encode_signature
from workshop.block import Block
from workshop.canonical import LARGEST_INTEGER, canonical_json
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.reading import Value
from workshop.statements import SETTLE_US, AnswerStatement, Question
from workshop.window import Clock
from workshop.wire import AnswerPost, OpenChallenge, RequestsAnswer

_log = logging.getLogger(__name__)
EVERY_S = 2.0
_JSON = {"Content-Type": "application/json"}

Find = Callable[[str, int, int], Awaitable[tuple[Block, bool]]]
"""As `EdgeJournal.readings_within`."""


class Requests:
    """Polls one gateway for one edge.

    Args:
        epoch: of the edge's journal.
        find: reads the journal.
        look_back: is told the epoch and watermark that the gateway stands at.
    """

    def __init__(
        self, url: str, token: Token, edge: str, *, epoch: int, key: SigningKey, clock: Clock, find: Find,
        look_back: Callable[[int | None, int], Awaitable[None]], every_s: float = EVERY_S, timeout_s: float = 5.0,
    ) -> None:
        self.answered = 0
        self.failures = 0
        self.gateway_clock = GatewayClock()
        self._edge, self._epoch, self._key, self._clock, self._find = edge, epoch, key, clock, find
        self._look_back, self._every_s = look_back, every_s
        self._client = open_client(url, token, timeout_s)

    async def run(self) -> None:
        """Asks until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(self._every_s)

    async def ask(self) -> None:
        """Asks once, and answers what can be answered now; what fails is counted and tried again the next time."""
        try:
            asked_us = self._clock()
            answer = await self._client.get(f"/v1/edges/{self._edge}/requests")
            given = msgspec.json.decode(answer.content, type=RequestsAnswer) if answer.is_success else None
            if given is None:
                self.failures += 1
                return
            self.gateway_clock.note(asked_us, self._clock(), given.time_us)
            await self._look_back(given.epoch, given.watermark)
            for item in given.challenges:
                if (statement := await self._answer(item.question)) is not None:
                    await self._post(item, statement)
        except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError, NotConnected, ConfigError, Rejected) as error:
            self.failures += 1
            _log.debug("requests of the gateway: %s", error)

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _answer(self, question: Question) -> AnswerStatement | None:
        """The answer, or None while it may still change: a value is answered as soon as there is one; silence, or an action, when all has come in.

        Where the journal no longer reaches back there is none: the edge does not say that nothing was there when it cannot know.
        """
        now = self._clock()
        settled = now >= question.to_us + SETTLE_US
        if question.action and not settled:
            return None
        block, whole = await self._find(question.signal, question.from_us, question.to_us)
        if len(block):
            row = int(np.lexsort((block.received_time_us, block.source_time_us))[-1])
            source, received = int(block.source_time_us[row]), int(block.received_time_us[row])
            return AnswerStatement(question, self._epoch, source, received, _said(block.value(row)), int(block.quality[row]), now)
        return AnswerStatement(question, self._epoch, None, None, None, None, now) if settled and whole else None

    async def _post(self, item: OpenChallenge, statement: AnswerStatement) -> None:
        signature = encode_signature(self._key.sign("answer", canonical_json(statement)))
        post = AnswerPost(item.challenge, statement, signature)
        answer = await self._client.post(f"/v1/edges/{self._edge}/answers", content=msgspec.json.encode(post), headers=_JSON)
        if answer.is_success:
            self.answered += 1
            _log.info("challenge %s about %s answered", item.question.id, item.question.signal)
        else:
            self.failures += 1


def _said(value: Value) -> Value:
    """An integer that canonical JSON cannot hold is given as its digits."""
    return str(value) if isinstance(value, int) and abs(value) > LARGEST_INTEGER else value
