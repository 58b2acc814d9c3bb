"""OPC UA: every sample with a new source time, decoded to columns, acknowledged when it is on disk.

Addresses are node ids with the namespace's URI, `nsu=urn:example:cnc;s={equipment}.SpindleLoad`; the index is looked up after every connect. Values
are requested with the trigger StatusValueTimestamp and a queue at the server, so that a slow moment here loses nothing there. A hole in the sequence
numbers is filled by Republish, or declared. After a lost connection the session is taken up again, else its subscriptions are transferred, else made
anew; then the outage is filled from the server's history, or declared.
"""

import logging
from collections.abc import AsyncIterator
from time import monotonic

import msgspec
import numpy as np

from edge.gathering import Gathering
from edge.opcua.address import parse_node
from edge.opcua.connect import Connection, check_url
from edge.opcua.history import LOST_REASON, Outage, fill, with_history
from edge.opcua.layouts import read_layouts
from edge.opcua.limits import Limits, read_limits
from edge.opcua.members import Members
from edge.opcua.reader import Gone, Reader
from edge.opcua.resolve import resolve
from edge.opcua.security import Guard
from edge.opcua.settings import OpcUaSettings
from edge.opcua.subscribe import NO_ROOM, Granted, Subscription, Wanted, end_empty, monitor, subscribe_all, terms_of
from edge.opcua.transfer import transfer
from edge.opcua.units import disagreement, read_units
from edge.opcua.watchdog import Watch
from edge.source import Delivery, Loss, Source, SourceContext
from workshop.errors import NotConnected

__all__ = ["open_source"]

