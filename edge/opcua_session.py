"""A session with an OPC UA server: asyncua for channel, session and decoding, without its publish loop, its reconnection and its unlimited buffers.

The only file that calls asyncua: its errors leave as `NotConnected` or `ConfigError`.
Left out on purpose (asyncua 2.1.0): the handler with a task per value, the publish loop that acknowledges before anything is stored and does not look
at sequence numbers, the supervisor that makes subscriptions anew in silence, transport limits of "anything".
"""

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from time import monotonic

import msgspec
from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UaClientState, UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.connection import TransportLimits
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError, UaStatusCodeError, UaStructParsingError

from workshop.errors import ConfigError, NotConnected

_CHUNK_BYTES = 65_535
_MESSAGE_BYTES = 16 * 2**20
_NAMESPACE_ARRAY, _MAX_ITEMS_PER_CALL = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray)), ua.NodeId(ua.Int32(11714))
_ITEMS_PER_CALL = 1000
_SESSION_MS = 60_000
_CLOSE_S = 0.5
_ERRORS = (UaError, OSError, struct.error, ValueError)


class Terms(msgspec.Struct, frozen=True):
    """What the server granted for the subscription."""

    subscription: int
    publishing_s: float
    keep_alive_count: int


class Notification(msgspec.Struct, frozen=True):
    """One answer to a publish request."""

    sequence: int
    values: list[tuple[int, ua.DataValue]]
    """(client handle, value) in the server's order."""
    is_keep_alive: bool = False
    """No data; `sequence` is then the number of the next notification."""
    status: str = ""
    """The subscription's own change of status: it is over."""


class _Limits(TransportLimits):
    """Ours, not the server's: what it says that *it* accepts must not lift what we accept from it."""

    def update_client_limits(self, msg: ua.Acknowledge) -> None:
        self.max_send_buffer = min(self.max_send_buffer, msg.ReceiveBufferSize or _CHUNK_BYTES)


class _Protocol(UASocketProtocol):
    """A socket that does not collect a packet larger than any chunk may be."""

    def data_received(self, data: bytes) -> None:
        if self.receive_buffer and len(self.receive_buffer) > _CHUNK_BYTES and self.transport is not None:
            self.transport.abort()
            return
        super().data_received(data)


