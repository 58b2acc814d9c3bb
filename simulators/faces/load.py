"""A load for benchmarks: an OPC UA server whose handshake is asyncua's and whose notifications are laid out in advance (`simulators.load`).

Nodes: `nsu=<namespace>;s=S0`, `s=S1` … in folders of a hundred below Objects/Load. Policy None, anonymous: data is measured, not cryptography. Values
and times follow the formula in `simulators.load.plan`; there is no other truth. A subscription's sampling and publishing intervals are
accepted and ignored: messages come at the rate of the settings, or as fast as the client asks.
"""

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds

from simulators.face import Face, Stage
from simulators.link import check_port, port_error
from simulators.load.plan import Plan
from simulators.load.publisher import LoadSubscriptions
from simulators.machine import Machine
from simulators.opcua.nodes import Nodes
from simulators.opcua.values import GOOD, date_time, node_id
from simulators.settings import Load, server_address

__all__ = ["open_face"]

_FOLDER = 100


async def open_face(block: Load, stage: Stage) -> Face:
    """Listen; clients can connect when this returns.

    Raises:
        SimulatorError: the port is in use (exit code 3).
    """
    host, port = server_address(block.url)
    await check_port(host, port, f"load {block.name!r}")
    face = _LoadFace(block, stage)
    await face.build()
    try:
        await face.start()
    except OSError as error:
        raise port_error(host, port, f"load {block.name!r}", error) from error
    return face


class _LoadFace:
    """A running load."""

    def __init__(self, block: Load, stage: Stage) -> None:
        self._block = block
        self._stage = stage
        self._server = Server()
        self._signals: dict[ua.NodeId, int] = {}

    async def build(self) -> None:
        """Make the nodes, and put our subscriptions in the place of asyncua's."""
        server = self._server
        await server.init()
        server.set_endpoint(self._block.url)
        server.set_server_name(f"chejian load: {self._block.name}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        index = await server.register_namespace(self._block.namespace)
        nodes = Nodes(server)
        folder_type, double = ua.NodeId(ua.Int32(ObjectIds.FolderType)), ua.NodeId(ua.Int32(ObjectIds.Double))
        load = node_id("Load", index)
        objects = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
        await nodes.add_object(load, ua.QualifiedName("Load", index), objects, ObjectIds.Organizes, folder_type)
        now = date_time(self._stage.clock())
        value = ua.DataValue(ua.Variant(0.0, ua.VariantType.Double), GOOD, now, now)
        for number in range(self._block.signals):
            # Adding a node looks at all its brothers: one folder of thousands takes minutes.
            folder = node_id(f"Load.{number // _FOLDER}", index)
            if number % _FOLDER == 0:
                await nodes.add_object(folder, ua.QualifiedName(f"Load.{number // _FOLDER}", index), load, ObjectIds.Organizes, folder_type)
            signal = node_id(f"S{number}", index)
            await nodes.add_variable(signal, ua.QualifiedName(f"S{number}", index), folder, double, value, ObjectIds.BaseDataVariableType)
            self._signals[signal] = number
        internal = server.iserver
        internal.subscription_service = LoadSubscriptions(internal, self._stage.clock, self._signals, self._plan)
        internal.isession.subscription_service = internal.subscription_service

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def offer(self, machine: Machine, now_us: int) -> None:
        """There is no machine."""

    async def close(self) -> None:
        """End the server."""
        await self._server.stop()

    def _plan(self, handles: dict[int, int]) -> Plan:
        period_us = max(1, round(1e6 / self._block.rate_hz))
        return Plan(handles, per_message=self._block.values_per_message, start_us=self._stage.clock(), period_us=period_us)
