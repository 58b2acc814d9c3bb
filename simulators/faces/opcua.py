"""Machines as an OPC UA server shows them.

Nodes: a folder per machine under Objects, and in it a variable per signal with the string identifier `<equipment>.<SignalName>`, for instance
`nsu=urn:chejian:demo:cnc;s=cnc-01.SpindleLoad`. Integers are Int64, floats Double, text String; gauges and counters have EngineeringUnits. Every scan
writes every variable with one SourceTimestamp, changed or not, so that a client with the trigger StatusValueTimestamp is told of each.

Beside them, for equipment with `companion`, the models of OPC 40001-1, 40501-1 and 40010-1 under the folder Machines (`simulators.opcua`): values
change there by exception. Alarms are conditions; HistoryRead gives the last hour of a gauge; the method ResetCounters is for admins.

Truth: readings of a node from the value that was current when its first monitored item was made; companion nodes repeat what is there. Events:
`subscribed` (first item of an equipment), `link_down`, `link_up` (for each equipment behind the link), `counters_reset`.
"""

import asyncio
import contextlib
import copy
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.link import Relay, check_port, port_error
from simulators.machine import Machine, Value, Values, generator
from simulators.opcua.alarms import Alarms
from simulators.opcua.companion import BY_DEFAULT, PROFILES, Companion
from simulators.opcua.counters import Counters
from simulators.opcua.past import Past
from simulators.opcua.restart import cut, follow_restarts
from simulators.opcua.users import guarded_server
from simulators.opcua.values import GOOD, date_time, engineering_units, node_id, time_us
from simulators.outage import Outage
from simulators.settings import Server as ServerSettings
from simulators.settings import server_address

__all__ = ["open_face"]

_log = logging.getLogger(__name__)
_STATUS = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus))
_CURRENT_TIME = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
_TYPES: dict[type, ua.VariantType] = {int: ua.VariantType.Int64, float: ua.VariantType.Double, str: ua.VariantType.String}
# A session whose connection was cut keeps its subscriptions and their queues; after this time without a word they go, so that memory stays bounded.
_DEAD_SESSION_MS = 60_000.0


async def open_face(block: ServerSettings, stage: Stage) -> Face:
    """Start the server of this block, behind its link if it has one; clients can connect when this returns.

    Raises:
        SimulatorError: a companion model that there is not, a folder of keys that cannot be used (exit code 2), the port is in use (exit code 3).
    """
    host, port = server_address(block.url)
    await check_port(host, port, f"server {block.name!r}")
    modelled = _with_companion(block)
    face = _OpcUaFace(block, stage, await guarded_server(block), modelled)
    await face.build()
    try:
        await face.start(host, port)
    except OSError as error:
        raise port_error(host, port, f"server {block.name!r}", error) from error
    return face


def _with_companion(block: ServerSettings) -> set[str]:
    """The equipment that is to have its companion model."""
    found = {one.id for one in block.equipment if (one.kind in BY_DEFAULT if one.companion is None else one.companion)}
    for one in block.equipment:
        if one.id in found and one.kind not in PROFILES:
            raise SimulatorError(f"server {block.name!r}: {one.id}: companion: there is no model of a {one.kind}; there are {', '.join(PROFILES)}")
    return found


