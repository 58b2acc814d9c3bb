"""A connection with an OPC UA server: asyncua for channel, session and services, without its publish loop, reconnection and unlimited buffers.

Left out on purpose (asyncua 2.1.0): the handler with a task per value, the publish loop that acknowledges before anything is stored and does not look
at sequence numbers, the supervisor that makes subscriptions anew in silence, transport limits of "anything".
"""

import asyncio
import contextlib
from time import monotonic

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from edge.opcua.security import Guard
from edge.opcua.settings import OpcUaSettings
from edge.opcua.transport import Transport, limit
from edge.opcua.words import ERRORS, words
from workshop.errors import ConfigError, NotConnected

_NAMESPACE_ARRAY = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))
_SESSION_MS = 60_000
_CLOSE_S = 0.5


class _Session(UaSession):
    def ensure_publish_loop(self) -> None:
        """Nothing: we publish ourselves, to acknowledge what is on disk and nothing else."""


class Connection:
    """One secure channel and one session on it."""

    def __init__(self, settings: OpcUaSettings, guard: Guard, *, name: str) -> None:
        """`name` is what the server's list of sessions shows."""
        self._guard = guard
        self.url = settings.url
        self._client = Client(settings.url, timeout=settings.timeout_s)
        self._client.name = self._client.description = name
        self._client.application_uri = f"urn:chejian:{name}"
        self._client.session_timeout = _SESSION_MS
        self._client.uaclient = Transport(settings.timeout_s)
        limit(self._client)
        self.session: UaSession = _Session(self._client.uaclient)
        """For the services; what they raise is translated with `words`."""
        self._client.uaclient.session = self.session
        self._renew_at = float("inf")
        self._is_stale = False
        """Whether what it was opened with is no longer what it should be opened with."""

    async def open(self) -> None:
        """Connects as securely as the file wants, and activates a session as its user.

        Raises:
            NotConnected: no such host, refused, silent, or a server that does not let us in so.
            ConfigError: we do not trust the server, or have no certificate to show.
        """
        client, guard = self._client, self._guard
        guard.prepare(client)
        if not guard.is_open:
            with words(self.url, "ask for the endpoints"):
                endpoints = await client.connect_and_get_server_endpoints()
            guard.choose(client, endpoints or [])
        with words(self.url, "connect"):
            await client.connect_socket()
            await client.send_hello()
        with words(self.url, guard.step):
            await client.open_secure_channel()
        with words(self.url, "open a session"):
            created = await client.create_session()
            if not guard.is_open:
                guard.compare(created.ServerEndpoints)
            await guard.activate(client)
        self._renew_at = monotonic() + 0.75 * self._client.secure_channel_timeout / 1000

    async def reopen(self) -> bool:
        """The same session over a new channel (OPC 10000-4, 6.7), with the subscriptions that it had; False if the server does not go on with it.

        Raises:
            NotConnected: no such host, refused, or silent.
            ConfigError: we no longer trust the server.
        """
        client = self._client
        if self._is_stale:
            return False
        self._watch(anew=True)
        with words(self.url, "connect again"):
            await client.connect_socket()
            await client.send_hello()
        try:
            # The policy holds the server's certificate, so that only the same server can answer.
            with words(self.url, "resume the session"):
                await client.open_secure_channel()
                self.session.rebind_authentication_token()
                await self._guard.activate(client)
        except NotConnected:
            self.drop()
            return False
        self._renew_at = monotonic() + 0.75 * client.secure_channel_timeout / 1000
        return True

    def drop(self) -> None:
        """Lets go of the connection and leaves the session to the server, to be taken up again."""
        self._client.disconnect_socket()

    async def namespaces(self) -> list[str]:
        """The server's NamespaceArray."""
        with words(self.url, "read the namespaces"):
            (array,) = await self.session.read_attributes([_NAMESPACE_ARRAY], AttributeIds.Value)
        if array.Value is None or not isinstance(array.Value.Value, list):
            raise NotConnected(f"{self.url}: the server does not tell its namespaces ({array.StatusCode.name if array.StatusCode else 'no status'})")
        return [str(uri) for uri in array.Value.Value]

    async def renew(self) -> None:
        """Renews the secure channel when three quarters of its life are over (OPC 10000-4, 5.5.2.1), and sees whether the server is still trusted."""
        self._watch()
        if monotonic() >= self._renew_at:
            with words(self.url, "renew the secure channel"):
                await self._client.open_secure_channel(renew=True)
            self._renew_at = monotonic() + 0.75 * self._client.secure_channel_timeout / 1000

    def _watch(self, *, anew: bool = False) -> None:
        try:
            self._guard.watch(anew=anew)
        except NotConnected:
            self._is_stale = True
            raise

    async def close(self) -> None:
        """Ends subscriptions, session and connection; a dead connection is only dropped."""
        if self._client.uaclient.state is UaClientState.CONNECTED:
            with contextlib.suppress(*ERRORS):
                async with asyncio.timeout(_CLOSE_S):
                    await self.session.close_session(True)
                    await self._client.close_secure_channel()
        self._client.disconnect_socket()


def check_url(url: str, where: str) -> None:
    """Refuses an address that asyncua would not understand.

    Raises:
        ConfigError: not `opc.tcp://host:port/path`, or with a name and password in it.
    """
    try:
        parts = Client(url).server_url
        if parts.scheme == "opc.tcp" and parts.hostname and parts.port and "@" not in url:
            return
    except ValueError:
        pass
    raise ConfigError(f"{where}: url '{url}' should look like opc.tcp://127.0.0.1:4840/path, without credentials")
