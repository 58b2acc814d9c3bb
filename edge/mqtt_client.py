"""A connection to an MQTT broker on the event loop: messages in, acknowledgements when the reader says so. It does not reconnect.

At most so many messages wait here or at the reader; then nothing is read from the socket, it fills, and the broker keeps the rest. Errors of the
network leave as `NotConnected`.
"""

import asyncio
import ssl
from collections.abc import Sequence

from edge import mqtt_wire as wire
from edge.mqtt_access import Access
from edge.mqtt_answers import farewell, granted, welcome
from edge.mqtt_wire import Arrived, Packet, Will
from workshop.errors import NotConnected, Rejected
from workshop.window import Clock

__all__ = ["Arrived", "Connection"]

_FILTERS = 100
"""Topic filters in one SUBSCRIBE; brokers bound its size."""
_HELD_BYTES = 64 * 2**20
"""Of payloads that wait for the disk, however few they are."""
_MANY = 64
_GATHER_S = 0.01


class Connection(asyncio.Protocol):
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
        self._hello = wire.connect(
            access.version, client_id, clean=not durable, keepalive_s=access.keepalive_s, user=access.user, password=access.password, will=will,
            receive_maximum=min(limit, 0xFFFF), session_expiry_s=session_expiry_s,
        )
        self._reader = wire.Reader(access.version, access.max_payload)
        self._transport: asyncio.Transport | None = None
        self._keepalive_s = float(access.keepalive_s)
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._arrived: list[Arrived] = []
        self._open = 0
        """Messages that came and are not yet acknowledged."""
        self._open_bytes = 0
        self._paused = False
        self._busy = False
        self._mid = 0
        self._asked: dict[int, list[str]] = {}
        self._news, self._welcomed, self._subscribed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._broken = ""

    async def open(self, topics: Sequence[str], *, qos: int = 1) -> None:
        """Connects and subscribes.

        Raises:
            NotConnected: nobody there, a certificate that does not fit, or the broker does not let us in.
        """
        self._loop = asyncio.get_running_loop()
        access = self._access
        try:
            async with asyncio.timeout(access.timeout_s):
                await self._loop.create_connection(
                    lambda: self, access.host, access.port, ssl=access.context, server_hostname=access.server_name,
                )
                await self._welcomed.wait()
                if not self._broken:
                    self._subscribe(topics, qos)
                    await self._subscribed.wait()
        except TimeoutError as error:
            raise NotConnected(f"{self.name}: no answer within {access.timeout_s:.0f} s") from error
        except ssl.SSLCertVerificationError as error:
            why = f"{error.verify_message}; check tls.ca, server_name, clock"
            raise NotConnected(f"{self.name}: the broker's certificate is refused: {why}") from error
        except (OSError, UnicodeError) as error:
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
        mids = [message.mid for message in messages if message.qos]
        if mids:
            self._write(wire.puback(mids))
        self._open -= len(messages)
        self._open_bytes -= sum(len(message.payload) for message in messages)
        if self._paused and self._open < self._limit and self._open_bytes < _HELD_BYTES and self._transport is not None and not self._broken:
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Sends a message; QoS 1 without repetition, as this client does not outlive its connection."""
        self._mid = self._mid % 0xFFFF + 1
        self._write(wire.publish(self._access.version, topic, payload, qos=qos, retain=retain, mid=self._mid))

    async def close(self) -> None:
        """Disconnects; a durable session stays with the broker."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if not self._broken:
            transport.write(wire.disconnect())
            self._break("closed")
        transport.close()
        # Closing is asynchronous with TLS; a peer that does not answer is not waited for.
        self._loop.call_later(1.0, transport.abort)
        await asyncio.sleep(0)

    # Below: called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says hello."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 – narrows the type; create_connection makes no other
        self._transport = transport
        self._heard_at = self._loop.time()
        self._write(self._hello)

    def data_received(self, data: bytes) -> None:
        """Takes packets."""
        self._heard_at = self._loop.time()
        try:
            arrived, others = self._reader.feed(data, self._clock())
            for packet in others:
                self._take(packet)
        except Rejected as error:
            self._break(f"the broker sends what is not MQTT: {error}")
            return
        if arrived:
            self._arrived += arrived
            self._open += len(arrived)
            self._open_bytes += sum(len(message.payload) for message in arrived)
            if (self._open >= self._limit or self._open_bytes >= _HELD_BYTES) and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notes why."""
        self._break(f"connection lost: {exc or 'closed by the broker'}")

    def _take(self, packet: Packet) -> None:
        match packet.kind:
            case wire.CONNACK:
                self._enter(packet.body)
            case wire.SUBACK:
                mid, allowed = granted(self._access.version, packet.body)
                filters = self._asked.pop(mid, [])
                self.refused += [name for name, is_allowed in zip(filters, allowed, strict=False) if not is_allowed]
                if not self._asked:
                    self._subscribed.set()
            case wire.DISCONNECT:
                self._break(f"the broker disconnects us: {farewell(packet.body)}")
            case wire.PUBACK | wire.PINGRESP:
                pass
            case _:
                raise Rejected(f"a packet of type {packet.kind}")

    def _enter(self, body: bytes) -> None:
        answer = welcome(self._access.version, body)
        if answer.refused:
            self._break(f"the broker does not let us in: {answer.refused}")
            return
        self.is_resumed = answer.has_session
        if answer.keepalive_s:
            self._keepalive_s = float(min(answer.keepalive_s, self._access.keepalive_s))
        if self._durable and answer.session_expiry_s is not None and answer.session_expiry_s < self._expiry_s:
            self.remarks.append(f"the broker keeps our session for {answer.session_expiry_s} s, not {self._expiry_s} s")
        self._welcomed.set()
        self._beat()

    def _subscribe(self, topics: Sequence[str], qos: int) -> None:
        packets = []
        for at in range(0, len(topics), _FILTERS):
            self._mid += 1
            self._asked[self._mid] = list(topics[at : at + _FILTERS])
            packets.append(wire.subscribe(self._access.version, self._mid, self._asked[self._mid], qos))
        if not packets:
            self._subscribed.set()
        self._write(b"".join(packets))

    def _beat(self) -> None:
        """Shows that we live, and looks whether the broker does. While we do not read, its silence says nothing."""
        if self._broken:
            return
        if not self._paused and self._loop.time() - self._heard_at > 1.5 * self._keepalive_s:
            self._break(f"nothing heard for {1.5 * self._keepalive_s:.0f} s")
            return
        self._write(wire.PINGREQ)
        self._timer = self._loop.call_later(self._keepalive_s / 2, self._beat)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._broken and data:
            self._transport.write(data)

    def _break(self, why: str) -> None:
        if self._broken:
            return
        self._broken = why
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None and why != "closed":
            self._transport.abort()
        for event in (self._news, self._welcomed, self._subscribed):
            event.set()
