"""Machines as an OPC UA server shows them.

Nodes: a folder per machine under Objects, and in it a variable per signal with the string identifier `<equipment>.<SignalName>`, for instance
`nsu=urn:chejian:demo:cnc;s=cnc-01.SpindleLoad`. Integers are Int64, floats Double, text String; gauges and counters have EngineeringUnits. Every scan
writes every variable with one SourceTimestamp, changed or not, so that a client with the trigger StatusValueTimestamp is told of each.

Truth: readings of a node from the value that was current when its first monitored item was made. Events: `subscribed` (first item of an equipment),
`link_down`, `link_up` (for each equipment behind the link).
"""

import asyncio
import contextlib
import copy
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.link import Relay, check_port, port_error
from simulators.machine import Machine, Value, generator
from simulators.settings import Server as ServerSettings
from simulators.settings import server_address

__all__ = ["open_face"]

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GOOD = ua.StatusCode(ua.UInt32(StatusCodes.Good))
_STATUS = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus))
_CURRENT_TIME = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
_TYPES: dict[type, ua.VariantType] = {int: ua.VariantType.Int64, float: ua.VariantType.Double, str: ua.VariantType.String}
# UNECE Recommendation 20 codes, as OPC UA Part 8 wants them in EUInformation, by UCUM code; {part} and {cycle} have none there.
_UNECE = {"%": "P1", "{rev}/min": "RPM", "Cel": "CEL", "mm/s": "C16", "W": "WTT", "W.h": "WHR", "mm": "MMT", "bar": "BAR", "deg/s": "E96"}
# A session whose connection was cut keeps its subscriptions and their queues; after this time without a word they go, so that memory stays bounded.
_DEAD_SESSION_MS = 60_000.0


async def open_face(block: ServerSettings, stage: Stage) -> Face:
    """Start the server of this block, behind its link if it has one; clients can connect when this returns.

    Raises:
        SimulatorError: the port is in use (exit code 3).
    """
    host, port = server_address(block.url)
    await check_port(host, port, f"server {block.name!r}")
    face = _OpcUaFace(block, stage)
    await face.build()
    try:
        await face.start(host, port)
    except OSError as error:
        raise port_error(host, port, f"server {block.name!r}", error) from error
    return face


