"""OPC UA: one subscription per server, every sample with a new source time, acknowledged when it is on disk.

Addresses are node ids with the namespace's URI, `nsu=urn:example:cnc;s={equipment}.SpindleLoad`; the index is looked up after every connect. Values
are requested with the trigger StatusValueTimestamp and a queue at the server, so that a slow moment here loses nothing there. A hole in the sequence
numbers is filled by Republish, or declared.
"""

import asyncio
import logging
from collections import deque

from edge.gathering import Gathering
from edge.opcua.address import parse_node
from edge.opcua.connect import Connection, check_url
from edge.opcua.publish import LAST_SEQUENCE, Notification, following, missing_numbers, publish, republish
from edge.opcua.resolve import resolve
from edge.opcua.security import Guard
from edge.opcua.settings import OpcUaSettings
from edge.opcua.subscribe import Terms, items_per_call, monitor, subscribe
from edge.opcua.values import gather_value
from edge.source import Delivery, Loss, Source, SourceContext
from workshop.errors import NotConnected

__all__ = ["open_source"]

_log = logging.getLogger(__name__)
_MAX_REPUBLISH = 100


def open_source(settings: OpcUaSettings, context: SourceContext) -> Source:
    """The source of one OPC UA server.

    Raises:
        ConfigError: an address or node id of another form, or security that is not said or not offered.
    """
    check_url(settings.url, context.where)
    return _OpcUaSource(settings, context, Guard(settings, context))


class _OpcUaSource:
    def __init__(self, settings: OpcUaSettings, context: SourceContext, guard: Guard) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self._settings, self._context, self._guard = settings, context, guard
        self._addresses = [parse_node(signal.address, context.where, settings.namespaces) for signal in context.signals]
        self._connection: Connection | None = None
        self._terms = Terms(0, 0.0, 0)
        self._handles: list[str] = []
        self._requests: deque[asyncio.Task[Notification | None]] = deque()
        self._acknowledge: list[int] = []
        self._expected = 0
        self._greeting: Gathering | None = None

    @property
    def warnings(self) -> list[str]:
        """What the security of the connection wants to be said."""
        return self._guard.warnings

    async def connect(self) -> None:
        """Opens a session, resolves the namespaces, subscribes to every node; a node that the server refuses is noted and left out."""
        settings = self._settings
        connection = self._connection = Connection(settings, self._guard, name=f"chejian-{self._context.edge}-{self._context.name}")
        await connection.open()
        found = await resolve(connection, self._context.signals, self._addresses, self._context.where)
        per_call = await items_per_call(connection)
        self._terms = await subscribe(connection, settings)
        mapped = [(signal, node) for signal, node in zip(self._context.signals, found, strict=True) if not isinstance(node, str)]
        self.problems = {signal.id: node for signal, node in zip(self._context.signals, found, strict=True) if isinstance(node, str)}
        statuses = await monitor(connection, self._terms, [node for _, node in mapped], settings, per_call)
        self._handles = [signal.id for signal, _ in mapped]
        self.problems |= {signal.id: f"{status} for {signal.address}" for (signal, _), status in zip(mapped, statuses, strict=True) if status}
        for signal_id, cause in self.problems.items():
            _log.warning("%s: %s: %s; tried again at the next connect", self._context.where, signal_id, cause)
        self._expected, self._acknowledge = 0, []
        self._greeting = Gathering()
        self._greeting.lose(Loss(tuple(self._handles), "connection lost"))
        for equipment in self.equipment:
            self._greeting.link(equipment, any(signal.equipment == equipment and signal.id not in self.problems for signal in self._context.signals))
        self._top_up()

    async def read(self) -> list[Delivery]:
        """The next notification as deliveries."""
        if self._connection is None:
            raise NotConnected(f"{self._settings.url}: not connected")
        if self._greeting is not None:
            gathering, self._greeting = self._greeting, None
            return gathering.deliveries(None)
        notification = await self._next(self._connection)
        gathering = Gathering()
        stored: list[int] = []
        if notification is not None:
            await self._take(self._connection, notification, gathering, stored)
        acknowledge = self._acknowledge
        return gathering.deliveries((lambda: acknowledge.extend(stored)) if stored else None)

    async def close(self) -> None:
        """Drops what is under way and ends the session."""
        requests, self._requests = self._requests, deque()
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _top_up(self) -> None:
        """Keeps the agreed number of publish requests under way; acknowledgements go with the first."""
        assert self._connection is not None  # noqa: S101 – only called between connect and close
        while len(self._requests) < self._settings.requests:
            numbers = self._acknowledge[:]
            self._acknowledge.clear()
            self._requests.append(asyncio.create_task(publish(self._connection, self._terms.subscription, numbers)))

    async def _next(self, connection: Connection) -> Notification | None:
        await connection.renew()
        silence_s = max(1.0, 3 * self._terms.publishing_s * self._terms.keep_alive_count)
        done, _ = await asyncio.wait(self._requests, timeout=silence_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise NotConnected(f"{self._settings.url}: not a sign of life for {silence_s:.1f} s")
        # A server answers requests in their order (OPC 10000-4, 5.13.5.1); if one does not, the sequence numbers will tell.
        first = next(request for request in self._requests if request in done)
        self._requests.remove(first)
        notification = first.result()
        self._top_up()
        return notification

    async def _take(self, connection: Connection, notification: Notification, gathering: Gathering, stored: list[int]) -> None:
        if notification.status:
            raise NotConnected(f"{self._settings.url}: the server ended the subscription: {notification.status}")
        missing = missing_numbers(self._expected, notification.sequence)
        if missing is None:
            return  # older than what is expected: it was fetched by Republish before it came by itself
        if missing:
            await self._fetch(connection, missing, gathering, stored)
        self._expected = notification.sequence
        if notification.is_keep_alive:
            return
        self._gather(notification, gathering)
        stored.append(notification.sequence)
        self._expected = following(notification.sequence)

    async def _fetch(self, connection: Connection, missing: range, gathering: Gathering, stored: list[int]) -> None:
        _log.warning("%s: %d notifications missing before number %d", self._context.where, len(missing), self._expected + len(missing))
        for step in missing:
            number = step % LAST_SEQUENCE + 1
            again = await republish(connection, self._terms.subscription, number) if len(missing) <= _MAX_REPUBLISH else None
            if again is None:
                gathering.lose(Loss(tuple(self._handles), "notifications lost"))
                if len(missing) > _MAX_REPUBLISH:
                    return
            else:
                self._gather(again, gathering)
                stored.append(number)

    def _gather(self, notification: Notification, gathering: Gathering) -> None:
        received_us = self._context.clock()
        for handle, value in notification.values:
            if 0 <= handle < len(self._handles):
                gather_value(gathering, self._handles[handle], value, received_us)
