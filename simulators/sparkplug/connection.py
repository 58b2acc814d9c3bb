"""The MQTT side of an edge node: one connection after another, each announced by a Will of its own."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.sparkplug.metrics import asks_for_rebirth, death

KEEPALIVE_S = 5
_LEAVE_S = 1.0


class BdSeq:
    """The number of a connection, 0 to 255 and again 0, kept in a file: a restart is a new connection too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value = -1
        with contextlib.suppress(FileNotFoundError, ValueError):
            self.value = int(path.read_text(encoding="ascii"))

    def next(self) -> int:
        """The number of a new connection."""
        self.value = (self.value + 1) % 256
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{self.value}\n", encoding="ascii")
        return self.value


class Connection:
    """An edge node at a broker. The network runs in paho's thread; every callback comes in the event loop."""

    def __init__(
        self, group: str, node: str, address: tuple[str, int], bd_seq: BdSeq, *, primary_host: str | None, now_us: Callable[[], int],
        came: Callable[[], None], gone: Callable[[], None], rebirth: Callable[[], None],
    ) -> None:
        """Nothing is connected yet.

        Args:
            group: Sparkplug group id.
            node: edge node id.
            address: host and port of the broker.
            bd_seq: the numbers of the connections.
            primary_host: host application to wait for, or None.
            now_us: simulated time, µs UTC.
            came: told when births may be sent: connected, subscribed, primary host online.
            gone: told when they may no longer.
            rebirth: told when a host wants the births again.
        """
        self.bd_seq = 0
        """The number that the Will of this connection carries."""
        self.is_up = False
        """Whether births and data may be sent."""
        self._topic = f"spBv1.0/{group}/{{}}/{node}"
        self._address, self._numbers, self._now_us = address, bd_seq, now_us
        self._came, self._gone, self._rebirth = came, gone, rebirth
        self._state_topic = None if primary_host is None else f"spBv1.0/STATE/{primary_host}"
        self._host_time = -1
        self._connected = False
        self._leaving: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._client_id = f"{group}-{node}"
        self._client = self._new_client(self._client_id)

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def send(self, kind: str, payload: bytes, device: str | None = None) -> None:
        """Publish a message of this kind, QoS 0, not retained."""
        topic = self._topic.format(kind)
        self._client.publish(topic if device is None else f"{topic}/{device}", payload)

    def cut(self) -> None:
        """Break the connection, as a bad network does; the node connects again by itself."""
        held = self._client.socket()
        if held is not None:
            with contextlib.suppress(OSError):
                cast(socket.socket, held).shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Say NDEATH, as one who leaves on purpose must, and disconnect."""
        if self._connected:
            info = self._client.publish(self._topic.format("NDEATH"), death(self._now_us(), self.bd_seq))
            await asyncio.to_thread(info.wait_for_publish, _LEAVE_S)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _new_client(self, client_id: str) -> Client:
        # A clean session, as principles-persistence-clean-session-311 wants it.
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        client.reconnect_delay_set(min_delay=1, max_delay=2)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        # The loop may have ended while paho's thread was still at work; then nobody wants to know.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_socket_open(self, client: Client, _userdata: Any, _socket: Any) -> None:
        # Between the TCP connection and CONNECT: the only place where each CONNECT can get a Will of its own.
        self.bd_seq = self._numbers.next()
        client.will_set(self._topic.format("NDEATH"), death(self._now_us(), self.bd_seq), qos=1, retain=False)

    def _on_connect(self, client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None) -> None:
        if not reason.is_failure:
            # Before the birth, so that a command that follows it is not missed (tck-id-message-flow-edge-node-ncmd-subscribe).
            client.subscribe(self._topic.format("NCMD"), qos=1)
            if self._state_topic is not None:
                client.subscribe(self._state_topic, qos=1)
            self._tell(self._set, True, self._state_topic is None)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._tell(self._set, False, False)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        if message.topic == self._state_topic:
            self._tell(self._host_said, message.payload)
        elif asks_for_rebirth(bytes(message.payload)):
            self._tell(self._rebirth_wanted)

    def _set(self, connected: bool, is_up: bool) -> None:
        self._connected = connected
        if is_up and not self.is_up:
            self.is_up = True
            self._came()
        elif not is_up and self.is_up:
            self.is_up = False
            self._gone()

    def _rebirth_wanted(self) -> None:
        if self.is_up:
            self._rebirth()

    def _host_said(self, payload: bytes) -> None:
        """STATE of the primary host; an older word than the last one is not to be believed."""
        try:
            said = json.loads(payload)
            online, stamp = said["online"], int(said["timestamp"])
        except (ValueError, KeyError, TypeError):
            return
        if stamp < self._host_time:
            return
        self._host_time = stamp
        if online is True:
            self._set(self._connected, self._connected)
        elif self.is_up:
            # There is one server only: die here, and wait here for the host to come back, with a new CONNECT.
            self._set(self._connected, False)
            self._leaving = asyncio.create_task(self._again())

    async def _again(self) -> None:
        await self.close()
        # paho's client does not close all of its sockets when it is started twice.
        self._client = self._new_client(self._client_id)
        self.start()