class _OpcUaFace:
    """A running server, and its link."""

    def __init__(self, block: ServerSettings, stage: Stage) -> None:
        self._block = block
        self._stage = stage
        self._server = Server()
        self._nodes: dict[tuple[str, str], ua.NodeId] = {}
        self._names: dict[ua.NodeId, tuple[str, str]] = {}
        self._subscribed: set[ua.NodeId] = set()
        self._relay: Relay | None = None
        self._cutting: asyncio.Task[None] | None = None

    async def build(self) -> None:
        """Make the address space with one scan of every machine in it: no client ever sees a value without a source time."""
        server = self._server
        await server.init()
        server.set_endpoint(self._block.url)
        server.set_server_name(f"chejian simulators: {self._block.name}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        # The server's clock is the simulated one, see _write_clock.
        server.disable_clock()
        server.iserver.max_session_timeout_ms = _DEAD_SESSION_MS
        index = await server.register_namespace(self._block.namespace)
        for machine in self._stage.machines:
            now_us = self._stage.clock()
            values = machine.scan(now_us)
            folder = await server.nodes.objects.add_folder(_node_id(machine.equipment, index), ua.QualifiedName(machine.equipment, index))
            for name, value in values.items():
                await self._add_variable(folder, index, machine, name, value)
            await self._write(machine.equipment, now_us, values)
        self._watch_subscriptions()

    async def start(self, host: str, port: int) -> None:
        """Listen; with a link, on a port that only the link knows."""
        link = self._block.link
        if link is not None:
            self._server.socket_address = ("127.0.0.1", 0)
        await self._server.start()
        if link is None:
            return
        binary = self._server.bserver
        assert binary is not None  # noqa: S101 – start() made it
        self._relay = Relay((host, port), ("127.0.0.1", binary.port), owner=f"server {self._block.name!r}")
        try:
            await self._relay.start()
        except SimulatorError:
            await self._server.stop()
            raise
        dice = generator(self._stage.seed, self._block.name, "link")
        self._cutting = asyncio.create_task(self._relay.run(link, self._stage.clock, dice, self._link_changed))

    async def offer(self, machine: Machine, now_us: int) -> None:
        """Scan, and write every value with the scan's stamp."""
        await self._write(machine.equipment, now_us, machine.scan(now_us))
        await self._write_clock(now_us)

    async def close(self) -> None:
        """End the link and the server."""
        if self._cutting is not None and self._relay is not None:
            self._cutting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._cutting
            if self._relay.is_down:
                self._link_changed(False)
            await self._relay.close()
        await self._server.stop()

    def _link_changed(self, is_down: bool) -> None:
        name = "link_down" if is_down else "link_up"
        for machine in self._stage.machines:
            self._stage.truth.event(name, self._stage.clock(), machine.equipment)
        _log.info("%s: %s", self._block.name, name)

    async def _add_variable(self, folder: Node, index: int, machine: Machine, name: str, value: Value) -> None:
        camel = "".join(word.capitalize() for word in name.split("_"))
        node_id = _node_id(f"{machine.equipment}.{camel}", index)
        variable = await folder.add_variable(node_id, ua.QualifiedName(camel, index), value, _TYPES[type(value)])
        self._nodes[machine.equipment, name] = node_id
        self._names[node_id] = (machine.equipment, name)
        unit = machine.units.get(name)
        if unit is not None:
            property_id = _node_id(f"{machine.equipment}.{camel}.EngineeringUnits", index)
            await variable.add_property(property_id, "0:EngineeringUnits", _engineering_units(unit))

    def _watch_subscriptions(self) -> None:
        """Begin the truth of a node at the very value that its first client gets as the initial one."""
        space = self._server.iserver.aspace
        original = space.add_datachange_callback

        # asyncua makes a monitored item by adding this callback and then, without giving way to any other task, reading the current value for the
        # client. A scan is thus wholly before (its value is the initial one) or wholly after (the callback is told of it).
        def watched(
            nodeid: ua.NodeId, attr: AttributeIds, callback: Callable[[int, ua.DataValue], Awaitable[None]]
        ) -> tuple[ua.StatusCode, int]:
            answer = original(nodeid, attr, callback)
            if attr == AttributeIds.Value and nodeid in self._names and nodeid not in self._subscribed:
                self._begin_truth(nodeid, space.read_attribute_value(nodeid, attr))
            return answer

        space.add_datachange_callback = watched  # type: ignore[method-assign]

    def _begin_truth(self, node_id: ua.NodeId, current: ua.DataValue) -> None:
        equipment, name = self._names[node_id]
        truth = self._stage.truth
        if not any(self._names[other][0] == equipment for other in self._subscribed):
            truth.event("subscribed", self._stage.clock(), equipment)
        self._subscribed.add(node_id)
        assert current.Value is not None and current.SourceTimestamp is not None  # noqa: S101 – build() wrote both
        truth.reading(equipment, (cast(datetime, current.SourceTimestamp) - _EPOCH) // timedelta(microseconds=1), {name: current.Value.Value})

    async def _write(self, equipment: str, stamp_us: int, values: dict[str, Value]) -> None:
        stamp = _date_time(stamp_us)
        space = self._server.iserver.aspace
        offered: dict[str, Value] = {}
        for name, value in values.items():
            node_id = self._nodes[equipment, name]
            if node_id in self._subscribed:
                offered[name] = value
            # Straight into the address space: the session's write service would stamp each value with a time of its own and costs more.
            variant = ua.Variant(value, _TYPES[type(value)])
            status = await space.write_attribute_value(node_id, AttributeIds.Value, ua.DataValue(variant, _GOOD, stamp, stamp))
            # A refused write would be in the truth and never offered.
            status.check()
        if offered:
            self._stage.truth.reading(equipment, stamp_us, offered)

    async def _write_clock(self, now_us: int) -> None:
        """Show the simulated time as the server's own, so that a client which measures the clock's offset finds none."""
        now = _date_time(now_us)
        space = self._server.iserver.aspace
        held = space.read_attribute_value(_STATUS, AttributeIds.Value).Value
        assert held is not None  # noqa: S101 – the standard address space has it
        status = copy.copy(held.Value)
        status.CurrentTime = now
        for node_id, value in ((_STATUS, ua.Variant(status)), (_CURRENT_TIME, ua.Variant(now, ua.VariantType.DateTime))):
            await space.write_attribute_value(node_id, AttributeIds.Value, ua.DataValue(value, _GOOD, now, now))


def _node_id(text: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(text), ua.Int16(index))


def _date_time(time_us: int) -> ua.DateTime:
    """Exact: OPC UA counts 100 ns since 1601, so that every whole µs has its number and comes back unchanged."""
    return cast(ua.DateTime, _EPOCH + timedelta(microseconds=time_us))


def _engineering_units(ucum: str) -> ua.EUInformation:
    """The unit as OPC UA says it; UnitId is the UNECE code read as a number, -1 where there is none (Part 8, 5.6.3)."""
    code = _UNECE.get(ucum)
    unit_id = -1 if code is None else int.from_bytes(code.encode(), "big")
    name = ua.LocalizedText(Text=ua.String(ucum))
    return ua.EUInformation(ua.String("http://www.opcfoundation.org/UA/units/un/cefact"), ua.Int32(unit_id), name, name)
