"""A connection to an MQTT broker: paho on our event loop, without a thread of its own. Messages in, acknowledgements when the reader says so.

The only file that calls paho: its errors leave as `NotConnected`. It does not reconnect. At most so many messages wait here or at the reader; then
nothing is read from the socket, it fills, and the broker keeps the rest.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt_access import Access, NamedContext
from edge.mqtt_arrived import EXCERPT, Arrived, Will
from workshop.errors import NotConnected
from workshop.window import Clock

_FILTERS = 100
"""Topic filters in one SUBSCRIBE; brokers bound its size."""
_PACKETS = 256
"""Packets that are taken before others on the loop have their turn."""
_HELD_BYTES = 64 * 2**20
"""Bytes of payloads that may wait for the disk, at most a payload more."""
_MANY = 64
_GATHER_S = 0.01
_HELP = {
    "Unsupported protocol version": "it does not speak this version of MQTT; set version",
    "Bad user name or password": "wrong user or password",
    "Not authorized": "not authorised: give user and password_file, or ask for the right",
    "Client identifier not valid": "it refuses the client id",
    "Session taken over": "another client with our id has connected",
    "Unspecified error": "closed by the broker",
}
"""paho's names of reasons, where ours say what to do."""


class Connection:
    """One connection. The broker keeps the session when it is `durable`."""

    def __init__(
        self, access: Access, *, client_id: str, durable: bool, limit: int, clock: Clock, session_expiry_s: int = 0, will: Will | None = None,
    ) -> None:
        self.name = access.name
        self.is_resumed = False
        """Whether the broker still had our session, and with it every message since."""
        self.refused: list[str] = []
        """Topics that the broker does not let us read."""
        self.remarks: list[str] = []
        """What the broker does otherwise than we asked."""
        self._access, self._clock, self._limit, self._expiry_s, self._durable = access, clock, limit, session_expiry_s, durable
        self._tls = NamedContext(access.context, access.server_name) if access.context is not None else None
        self._client = self._made(client_id, will)
        self._socket: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._now_us = 0
        self._arrived: list[Arrived] = []
        self._open = 0
        """Messages that came and are not yet acknowledged."""
        self._open_bytes = 0
        self._paused = False
        self._busy = False
        self._asked: dict[int, list[str]] = {}
        self._news, self._welcomed, self._subscribed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._broken = ""

    def _made(self, client_id: str, will: Will | None) -> Client:
        access = self._access
        is_5 = access.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if is_5 else not self._durable, manual_ack=True, reconnect_on_failure=False,
        )
        client.connect_timeout = access.timeout_s
        if access.user is not None:
            # paho also takes bytes, and a password need not be text.
            client.username_pw_set(access.user, access.password)  # type: ignore[arg-type]
        if self._tls is not None:
            client.tls_set_context(self._tls)  # type: ignore[arg-type]
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        return client

    async def open(self, topics: Sequence[str], *, qos: int = 1) -> None:
        """Connects and subscribes.

        Raises:
            NotConnected: nobody there, a certificate that does not fit, or the broker does not let us in.
        """
        self._loop = asyncio.get_running_loop()
        access = self._access
        try:
            async with asyncio.timeout(access.timeout_s):
                await asyncio.to_thread(self._call)
                self._attach()
                await self._welcomed.wait()
                if not self._broken:
                    self._subscribe(topics, qos)
                    await self._subscribed.wait()
        except TimeoutError as error:
            raise NotConnected(f"{self.name}: no answer within {access.timeout_s:.0f} s") from error
        except ssl.SSLCertVerificationError as error:
            if self._tls is not None and self._tls.socket is not None:
                self._tls.socket.close()  # paho leaves it open
            why = f"{error.verify_message}; check tls.ca, server_name, clock"
            raise NotConnected(f"{self.name}: the broker's certificate is refused: {why}") from error
        except (OSError, UnicodeError, ValueError) as error:
            raise NotConnected(f"{self.name}: {getattr(error, 'strerror', None) or error}") from error
        if self._broken:
            raise NotConnected(f"{self.name}: {self._broken}")

    async def read(self) -> list[Arrived]:
        """Everything that has arrived. Waits for the first message, after many at once also for more: columns are cheaper by the many.

        Raises:
            NotConnected: the connection is gone and everything that had arrived was read.
        """
        while not self._arrived:
            if self._broken:
                raise NotConnected(f"{self.name}: {self._broken}")
            self._news.clear()
            await self._news.wait()
        if self._busy and not self._broken:
            await asyncio.sleep(_GATHER_S)
        arrived, self._arrived = self._arrived, []
        self._busy = len(arrived) >= _MANY
        return arrived

    def acknowledge(self, messages: Sequence[Arrived]) -> None:
        """Tells the broker that these are on disk, and lets as many new ones in."""
        if not self._broken:
            for message in messages:
                if message.qos:
                    self._client.ack(message.mid, message.qos)
        self._open -= len(messages)
        self._open_bytes -= sum(len(message.payload) for message in messages)
        if self._paused and not self._is_full and not self._broken:
            self._paused = False
            self._loop.add_reader(self._socket, self._readable)
            self._loop.call_soon(self._readable)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Sends a message; QoS 1 without repetition, as this client does not outlive its connection."""
        if not self._broken:
            self._client.publish(topic, payload, qos, retain)

    async def close(self) -> None:
        """Disconnects; a durable session stays with the broker."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._broken:
            self._broken = "closed"
            self._client.disconnect()
            self._client.loop_write()
        self._detach()
        self._client.loop_misc()
        if self._socket is not None:
            self._socket.close()
        await asyncio.sleep(0)

    # Below: on the event loop.

    def _call(self) -> None:
        """On a thread: name resolution, TCP, TLS and the CONNECT block."""
        access = self._access
        if access.version != "5":
            self._client.connect(access.host, access.port, _interval(access.keepalive_s))
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._expiry_s if self._durable else 0
        properties.ReceiveMaximum = min(self._limit, 0xFFFF)
        self._client.connect(access.host, access.port, _interval(access.keepalive_s), clean_start=not self._durable, properties=properties)

    def _attach(self) -> None:
        client, self._socket = self._client, self._client.socket()
        if self._socket is None:
            self._break("connection lost: closed by the broker")
            return
        client.on_socket_register_write = lambda *_: self._loop.add_writer(self._socket, client.loop_write)
        client.on_socket_unregister_write = self._written
        client.on_socket_close = lambda *_: self._detach()
        self._loop.add_reader(self._socket, self._readable)
        self._loop.call_soon(self._readable)
        self._beat()

    def _written(self, *_: Any) -> None:
        self._loop.remove_writer(self._socket)

    def _detach(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        """Takes what is there. paho reads one packet at a time and does not say whether there was one: the messages are counted."""
        if self._broken or self._paused:
            return
        self._now_us = self._clock()
        before = len(self._arrived)
        for _ in range(_PACKETS):
            count = len(self._arrived)
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._broken or self._is_full or len(self._arrived) == count:
                break
        if len(self._arrived) > before:
            self._news.set()
            if self._is_full and not self._broken:
                self._paused = True
                self._loop.remove_reader(self._socket)
        # What TLS has already taken from the socket makes it readable no more.
        if not self._broken and not self._paused and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            self._loop.call_soon(self._readable)

    @property
    def _is_full(self) -> bool:
        return self._open >= self._limit or self._open_bytes >= _HELD_BYTES

    def _beat(self) -> None:
        """Lets paho ask the broker whether it lives. While we do not read, its silence says nothing."""
        if self._broken:
            return
        if not self._paused:
            self._client.loop_misc()
        self._timer = self._loop.call_later(self._access.keepalive_s / 4, self._beat)

    def _on_connect(self, _client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            self._break(f"the broker does not let us in: {_words(reason, properties)}")
            return
        self.is_resumed = flags.session_present
        kept_s = getattr(properties, "SessionExpiryInterval", None)
        if self._durable and kept_s is not None and kept_s < self._expiry_s:
            self.remarks.append(f"the broker keeps our session for {kept_s} s, not {self._expiry_s} s")
        self._welcomed.set()

    def _on_disconnect(self, _client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if flags.is_disconnect_packet_from_server:
            self._break(f"the broker disconnects us: {_words(reason, properties)}")
        elif str(reason) == "Keep alive timeout":
            self._break(f"nothing heard for {2 * _interval(self._access.keepalive_s)} s")
        else:
            self._break(f"connection lost: {_words(reason, properties)}")

    def _subscribe(self, topics: Sequence[str], qos: int) -> None:
        for at in range(0, len(topics), _FILTERS):
            filters = list(topics[at : at + _FILTERS])
            _, mid = self._client.subscribe([(name, qos) for name in filters])
            if mid is not None:
                self._asked[mid] = filters
        if not self._asked:
            self._subscribed.set()

    def _on_subscribe(self, _client: Client, _: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None) -> None:
        filters = self._asked.pop(mid, [])
        self.refused += [name for name, reason in zip(filters, reasons, strict=False) if reason.is_failure]
        if not self._asked:
            self._subscribed.set()

    def _on_message(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        payload, size = bytes(message.payload), -1
        if len(payload) > self._access.max_payload:
            payload, size = payload[:EXCERPT], len(payload)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        self._arrived.append(Arrived(topic, payload, self._now_us, message.mid, message.qos, message.retain, message.dup, size))
        self._open += 1
        self._open_bytes += len(payload)

    def _break(self, why: str) -> None:
        if self._broken:
            return
        self._broken = why
        if self._timer is not None:
            self._timer.cancel()
        for event in (self._news, self._welcomed, self._subscribed):
            event.set()


def _interval(keepalive_s: int) -> int:
    """What paho is told, s: it asks after one of these and gives up after two, and ours is given up after one and a half."""
    return max(1, keepalive_s * 3 // 4)


def _words(reason: ReasonCode, properties: Properties | None) -> str:
    said = getattr(properties, "ReasonString", "")
    words = _HELP.get(str(reason), str(reason))
    return f"{words} ({said[:200]})" if said else words
