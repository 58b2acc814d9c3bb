"""Answers publish requests with messages that are laid out by hand: what asyncua spends on making a message would hide what a client spends on it."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService

from simulators.clock import Clock
from simulators.load.plan import Plan

_PUBLISH_RESPONSE = b"\x01\x00" + struct.pack("<H", 829)
_DATA_CHANGE = b"\x01\x00" + struct.pack("<H", 811) + b"\x01"
# Timestamp, handle, result; then no diagnostics, no string table, no additional header (Part 4, 7.33).
_RESPONSE_HEADER = struct.Struct("<qII")
_RESPONSE_REST = b"\x00" + struct.pack("<i", 0) + b"\x00\x00\x00"
_CHUNK = struct.Struct("<4sIIIII")

_MOST_REQUESTS = 200

PlanFor = Callable[[dict[int, int]], Plan]


class LoadSubscriptions(SubscriptionService):
    """Makes subscriptions that are fed by a plan instead of by the address space."""

    def __init__(self, iserver: InternalServer, clock: Clock, signals: dict[ua.NodeId, int], plan_for: PlanFor) -> None:
        """Numbers of the signals by node, and the plan of a subscription to some of them, by client handle."""
        super().__init__(iserver.aspace, iserver=iserver)
        self._clock, self._signals, self._plan_for = clock, signals, plan_for

    async def create_subscription(self, params: Any, callback: Any, session_id: Any, request_callback: Any = None) -> ua.CreateSubscriptionResult:
        """As asyncua's, with the loop and the answers of a publisher."""
        result = await super().create_subscription(params, callback, session_id, request_callback=request_callback)
        subscription = self.subscriptions[result.SubscriptionId]
        if request_callback is not None:
            Publisher(subscription, request_callback.__self__, self._clock, self._signals, self._plan_for).start()
        return result


class Publisher:
    """One subscription's messages, in order, each as soon as it is due and the client has a publish request open."""

    def __init__(self, subscription: InternalSubscription, processor: Any, clock: Clock, signals: dict[ua.NodeId, int], plan_for: PlanFor) -> None:
        self._subscription, self._processor, self._clock = subscription, processor, clock
        self._signals, self._plan_for = signals, plan_for
        self._plan: Plan | None = None
        self._items = 0
        self._sequence = 0
        self._starved = asyncio.Event()
        self._said_us = clock()
        data = subscription.data
        self._keep_alive_us = int(data.RevisedPublishingInterval * 1000 * max(1, data.RevisedMaxKeepAliveCount) * clock.speed)

    def start(self) -> None:
        """Take the place of asyncua's loop."""
        subscription = self._subscription
        if subscription._task is not None:
            subscription._task.cancel()
        # stop() of the subscription cancels whatever stands here.
        subscription._task = asyncio.create_task(self._run())
        subscription.publish_results = self._publish_results  # type: ignore[method-assign]
        # asyncua's own limit is ten more than there are subscriptions; the rest would be answered with faults.
        self._processor.publish_request_limit = lambda _subscriptions: _MOST_REQUESTS

    async def _publish_results(self, requestdata: Any = None) -> bool:
        """A publish request came while a message was waiting for one."""
        if requestdata is None:
            return False
        if not self._is_due():
            return False
        self._send(requestdata)
        self._starved.set()
        return True

    async def _run(self) -> None:
        while True:
            while self._is_due():
                request = self._processor.get_publish_request(self._subscription.data.SubscriptionId)
                if request is None:
                    # The processor calls _publish_results when one comes; what it sends may be all that was due.
                    self._starved.clear()
                    await self._starved.wait()
                    continue
                self._send(request)
                # Requests have to be read in between.
                await asyncio.sleep(0)
            await asyncio.sleep(self._clock.seconds_until(self._next_us()))

    def _is_due(self) -> bool:
        self._follow_items()
        return self._clock() >= self._next_us()

    def _next_us(self) -> int:
        alive_us = self._said_us + self._keep_alive_us
        # Before there are items, look ten times a second whether some were made.
        return min(self._plan.due_us, alive_us) if self._plan is not None else min(alive_us, self._clock() + int(100_000 * self._clock.speed))

    def _follow_items(self) -> None:
        """Begin a plan when the client has made monitored items, and another when it has more or fewer."""
        monitored = self._subscription.monitored_item_srv._monitored_items
        if len(monitored) == self._items:
            return
        self._items = len(monitored)
        handles = {
            self._signals[item.read_value_id.NodeId]: int(item.client_handle or 0)
            for item in monitored.values() if item.read_value_id is not None and item.read_value_id.NodeId in self._signals
        }
        # asyncua queues the initial values for a loop that no longer runs.
        self._subscription._triggered_datachanges.clear()
        self._plan = self._plan_for(handles) if handles else None

    def _send(self, request: Any) -> None:
        """Answer a publish request with the next message, or with a keep-alive, which carries the next number and does not use it up."""
        now_us = self._clock()
        plan = self._plan
        stamp = now_us * 10 + 116_444_736_000_000_000
        number = self._sequence % 0xFFFF_FFFF + 1
        data = struct.pack("<i", 0)
        if plan is not None and now_us >= plan.due_us:
            count, items = plan.next_count(), plan.take()
            data = b"".join((struct.pack("<i", 1), _DATA_CHANGE, struct.pack("<Ii", len(items) + 8, count), items, struct.pack("<i", -1)))
            self._sequence = number
        results = request.results or []
        body = b"".join((
            _PUBLISH_RESPONSE, _RESPONSE_HEADER.pack(stamp, request.requesthdr.RequestHandle, 0), _RESPONSE_REST,
            struct.pack("<IiBIq", self._subscription.data.SubscriptionId, 0, 0, number, stamp), data,
            struct.pack("<i", len(results)), b"".join(struct.pack("<I", result.value) for result in results), struct.pack("<i", 0),
        ))
        self._said_us = now_us
        connection = self._processor._connection
        connection._sequence_number = connection._sequence_number % 0xFFFF_FFFF + 1
        token = connection.security_token
        head = _CHUNK.pack(b"MSGF", _CHUNK.size + len(body), token.ChannelId, token.TokenId, connection._sequence_number, request.seqhdr.RequestId)
        self._processor._transport.write(head + body)
