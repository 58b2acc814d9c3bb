"""OPC UA: one subscription per server, every sample with a new source time, acknowledged when it is on disk.

Addresses are node ids with the namespace's URI, `nsu=urn:example:cnc;s={equipment}.SpindleLoad`; the index is looked up after every connect. Values
are requested with the trigger StatusValueTimestamp and a queue at the server, so that a slow moment here loses nothing there. A hole in the sequence
numbers is filled by Republish, or declared.
"""

import asyncio
import logging
from collections import deque
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.gathering import Gathering
from edge.opcua_session import Notification, Session, Terms, check_url
from edge.opcua_values import gather_value, parse_node
from edge.source import Delivery, Loss, Source, SourceContext
from workshop.errors import ConfigError, NotConnected

__all__ = ["open_source"]

_log = logging.getLogger(__name__)
_MAX_REPUBLISH = 100
_LAST_SEQUENCE = 2**32 - 1


class OpcUaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "opcua"`."""

    url: str
    security: str = ""
    """Must be said aloud: "None" is anonymous and unsigned, for a machine network that nobody else reaches."""
    publishing_ms: Annotated[int, Meta(ge=10, le=60_000)] = 200
    keep_alive_count: Annotated[int, Meta(ge=1, le=1000)] = 5
    """A sign of life after so many intervals without data; three missed signs are a lost connection."""
    sampling_ms: Annotated[int, Meta(ge=-1, le=3_600_000)] = 0
    """0: as fast as the server can; -1: the publishing interval."""
    queue: Annotated[int, Meta(ge=100, le=1_000_000)] = 1000
    """Samples that the server keeps for each signal between two publications."""
    lifetime_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """How long the server keeps the subscription while we do not ask."""
    requests: Annotated[int, Meta(ge=2, le=20)] = 3
    """Publish requests under way at the same time."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0


def open_source(settings: OpcUaSettings, context: SourceContext) -> Source:
    """The source of one OPC UA server.

    Raises:
        ConfigError: an address or node id of another form, or security that is not said or not offered.
    """
    if settings.security != "None":
        given = f"'{settings.security}'; Basic256Sha256 comes with certificates, later" if settings.security else "not stated"
        raise ConfigError(f'{context.where}: security is {given}; write security = "None" for a connection without any')
    check_url(settings.url, context.where)
    return _OpcUaSource(settings, context)


class _OpcUaSource:
    def __init__(self, settings: OpcUaSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self._settings, self._context = settings, context
        self._nodes = [parse_node(signal.address, context.where) for signal in context.signals]
        self._session: Session | None = None
        self._terms = Terms(0, 0.0, 0)
        self._handles: list[str] = []
        self._requests: deque[asyncio.Task[Notification | None]] = deque()
        self._acknowledge: list[int] = []
        self._expected = 0
        self._greeting: Gathering | None = None

    async def connect(self) -> None:
        """Opens a session, resolves the namespaces, subscribes to every node; a node that the server refuses is noted and left out."""
        settings = self._settings
        session = self._session = Session(settings.url, name=f"chejian-{self._context.edge}-{self._context.name}", timeout_s=settings.timeout_s)
        await session.open()
        namespaces, per_call = await session.describe()
        signals, nodes = [], []
        for signal, address in zip(self._context.signals, self._nodes, strict=True):
            node = address.resolve(namespaces)
            if node is None:
                has = f"{settings.url} has no namespace '{address.uri}'; it has {', '.join(namespaces)}"
                raise ConfigError(f"{self._context.where}: {signal.id}: {has}")
            signals.append(signal)
            nodes.append(node)
        self._terms = await session.subscribe(
            publishing_ms=settings.publishing_ms, keep_alive_count=settings.keep_alive_count, lifetime_s=settings.lifetime_s
        )
        statuses = await session.monitor(nodes, sampling_ms=settings.sampling_ms, queue=settings.queue, per_call=per_call)
        self._handles = [signal.id for signal in signals]
        self.problems = {signal.id: f"{status} for {signal.address}" for signal, status in zip(signals, statuses, strict=True) if status}
        for signal_id, cause in self.problems.items():
            _log.warning("%s: %s: %s; tried again at the next connect", self._context.where, signal_id, cause)
        self._expected, self._acknowledge = 0, []
        self._greeting = Gathering()
        self._greeting.lose(Loss(tuple(self._handles), "connection lost"))
        for equipment in self.equipment:
            self._greeting.link(equipment, any(signal.equipment == equipment and signal.id not in self.problems for signal in signals))
        self._top_up()

    async def read(self) -> list[Delivery]:
        """The next notification as deliveries."""
        if self._session is None:
            raise NotConnected(f"{self._settings.url}: not connected")
        if self._greeting is not None:
            gathering, self._greeting = self._greeting, None
            return gathering.deliveries(None)
        notification = await self._next(self._session)
        gathering = Gathering()
        stored: list[int] = []
        if notification is not None:
            await self._take(self._session, notification, gathering, stored)
        acknowledge = self._acknowledge
        return gathering.deliveries((lambda: acknowledge.extend(stored)) if stored else None)

    async def close(self) -> None:
        """Drops what is under way and ends the session."""
        requests, self._requests = self._requests, deque()
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _top_up(self) -> None:
        """Keeps the agreed number of publish requests under way; acknowledgements go with the first."""
        assert self._session is not None  # noqa: S101 – only called between connect and close
        while len(self._requests) < self._settings.requests:
            numbers = self._acknowledge[:]
            self._acknowledge.clear()
            self._requests.append(asyncio.create_task(self._session.publish(numbers)))

    async def _next(self, session: Session) -> Notification | None:
        await session.renew()
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

    async def _take(self, session: Session, notification: Notification, gathering: Gathering, stored: list[int]) -> None:
        if notification.status:
            raise NotConnected(f"{self._settings.url}: the server ended the subscription: {notification.status}")
        missing = missing_numbers(self._expected, notification.sequence)
        if missing is None:
            return  # older than what is expected: it was fetched by Republish before it came by itself
        if missing:
            await self._fetch(session, missing, gathering, stored)
        self._expected = notification.sequence
        if notification.is_keep_alive:
            return
        self._gather(notification, gathering)
        stored.append(notification.sequence)
        self._expected = following(notification.sequence)

    async def _fetch(self, session: Session, missing: range, gathering: Gathering, stored: list[int]) -> None:
        _log.warning("%s: %d notifications missing before number %d", self._context.where, len(missing), self._expected + len(missing))
        for step in missing:
            number = step % _LAST_SEQUENCE + 1
            again = await session.republish(number) if len(missing) <= _MAX_REPUBLISH else None
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


def following(sequence: int) -> int:
    """The sequence number after this one; after 2^32 - 1 comes 1 (OPC 10000-4, 7.9)."""
    return sequence % _LAST_SEQUENCE + 1


def missing_numbers(expected: int, got: int) -> range | None:
    """Which notifications are missing before this one, as steps from 0: step s stands for number s % (2^32 - 1) + 1.

    None when the notification is older than expected. `expected` 0 means that none has come yet: the first one counts as it is.
    """
    if expected == 0:
        return range(0)
    distance = (got - expected) % _LAST_SEQUENCE
    if distance > _LAST_SEQUENCE // 2:
        return None
    return range(expected - 1, expected - 1 + distance)