class _Transport(UaClient):
    def _make_protocol(self) -> UASocketProtocol:
        limits = _Limits(_CHUNK_BYTES, _CHUNK_BYTES, _MESSAGE_BYTES // _CHUNK_BYTES + 1, _MESSAGE_BYTES)
        self.protocol = _Protocol(self._timeout, security_policy=self.security_policy, limits=limits)
        self.protocol.on_connection_lost = self._on_transport_lost
        self.protocol.is_session_closing = self._is_session_closing
        return self.protocol


class _Session(UaSession):
    def ensure_publish_loop(self) -> None:
        """Nothing: we publish ourselves, to acknowledge what is on disk and nothing else."""


class Session:
    """One connection, one session, one subscription."""

    def __init__(self, url: str, *, name: str, timeout_s: float) -> None:
        """For a server at `opc.tcp://host:port/path`; `name` is what the server's list of sessions shows."""
        self._url = url
        self._client = Client(url, timeout=timeout_s)
        self._client.name = self._client.description = name
        self._client.application_uri = f"urn:chejian:{name}"
        self._client.session_timeout = _SESSION_MS
        self._client.max_messagesize, self._client.max_chunkcount = _MESSAGE_BYTES, _MESSAGE_BYTES // _CHUNK_BYTES + 1
        self._client.uaclient = _Transport(timeout_s)
        self._session = _Session(self._client.uaclient)
        self._client.uaclient.session = self._session
        self._subscription = 0
        self._renew_at = float("inf")

    async def open(self) -> None:
        """Connects and activates an anonymous session without security.

        Raises:
            NotConnected: no such host, refused, silent, or a server that does not let us in so.
        """
        with self._words("connect"):
            await self._client.connect_socket()
            await self._client.send_hello()
            await self._client.open_secure_channel()
            await self._client.create_session()
            await self._client.activate_session()
        self._renew_at = monotonic() + 0.75 * self._client.secure_channel_timeout / 1000

    async def describe(self) -> tuple[list[str], int]:
        """The server's NamespaceArray, and how many monitored items it takes in one call."""
        with self._words("read the namespaces"):
            array, limit = await self._session.read_attributes([_NAMESPACE_ARRAY, _MAX_ITEMS_PER_CALL], AttributeIds.Value)
        if array.Value is None or not isinstance(array.Value.Value, list):
            raise NotConnected(f"{self._url}: the server does not tell its namespaces ({array.StatusCode.name if array.StatusCode else 'no status'})")
        granted = limit.Value.Value if limit.Value is not None else None
        return [str(uri) for uri in array.Value.Value], min(granted, _ITEMS_PER_CALL) if isinstance(granted, int) and granted > 0 else _ITEMS_PER_CALL

    async def subscribe(self, *, publishing_ms: int, keep_alive_count: int, lifetime_s: float) -> Terms:
        """Creates the subscription."""
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = float(publishing_ms)
        parameters.RequestedMaxKeepAliveCount = ua.UInt32(keep_alive_count)
        parameters.RequestedLifetimeCount = ua.UInt32(max(3 * keep_alive_count, round(1000 * lifetime_s / publishing_ms)))
        parameters.MaxNotificationsPerPublish = ua.UInt32(0)
        parameters.PublishingEnabled = True
        with self._words("create a subscription"):
            result = await self._session.create_subscription(parameters, lambda _: None)
        self._subscription = result.SubscriptionId
        return Terms(result.SubscriptionId, result.RevisedPublishingInterval / 1000, result.RevisedMaxKeepAliveCount)

    async def monitor(self, nodes: list[ua.NodeId], *, sampling_ms: int, queue: int, per_call: int) -> list[str]:
        """Asks for every value of these nodes; client handles are their places in the list. Returns a status name each, empty where it worked."""
        requests = [_item(node, handle, sampling_ms, queue) for handle, node in enumerate(nodes)]
        answers: list[str] = []
        for start in range(0, len(requests), per_call):
            parameters = ua.CreateMonitoredItemsParameters()
            parameters.SubscriptionId = ua.IntegerId(self._subscription)
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            parameters.ItemsToCreate = requests[start : start + per_call]
            with self._words("create monitored items"):
                results = await self._session.create_monitored_items(parameters)
            answers += ["" if result.StatusCode.is_good() else result.StatusCode.name for result in results]
        return answers

    async def publish(self, acknowledge: list[int]) -> Notification | None:
        """Sends a publish request with these acknowledgements and waits for its answer; None when the answer cannot be decoded.

        Raises:
            NotConnected: the connection, the session or the subscription is gone.
        """
        # A fast path for many values decodes here, from the bytes of the answer.
        acks = [ua.SubscriptionAcknowledgement(ua.IntegerId(self._subscription), ua.Counter(number)) for number in acknowledge]
        with self._words("publish"):
            try:
                response = await self._session.publish(acks)
            except UaStructParsingError:
                return None
            response.ResponseHeader.ServiceResult.check()
        return _notification(response.Parameters.NotificationMessage)

    async def republish(self, sequence: int) -> Notification | None:
        """The notification with this number once more; None if the server no longer has it."""
        try:
            message = await self._session.republish(ua.IntegerId(self._subscription), ua.Counter(sequence))
        except (UaStatusCodeError, UaStructParsingError):
            return None
        except _ERRORS as error:
            raise NotConnected(f"{self._url}: republish: {error}") from error
        # asyncua's own server answers with an empty message where the standard wants BadMessageNotAvailable.
        return _notification(message) if message.SequenceNumber == sequence and message.NotificationData else None

    async def renew(self) -> None:
        """Renews the secure channel when three quarters of its life are over (OPC 10000-4, 5.5.2.1)."""
        if monotonic() >= self._renew_at:
            with self._words("renew the secure channel"):
                await self._client.open_secure_channel(renew=True)
            self._renew_at = monotonic() + 0.75 * self._client.secure_channel_timeout / 1000

    async def close(self) -> None:
        """Ends subscription, session and connection; a dead connection is only dropped."""
        if self._client.uaclient.state is UaClientState.CONNECTED:
            with contextlib.suppress(*_ERRORS):
                async with asyncio.timeout(_CLOSE_S):
                    await self._session.close_session(True)
                    await self._client.close_secure_channel()
        self._client.disconnect_socket()

    @contextlib.contextmanager
    def _words(self, what: str) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotConnected(f"{self._url}: {what}: {said}") from error


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


def _item(node: ua.NodeId, handle: int, sampling_ms: int, queue: int) -> ua.MonitoredItemCreateRequest:
    # Every sample with a new source time counts, equal values too: a repeated value proves that the machine still says so.
    every = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp, DeadbandType=ua.UInt32(ua.DeadbandType.None_))
    parameters = ua.MonitoringParameters(ua.IntegerId(handle), float(sampling_ms), every, ua.Counter(queue), True)
    return ua.MonitoredItemCreateRequest(ua.ReadValueId(node, AttributeIds.Value), ua.MonitoringMode.Reporting, parameters)


def _notification(message: ua.NotificationMessage) -> Notification:
    values: list[tuple[int, ua.DataValue]] = []
    status = ""
    for data in message.NotificationData or ():
        if isinstance(data, ua.DataChangeNotification):
            values += [(int(item.ClientHandle), item.Value) for item in data.MonitoredItems]
        elif isinstance(data, ua.StatusChangeNotification):
            status = str(data.Status.name)
    return Notification(int(message.SequenceNumber), values, not message.NotificationData, status)
