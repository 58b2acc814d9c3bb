"""Reads the subscriptions of one connection: several publish requests under way, no number missing without a word, nobody silent for long."""

import asyncio
import logging
from collections import deque
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from edge.gathering import LATEST_US, Gathering
from edge.opcua.connect import Connection
from edge.opcua.items import UNSTAMPED, Items
from edge.opcua.members import Members
from edge.opcua.messages import Notification, Published
from edge.opcua.publish import LAST_SEQUENCE, Bereft, following, missing_numbers, publish, republish
from edge.opcua.rows import gather_items
from edge.opcua.subscribe import Subscription
from edge.opcua.values import INFO_MASK, OVERFLOWED, status_name
from edge.opcua.watchdog import Watch
from edge.source import Loss, Refusal
from workshop.errors import NotConnected
from workshop.window import Clock

LOST_REASON = "notifications lost"
_MAX_REPUBLISH = 100
_TRANSFERRED = "GoodSubscriptionTransferred"
_TOO_MANY = "BadTooManyPublishRequests"
_log = logging.getLogger(__name__)


class Gone(NotConnected):
    """The subscriptions are gone, or not to be trusted any more: they must be made anew."""


class Reader:
    """The subscriptions of one connection."""

    def __init__(
        self, connection: Connection, subscriptions: list[Subscription], *, signals: list[str], last_us: NDArray[np.int64], requests: int,
        members: Members, watch: Watch, clock: Clock, where: str,
    ) -> None:
        """Begins to ask.

        Args:
            signals: names by client handle.
            members: signals that are a part of what their node gives.
            last_us: i64[signals], kept up to date: the newest source time of each.
            watch: is told what was reported.
        """
        self.subscriptions = {each.number: each for each in subscriptions}
        self.overflows = 0
        """Values that came with the mark of a queue that had overflowed."""
        self._connection, self._signals, self._last_us, self._clock, self._where = connection, signals, last_us, clock, where
        self._members, self._watch = members, watch
        for each in subscriptions:
            # What came over an earlier connection is not acknowledged here: some servers end the connection for a number that they do not know.
            each.stored.clear()
        self._window = requests + len(subscriptions) - 1
        self._requests: deque[asyncio.Task[Published | Refusal | str]] = deque()
        self._failure: NotConnected | None = None
        self.rested()
        self._top_up()

    def join(self, subscriptions: list[Subscription]) -> None:
        """Reads these, too."""
        self.subscriptions |= {each.number: each for each in subscriptions}
        self._window += len(subscriptions)
        self._top_up()

    def rested(self) -> None:
        """Nobody was listened to for a while: silence counts from now on."""
        for subscription in self.subscriptions.values():
            subscription.heard = monotonic()

    async def read(self, gathering: Gathering, wait_s: float = float("inf")) -> list[tuple[Subscription, int]]:
        """Waits for answers, at most `wait_s`, and gathers what they hold. Returns what is to be acknowledged once it is stored.

        Raises:
            NotConnected: the connection is gone; as Gone, if the subscriptions are. What had arrived was gathered before.
        """
        if self._failure is not None:
            raise self._failure
        stored: list[tuple[Subscription, int]] = []
        try:
            for answer in await self._answers(wait_s):
                if isinstance(answer, Refusal):
                    # Not counted as received: the next number shows the hole.
                    gathering.refuse(answer.payload, f"{self._where}: {answer.reason}")
                else:
                    await self._take(answer, gathering, stored)
        except NotConnected as error:
            self._failure = error
        return stored

    def fail(self, error: NotConnected) -> None:
        """The next `read` raises this; what had been gathered by now is delivered before."""
        self._failure = error

    async def close(self) -> None:
        """Drops what is under way."""
        requests, self._requests = self._requests, deque()
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    def _top_up(self) -> None:
        """Keeps the agreed number of publish requests under way; acknowledgements go with the first."""
        while len(self._requests) < self._window:
            numbers = [(each.number, number) for each in self.subscriptions.values() for number in each.stored]
            for each in self.subscriptions.values():
                each.stored.clear()
            self._requests.append(asyncio.create_task(publish(self._connection, numbers)))

    async def _answers(self, wait_s: float) -> list[Published | Refusal]:
        """What has been answered, in the order of the sequence numbers."""
        patience_s = min((each.heard + each.silence_s for each in self.subscriptions.values()), default=float("inf")) - monotonic()
        done, _ = await asyncio.wait(self._requests, timeout=max(0.0, min(patience_s, wait_s)), return_when=asyncio.FIRST_COMPLETED)
        if not done:
            for each in self.subscriptions.values():
                if monotonic() >= each.heard + each.silence_s:
                    raise Gone(f"{self._connection.url}: not a sign of life from subscription {each.number} for {each.silence_s:.1f} s")
            return []
        finished = [request for request in self._requests if request in done]
        for request in finished:
            self._requests.remove(request)
        answers: list[Published | Refusal] = []
        failure: NotConnected | None = None
        for request in finished:
            try:
                answer = request.result()
            except NotConnected as error:
                failure = error
                if isinstance(error, Bereft):
                    for each in self.subscriptions.values():
                        each.has_moved = True
                continue
            if isinstance(answer, str):
                self._window -= answer == _TOO_MANY and self._window > 1
            else:
                answers.append(answer)
        if failure is not None:
            self._failure = failure
        else:
            self._top_up()
        # Answers that came at once may be in any order; only between them nothing must seem to be missing.
        return sorted(answers, key=self._order) if len(answers) > 1 else answers

    def _order(self, answer: Published | Refusal) -> tuple[int, int, int]:
        if isinstance(answer, Refusal) or (subscription := self.subscriptions.get(answer.subscription)) is None:
            return (0, 0, 0)
        notification = answer.notification
        distance = (notification.sequence - subscription.expected) % LAST_SEQUENCE
        # A keep-alive tells the number of the next notification, which may already be there.
        return (subscription.number, distance - LAST_SEQUENCE if distance > LAST_SEQUENCE // 2 else distance, 1 - notification.is_keep_alive)

    async def _take(self, answer: Published, gathering: Gathering, stored: list[tuple[Subscription, int]]) -> None:
        subscription = self.subscriptions.get(answer.subscription)
        if subscription is None:
            return  # one of an earlier connection
        subscription.heard = monotonic()
        notification = answer.notification
        missing = missing_numbers(subscription.expected, notification.sequence)
        if missing is None:
            return  # it was fetched by Republish before it came by itself
        if missing:
            await self._fetch(subscription, missing, gathering, stored)
        subscription.expected = notification.sequence
        if notification.is_keep_alive:
            return
        self._gather(notification, gathering)
        stored.append((subscription, notification.sequence))
        subscription.expected = following(notification.sequence)
        if notification.status is not None:
            self._end(subscription, status_name(notification.status) or "Good")

    def _end(self, subscription: Subscription, said: str) -> None:
        """A server that ends a session by itself keeps the subscriptions, and may say so as if another session had them; then they can be taken over.

        What it says of our own transfer is meant for the old session (OPC 10000-4, 5.14.7) and may be left in the subscription's queue. If that is
        not what it meant, the next publish request or the silence shows it.
        """
        is_transferred = said == _TRANSFERRED
        if is_transferred and subscription.was_taken_over:
            subscription.was_taken_over = False
            return
        what = f"{self._connection.url}: the server ended subscription {subscription.number}: {said}"
        subscription.has_moved = is_transferred
        self._failure = NotConnected(what) if is_transferred else Gone(what)

    async def _fetch(self, subscription: Subscription, missing: range, gathering: Gathering, stored: list[tuple[Subscription, int]]) -> None:
        _log.warning("%s: %d notifications missing after number %d", self._where, len(missing), subscription.expected - 1)
        for step in missing:
            number = step % LAST_SEQUENCE + 1
            again = await republish(self._connection, subscription.number, number) if len(missing) <= _MAX_REPUBLISH else None
            if again is None:
                gathering.lose(Loss(tuple(self._signals[handle] for handle in subscription.handles), LOST_REASON))
                if len(missing) > _MAX_REPUBLISH:
                    return
            else:
                self._gather(again, gathering)
                stored.append((subscription, number))
            subscription.expected = following(number)

    def _gather(self, notification: Notification, gathering: Gathering) -> None:
        received_us = self._clock()
        for items in notification.items:
            self.overflows += int((items.code & np.uint32(INFO_MASK) == OVERFLOWED).sum())
            self._follow(items)
            self._members.take(items)
            self._watch.note(items)
            gather_items(gathering, items, self._signals, received_us)

    def _follow(self, items: Items) -> None:
        ours = (items.handle >= 0) & (items.handle < len(self._signals)) & (items.stamped != UNSTAMPED) & (items.time_us < LATEST_US)
        np.maximum.at(self._last_us, items.handle[ours], items.time_us[ours])