class _OpcUaFace:
    """A running server, and its link."""

    def __init__(self, block: ServerSettings, stage: Stage, server: Server, modelled: set[str]) -> None:
        self._block = block
        self._stage = stage
        self._server = server
        self._modelled = modelled
        self._periods_us = {one.id: one.period_ms * 1000 for one in block.equipment}
        self._past = Past()
        self._companion: Companion | None = None
        self._nodes: dict[tuple[str, str], ua.NodeId] = {}
        self._names: dict[ua.NodeId, tuple[str, str]] = {}
        self._subscribed: set[ua.NodeId] = set()
        self._relay: Relay | None = None
        self._cutting: asyncio.Task[None] | None = None
        self._faults: list[asyncio.Task[None]] = []

    async def build(self) -> None:
        """Make the address space with one scan of every machine in it: no client ever sees a value without a source time."""
        server = self._server
        await server.init()
        server.set_endpoint(self._block.url)
        server.set_server_name(f"chejian simulators: {self._block.name}")
        server.iserver.history_manager.set_storage(self._past)
        # The server's clock is the simulated one, see _write_clock.
        server.disable_clock()
        server.iserver.max_session_timeout_ms = _DEAD_SESSION_MS
        index = await server.register_namespace(self._block.namespace)
        companion = Companion(server, index)
        self._alarms = Alarms(server, companion)
        self._counters = Counters(server, companion, self._counters_reset)
        if self._modelled:
            self._companion = companion
            await companion.build_types()
        for machine in self._stage.machines:
            now_us = self._stage.clock()
            values = machine.scan(now_us)
            folder = await server.nodes.objects.add_folder(node_id(machine.equipment, index), ua.QualifiedName(machine.equipment, index))
            for name, value in values.items():
                await self._add_variable(folder, index, machine, name, value)
            if machine.equipment in self._modelled:
                itself = await companion.add(machine, now_us, {**machine.detail(), **values})
                await self._alarms.add(machine, itself)
                if "good_count" in values:
                    await self._counters.add(machine)
            await self._write(machine, now_us, values)
        self._watch_subscriptions()

    async def start(self, host: str, port: int) -> None:
        """Listen; with a link, on a port that only the link knows."""
        stage, link = self._stage, self._block.link
        if link is not None:
            self._server.socket_address = ("127.0.0.1", 0)
        await self._server.start()
        names = [machine.equipment for machine in stage.machines]
        outage = Outage(stage.schedule, stage.clock, names, lambda: cut(self._server))
        self._faults = [asyncio.create_task(work) for work in (outage.run(), follow_restarts(self._server, stage.schedule, stage.clock, names))]
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
        await self._write(machine, now_us, machine.scan(now_us))
        await self._write_clock(now_us)

    async def close(self) -> None:
        """End the link and the server."""
        for fault in self._faults:
            fault.cancel()
        await asyncio.gather(*self._faults, return_exceptions=True)
        if self._cutting is not None and self._relay is not None:
            self._cutting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._cutting
            if self._relay.is_down:
                self._link_changed(False)
            await self._relay.close()
        await self._server.stop()

    def _counters_reset(self, equipment: str) -> None:
        self._stage.truth.event("counters_reset", self._stage.clock(), equipment)

    def _link_changed(self, is_down: bool) -> None:
        name = "link_down" if is_down else "link_up"
        for machine in self._stage.machines:
            self._stage.truth.event(name, self._stage.clock(), machine.equipment)
        _log.info("%s: %s", self._block.name, name)

    async def _add_variable(self, folder: Node, index: int, machine: Machine, name: str, value: Value) -> None:
        camel = "".join(word.capitalize() for word in name.split("_"))
        itself = node_id(f"{machine.equipment}.{camel}", index)
        variable = await folder.add_variable(itself, ua.QualifiedName(camel, index), value, _TYPES[type(value)])
        self._nodes[machine.equipment, name] = itself
        self._names[itself] = (machine.equipment, name)
        if isinstance(value, float):
            await self._past.keep(self._server, itself, self._periods_us[machine.equipment])
        unit = machine.units.get(name)
        if unit is not None:
            property_id = node_id(f"{machine.equipment}.{camel}.EngineeringUnits", index)
            await variable.add_property(property_id, "0:EngineeringUnits", engineering_units(unit))

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
        truth.reading(equipment, time_us(cast(datetime, current.SourceTimestamp)), {name: current.Value.Value})

    async def _write(self, machine: Machine, now_us: int, scanned: Values) -> None:
        # A device whose clock is wrong stamps so; the server's own clock, in ServerStatus, is right.
        stamp_us = now_us + self._stage.schedule.clock_offset_us(machine.equipment, now_us)
        stamp = date_time(stamp_us)
        space = self._server.iserver.aspace
        values = self._counters.shown(machine, scanned)
        offered: dict[str, Value] = {}
        for name, value in values.items():
            node = self._nodes[machine.equipment, name]
            if node in self._subscribed:
                offered[name] = value
            # Straight into the address space: the session's write service would stamp each value with a time of its own and costs more.
            variant = ua.Variant(value, _TYPES[type(value)])
            status = await space.write_attribute_value(node, AttributeIds.Value, ua.DataValue(variant, GOOD, stamp, stamp))
            # A refused write would be in the truth and never offered.
            status.check()
            if isinstance(value, float):
                self._past.add(node, stamp_us, value)
        if offered:
            self._stage.truth.reading(machine.equipment, stamp_us, offered)
        if self._companion is not None:
            richer = {**machine.detail(), **values}
            await self._companion.update(machine, stamp_us, richer)
            await self._alarms.update(machine, stamp_us, richer)

    async def _write_clock(self, now_us: int) -> None:
        """Show the simulated time as the server's own, so that a client which measures the clock's offset finds none."""
        now = date_time(now_us)
        space = self._server.iserver.aspace
        held = space.read_attribute_value(_STATUS, AttributeIds.Value).Value
        assert held is not None  # noqa: S101 – the standard address space has it
        status = copy.copy(held.Value)
        status.CurrentTime = now
        for node, value in ((_STATUS, ua.Variant(status)), (_CURRENT_TIME, ua.Variant(now, ua.VariantType.DateTime))):
            await space.write_attribute_value(node, AttributeIds.Value, ua.DataValue(value, GOOD, now, now))
