"""An MQTT client with a store, as good equipment has: what cannot be sent now is sent later, in order."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_STORE = 10_000
_DELIVER_S = 1.0
_LEAVE_S = 1.0


class StoringClient:
    """One piece of equipment at a broker. The network runs in paho's thread; every method is called, and all state changes, in the event loop."""

    def __init__(self, equipment: str, host: str, port: int, *, link_topic: str, changed: Callable[[str, bool], None]) -> None:
        """A client that is not started yet; `changed` is told the equipment and whether it is online now."""
        self.online = asyncio.Event()
        """Set while the broker has accepted the connection."""
        self._equipment = equipment
        self._address = (host, port)
        self._link_topic = link_topic
        self._changed = changed
        self._store: deque[tuple[str, bytes]] = deque()
        # Numbers of messages in paho's hands, in order, and those of them that the broker has confirmed. paho's own word on a message that it was
        # handed just when the connection broke is an error for ever, though it sends it later.
        self._sent: deque[int] = deque()
        self._confirmed: set[int] = set()
        # Messages handed to an earlier connection; nothing overtakes them.
        self._stale = 0
        self._loop = asyncio.get_running_loop()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=equipment)
        self._client.reconnect_delay_set(min_delay=1, max_delay=4)
        self._client.will_set(link_topic, b"offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._client.connect_async(*self._address, keepalive=10)
        self._client.loop_start()

    def send(self, topic: str, payload: bytes) -> bytes | None:
        """Send, or store until the broker is back; returns the oldest stored payload when the store was full and had to give it up."""
        self._store.append((topic, payload))
        dropped = self._store.popleft()[1] if len(self._store) > _STORE else None
        self._drain()
        return dropped

    def cut(self) -> None:
        """Break the connection, as a bad network does; the client connects again by itself."""
        held = self._client.socket()
        if held is not None:
            with contextlib.suppress(OSError):
                cast(socket.socket, held).shutdown(socket.SHUT_RDWR)

    async def close(self) -> int:
        """Wait a moment for what is on its way, say `offline`, leave; returns how many messages the broker never confirmed."""
        await self._deliver(_DELIVER_S)
        left = self._left()
        if self.online.is_set():
            # A client that takes its leave has no last will.
            self._sent.append(self._client.publish(self._link_topic, b"offline", qos=1, retain=True).mid)
            await self._deliver(_LEAVE_S)
        self._client.disconnect()
        # It joins paho's thread, which may be asleep between two attempts to connect.
        await asyncio.to_thread(self._client.loop_stop)
        return left

    async def _deliver(self, seconds: float) -> None:
        """Wait until everything is confirmed, the connection is lost or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._left() and self.online.is_set():
                    await asyncio.sleep(0.01)
                    self._drain()

    def _left(self) -> int:
        self._forget_delivered()
        return len(self._store) + len(self._sent)

    def _forget_delivered(self) -> None:
        while self._sent and self._sent[0] in self._confirmed:
            self._confirmed.discard(self._sent.popleft())
            self._stale = max(0, self._stale - 1)

    def _drain(self) -> None:
        self._forget_delivered()
        # After a reconnect paho sends its unconfirmed messages again, at a moment of its own; a new one could overtake them and look like a loss.
        while self._store and self.online.is_set() and not self._stale:
            topic, payload = self._store.popleft()
            self._sent.append(self._client.publish(topic, payload, qos=1).mid)

    def _set_online(self, is_online: bool) -> None:
        if is_online == self.online.is_set():
            return
        if is_online:
            self.online.set()
        else:
            self.online.clear()
        self._changed(self._equipment, is_online)
        self._forget_delivered()
        self._stale = len(self._sent)
        self._drain()

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        # The loop may have ended while paho's thread was still at work; then nobody wants to know.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_connect(self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None) -> None:
        if not reason.is_failure:
            client.publish(self._link_topic, b"online", qos=1, retain=True)
            self._tell(self._set_online, True)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._tell(self._set_online, False)

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, _reason: ReasonCode, _properties: Properties) -> None:
        self._tell(self._confirm, mid)

    def _confirm(self, mid: int) -> None:
        # That we are online is a message, too, which nobody waits for.
        if mid in self._sent:
            self._confirmed.add(mid)
            self._drain()