_log = logging.getLogger(__name__)
SILENT_REASON = "changed values were not reported"


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
        self.terms: dict[str, str] = {}
        self._settings, self._context, self._guard = settings, context, guard
        self._addresses = [parse_node(signal.address, context.where, settings.namespaces) for signal in context.signals]
        self._names = [signal.id for signal in context.signals]
        self._members = Members({handle: address.member for handle, address in enumerate(self._addresses) if address.member})
        self._disagreements: dict[int, str] = {}
        self._last_us = np.array([context.last_us(name) or 0 for name in self._names], np.int64)
        self._connection: Connection | None = None
        self._reader: Reader | None = None
        self._limits = Limits()
        self._granted: dict[int, Granted] = {}
        self._kept: list[Subscription] = []
        """Of this connection or the one before, as long as the server may have them."""
        self._before: Connection | None = None
        self._has_failed = False
        self._greeting: Gathering | None = None
        self._past: AsyncIterator[Gathering] | None = None
        self._filled: tuple[str, ...] = ()
        """Signals whose outage the history fills."""
        self._retry_at = self._look_at = 0.0
        self._watch = Watch(len(self._names))
        self._silences = 0
        """Times that a subscription lived and kept silent."""
        self._reason = LOST_REASON
        """What is said of readings that may be missing at the next connect."""

    @property
    def warnings(self) -> list[str]:
        """What the security of the connection wants to be said, and where the server's units are not the register's."""
        return [*self._guard.warnings, *self._disagreements.values()]

    async def connect(self) -> None:
        """Takes up what the server still keeps for us, and subscribes to the rest; a node that the server refuses is noted and left out."""
        self._has_failed = True
        connection, kept = await self._take_up()
        greeting = Gathering()
        there = {handle for subscription in kept for handle in subscription.handles}
        missing = [handle for handle in range(len(self._names)) if handle not in there]
        made: list[Subscription] = []
        if not kept:
            self._limits, self._granted = await read_limits(connection), {}
        if any(not self._granted[handle].status if handle in self._granted else True for handle in missing):
            wanted = await self._find(connection, missing)
            made, granted = await subscribe_all(connection, self._settings, self._limits, wanted, there=len(kept))
            self._note(granted)
            self._watch.expect(each for each in wanted if not granted[each.handle].status)
            await self._recover(connection, missing, wanted, greeting)
            await self._describe(connection, wanted)
        self._kept = [*kept, *made]
        self.terms = {"connected": self.terms["connected"]} | terms_of(self._settings, self._kept, self._granted)
        if self._silences:
            self.terms["silences"] = f"{self._silences} times made anew: alive, and changed values were not reported"
        self._reason = LOST_REASON
        self._reader = Reader(
            connection, self._kept, signals=self._names, last_us=self._last_us, requests=self._settings.requests, members=self._members,
            watch=self._watch, clock=self._context.clock, where=self._context.where,
        )
        self._retry_at, self._look_at = monotonic() + self._settings.retry_s, monotonic() + self._every_s()
        self._greet(greeting)
        self._greeting, self._has_failed = greeting, False

    async def read(self) -> list[Delivery]:
        """The next notifications as deliveries."""
        reader, connection = self._reader, self._connection
        if connection is None or reader is None:
            raise NotConnected(f"{self._settings.url}: not connected")
        if self._greeting is not None:
            gathering, self._greeting = self._greeting, None
            return gathering.deliveries(None)
        try:
            if self._past is not None:
                return await self._fill(self._past, reader)
            await connection.renew()
            gathering = Gathering()
            due_at = min(self._retry_at if self.problems else float("inf"), self._look_at)
            stored = await reader.read(gathering, max(0.0, due_at - monotonic()))
            await self._look_after(connection, reader, gathering)
        except NotConnected as error:
            self._has_failed = True
            if isinstance(error, Gone):
                self._kept = []
            raise
        if reader.overflows:
            self.terms["overflows"] = str(reader.overflows)

        def committed() -> None:
            if self._reader is reader:
                for subscription, number in stored:
                    subscription.stored.append(number)

        return gathering.deliveries(committed if stored else None)

    async def _look_after(self, connection: Connection, reader: Reader, gathering: Gathering) -> None:
        """What is to be done now and then. A failure is told by the next `read`: what was gathered by now counts as received."""
        try:
            if self.problems and self._retry_at <= monotonic():
                await self._try_again(connection, reader, gathering)
            if self._look_at <= monotonic():
                self._look_at = monotonic() + self._every_s()
                behind = await self._watch.look(connection, self._limits, self._members)
                if behind:
                    self._silences += 1
                    self._reason = SILENT_REASON
                    names = f"{len(behind)} signals such as {self._names[behind[0]]}"
                    raise Gone(f"{self._settings.url}: {SILENT_REASON} although the subscription lives: {names}; it is made anew")
        except NotConnected as error:
            reader.fail(error)

    def _every_s(self) -> float:
        """From one look at silent signals to the next: long enough for a change to be sampled and published."""
        if not self._settings.watch_s or self._settings.trigger == "status":
            return float("inf")
        slowest_ms = max((each.sampling_ms for each in self._granted.values() if not each.status), default=0.0)
        slowest_ms = max(slowest_ms, 0.0) + max((each.publishing_ms for each in self._kept), default=0.0)
        return max(self._settings.watch_s, 3 * slowest_ms / 1000)

    async def close(self) -> None:
        """Drops what is under way. A session whose connection was lost is left to the server, to be taken up again; otherwise it is ended."""
        reader, self._reader = self._reader, None
        self._past = self._greeting = None
        if reader is not None:
            await reader.close()
        connection, self._connection = self._connection, None
        if connection is not None and self._has_failed and self._kept:
            connection.drop()
            self._before = connection
        elif connection is not None:
            self._kept = []
            await connection.close()

    async def _take_up(self) -> tuple[Connection, list[Subscription]]:
        """A connection, and of the subscriptions before it those that go on."""
        if self._before is not None:
            self._connection = self._before
            if await self._before.reopen():
                # A session that goes on without a subscription: another client has it now, to whom we leave it, or its life was over.
                kept = [each for each in self._kept if not each.has_moved]
                self._before, self.terms = None, {"connected": "session resumed" if kept else "anew"}
                return self._connection, kept
        connection = self._connection = Connection(self._settings, self._guard, name=f"chejian-{self._context.edge}-{self._context.name}")
        await connection.open()
        kept = await transfer(connection, self._kept) if self._kept else []
        self._before, self.terms = None, {"connected": "subscriptions transferred" if kept else "anew"}
        return connection, kept

    async def _find(self, connection: Connection, handles: list[int]) -> list[Wanted]:
        """The nodes of these signals; a signal that has none is noted."""
        signals = tuple(self._context.signals[handle] for handle in handles)
        found = await resolve(connection, self._limits, signals, [self._addresses[handle] for handle in handles], self._context.where)
        self._note({handle: Granted(node) for handle, node in zip(handles, found, strict=True) if isinstance(node, str)})
        return [
            Wanted(handle, node, signal.deadband) for handle, node, signal in zip(handles, found, signals, strict=True) if not isinstance(node, str)
        ]

    async def _describe(self, connection: Connection, wanted: list[Wanted]) -> None:
        """Learns what structures are made of, and compares units; a server that does not tell is not refused for it."""
        inside = [each.node for each in wanted if each.handle in self._members.paths]
        plain = [each for each in wanted if each.handle not in self._members.paths and self._context.signals[each.handle].unit]
        try:
            if inside:
                self._members.layouts = await read_layouts(connection, self._limits, inside)
            said = await read_units(connection, self._limits, [each.node for each in plain])
        except NotConnected as error:
            _log.warning("%s: types and units are not told: %s", self._context.where, error)
            return
        for each, stated in zip(plain, said, strict=True):
            found = disagreement(stated, self._context.signals[each.handle].unit)
            self._disagreements.pop(each.handle, None)
            if found:
                self._disagreements[each.handle] = f"{self._names[each.handle]}: {found}"

    def _note(self, granted: dict[int, Granted]) -> None:
        self._granted |= granted
        before, signals = self.problems, self._context.signals
        self.problems = {
            self._names[handle]: f"{each.status} for {signals[handle].address}" for handle, each in sorted(self._granted.items()) if each.status
        }
        for signal, cause in self.problems.items():
            if signal not in before:
                _log.warning("%s: %s: %s; tried again every %.0f s", self._context.where, signal, cause, self._settings.retry_s)

    async def _recover(self, connection: Connection, missing: list[int], wanted: list[Wanted], greeting: Gathering) -> None:
        """Sees which signals the server's history can fill; readings of the others may be missing."""
        oldest_us = self._context.clock() - round(1e6 * self._settings.history_s)
        outages = [Outage(each.handle, each.node, int(self._last_us[each.handle])) for each in wanted if self._last_us[each.handle] > oldest_us]
        outages = await with_history(connection, self._limits, outages)
        if outages:
            self._past = fill(connection, self._limits, outages, self._names, self._members, self._context.clock, self._reason)
        filled = {each.handle for each in outages}
        greeting.lose(Loss(tuple(self._names[handle] for handle in missing if handle not in filled), self._reason))
        self._filled = tuple(self._names[handle] for handle in filled)

    async def _fill(self, past: AsyncIterator[Gathering], reader: Reader) -> list[Delivery]:
        gathering = await anext(past, None)
        if gathering is None:
            self._past = None
            reader.rested()
            # What was reported since we subscribed is in the history, too.
            again = Gathering()
            again.repeat(self._filled)
            return again.deliveries(None)
        return [msgspec.structs.replace(delivery, is_historical=True) for delivery in gathering.deliveries(None)]

    async def _try_again(self, connection: Connection, reader: Reader, gathering: Gathering) -> None:
        """Asks once more for the nodes that the server refused."""
        self._retry_at = monotonic() + self._settings.retry_s
        refused = [handle for handle, each in self._granted.items() if each.status]
        wanted = await self._find(connection, refused)
        granted = await monitor(connection, self._kept[-1], wanted, self._settings, self._limits)
        left = [each for each in wanted if granted[each.handle].status in NO_ROOM]
        if left:
            made, more = await subscribe_all(connection, self._settings, self._limits, left, there=len(self._kept))
            made = await end_empty(connection, made)
            granted |= more
            self._kept += made
            reader.join(made)
            self.terms |= terms_of(self._settings, self._kept, self._granted | granted)
        self._note(granted)
        self._watch.expect(each for each in wanted if not granted[each.handle].status)
        found = [handle for handle, each in granted.items() if not each.status]
        if found:
            gathering.lose(Loss(tuple(self._names[handle] for handle in found), "the server did not have the node"))
            self._greet(gathering)

    def _greet(self, gathering: Gathering) -> None:
        """Says which equipment is heard."""
        working = {signal.equipment for signal in self._context.signals if signal.id not in self.problems}
        for equipment in self.equipment:
            gathering.link(equipment, equipment in working)
