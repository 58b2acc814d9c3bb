"""A connection to an MQTT broker: paho on a thread of its own, messages on the event loop, acknowledgements when the reader says so.

The only file that calls paho: its errors leave as `NotConnected`. It does not reconnect. At most so many messages wait here or at the reader; then
the thread stands still, the socket fills, and the broker keeps the rest.
"""

import asyncio
import threading
from collections import deque
from typing import Any

import msgspec
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from workshop.errors import NotConnected
from workshop.window import Clock

_STILL_S = 0.2


class Arrived(msgspec.Struct, frozen=True):
    """A message as it came."""

    topic: str
    payload: bytes
    received_us: int
    mid: int
    qos: int


class Connection:
    """One connection, MQTT 3.1.1. The broker keeps the session when it is `durable`."""

    def __init__(self, host: str, port: int, *, client_id: str, durable: bool, keepalive_s: int, limit: int, timeout_s: float, clock: Clock) -> None:
        self.name = f"{host}:{port}"
        self.is_resumed = False
        """Whether the broker still had our session, and with it every message since."""
        self.refused: list[str] = []
        """Topics that the broker does not let us read."""
        self._address, self._keepalive_s, self._timeout_s, self._clock = (host, port), keepalive_s, timeout_s, clock
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=not durable, protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.connect_timeout = timeout_s
        self._client.on_connect, self._client.on_subscribe = self._on_connect, self._on_subscribe
        self._client.on_message, self._client.on_disconnect = self._on_message, self._on_disconnect
        self._slots = threading.Semaphore(limit)
        self._closing = False
        self._topics: list[str] = []
        self._arrived: deque[Arrived] = deque()
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._broken = ""

    async def open(self, topics: list[str]) -> None:
        """Connects and subscribes with QoS 1.

        Raises:
            NotConnected: nobody there, or the broker does not let us in.
        """
        self._loop = asyncio.get_running_loop()
        self._topics = topics
        try:
            await asyncio.to_thread(self._client.connect, *self._address, self._keepalive_s)
        except (OSError, ValueError) as error:
            raise NotConnected(f"mqtt://{self.name}: {getattr(error, 'strerror', None) or error}") from error
        self._client.loop_start()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ready.wait()
        except TimeoutError as error:
            raise NotConnected(f"mqtt://{self.name}: connected, but no answer within {self._timeout_s:.0f} s") from error
        if self._broken:
            raise NotConnected(f"mqtt://{self.name}: {self._broken}")

    async def read(self) -> list[Arrived]:
        """Everything that has arrived; waits for the first message.

        Raises:
            NotConnected: the connection is gone and everything that had arrived was read.
        """
        while not self._arrived:
            if self._broken:
                raise NotConnected(f"mqtt://{self.name}: {self._broken}")
            self._news.clear()
            await self._news.wait()
        arrived = list(self._arrived)
        self._arrived.clear()
        return arrived

    def acknowledge(self, messages: list[Arrived]) -> None:
        """Tells the broker that these are on disk, and lets as many new ones in."""
        for message in messages:
            if message.qos and not self._broken:
                # Appends to paho's queue of packets and wakes its thread: safe from here.
                self._client.ack(message.mid, message.qos)
            self._slots.release()

    async def close(self) -> None:
        """Disconnects; a durable session stays with the broker."""
        self._closing = True
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _tell(self, what: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *arguments)

    # Below: on paho's thread.

    def _on_connect(self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            self._tell(self._break, f"the broker does not let us in: {reason}")
            return
        self.is_resumed = flags.session_present
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None) -> None:
        self.refused = [topic for topic, reason in zip(self._topics, reasons, strict=False) if reason.is_failure]
        self._tell(self._ready.set)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        while not self._slots.acquire(timeout=_STILL_S):
            if self._closing:
                return
        self._tell(self._take, Arrived(_topic(message), bytes(message.payload), self._clock(), message.mid, message.qos))

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        self._tell(self._break, f"connection lost: {reason}")

    # Below: on the event loop.

    def _take(self, message: Arrived) -> None:
        self._arrived.append(message)
        self._news.set()

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self._ready.set()
        self._news.set()


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return "(not UTF-8)"
