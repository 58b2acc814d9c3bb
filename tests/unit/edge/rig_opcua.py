"""A real OPC UA server with two machines, which keeps what it offered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.server import Server

from simulators.link import Relay
from tests.unit.edge.rig import now_us
from tests.unit.edge.rig_pki import URI as APPLICATION
from tests.unit.edge.rig_pki import issue, key

URI = "urn:test:cnc"
TYPES = {"load": ua.VariantType.Double, "parts": ua.VariantType.Int64, "program": ua.VariantType.String, "state": ua.VariantType.Int32}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Machines:
    """A server with two machines; writes scans and keeps what it offered."""

    def __init__(self) -> None:
        self.server = Server()
        self.port = 0
        self.emitted: dict[tuple[str, int], Any] = {}
        self.relay: Relay | None = None
        self._count = 0

    async def start(self) -> None:
        await self.server.init()
        self.server.set_endpoint("opc.tcp://127.0.0.1:0/")
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self.index = await self.server.register_namespace(URI)
        for machine in ("cnc-01", "cnc-02"):
            for name, kind in TYPES.items():
                value = {"load": 0.0, "program": ""}.get(name, 0)
                await self.server.nodes.objects.add_variable(self.node(f"{machine}.{name}"), f"{machine}.{name}", value, kind)
        await self.server.start()
        self.port = self.server.bserver.port

    def node(self, name: str) -> ua.NodeId:
        return ua.NodeId(name, self.index)

    async def write(self, name: str, variant: ua.Variant | None, time_us: int | None, status: int = 0, server_us: int | None = None) -> None:
        stamp = None if time_us is None else EPOCH + timedelta(microseconds=time_us)
        server = None if server_us is None else EPOCH + timedelta(microseconds=server_us)
        await self.server.iserver.aspace.write_attribute_value(
            self.node(name), ua.AttributeIds.Value, ua.DataValue(variant, ua.StatusCode(ua.UInt32(status)), stamp, server)
        )

    async def scan(self) -> None:
        self._count += 1
        time_us = now_us()
        for machine in ("cnc-01", "cnc-02"):
            values = {"load": self._count / 7, "parts": self._count // 3, "program": f"P{self._count // 10}", "state": self._count % 4}
            for name, value in values.items():
                await self.write(f"{machine}.{name}", ua.Variant(value, TYPES[name]), time_us)
                self.emitted[f"{machine}/{name}", time_us] = value

    async def offer(self, scans: int, every_s: float = 0.02) -> None:
        for _ in range(scans):
            await self.scan()
            await asyncio.sleep(every_s)

    def subscriptions(self) -> list[InternalSubscription]:
        """Of clients; the server's own one for histories is not theirs."""
        return [one for one in self.server.iserver.subscription_service.subscriptions.values() if one.pub_request_callback is not None]

    def unacknowledged(self) -> list[int]:
        return [number for one in self.subscriptions() for number in one._not_acknowledged_results]

    async def forget(self) -> None:
        """What a restart of the server does to its clients: no session and no subscription is left."""
        internal = self.server.iserver
        for session in list(internal._external_sessions.values()):
            await session.close_session(True)

    async def leave(self, *, lost: int = 0) -> None:
        """Ends every session and keeps its subscriptions, as a server does that runs out of sessions; so many of them get lost."""
        for session in list(self.server.iserver._external_sessions.values()):
            await session.close_session(False)
        if lost:
            numbers = list(self.server.iserver.subscription_service.subscriptions)[:lost]
            await self.server.iserver.subscription_service.delete_subscriptions(numbers)

    def pass_on(self) -> None:
        """asyncua's server goes on asking the old connection for the publish requests of a subscription that was transferred; here the new one."""
        service = self.server.iserver.subscription_service
        transfer = service.transfer_subscriptions

        async def transfer_and_ask(params: Any, session_id: Any, callback: Any) -> Any:
            for number in params.SubscriptionIds:
                if (one := service.subscriptions.get(int(number))) is not None:
                    one.pub_request_callback = callback.__self__.get_publish_request
            return await transfer(params, session_id, callback)

        service.transfer_subscriptions = transfer_and_ask  # type: ignore[method-assign]

    @asynccontextmanager
    async def history(self, name: str) -> AsyncIterator[None]:
        """The server keeps a history of this signal of both machines."""
        nodes = [self.server.get_node(self.node(f"{machine}.{name}")) for machine in ("cnc-01", "cnc-02")]
        await self.server.historize_node_data_change(nodes)
        try:
            yield
        finally:
            await self.server.dehistorize_node_data_change(nodes)


class Guarded(Machines):
    """The two machines behind Basic256Sha256."""

    async def start(self) -> None:
        iserver = self.server.iserver
        iserver.certificate, iserver.private_key = issue(), key("server")
        self.server._application_uri = APPLICATION
        policies = self.server.set_security_policy
        self.server.set_security_policy = lambda _: policies([  # type: ignore[method-assign]
            ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        ])
        await super().start()
