"""The uplink as JSON, QoS 1: what counts as connected is what the platform's broker has acknowledged."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.alert_channels import Alert
from gateway.north_link import Told, is_heard, open_client
from gateway.north_settings import NorthSettings
from workshop.window import Window
from workshop.wire import LatestReading

IN_FLIGHT = 1000
"""Messages without an acknowledgement beyond which a round is left out."""

log = structlog.get_logger()


class _Value(msgspec.Struct):
    value: Any
    source_time_us: int
    quality: int


class _Latest(msgspec.Struct):
    v: int
    time_us: int
    equipment: str
    values: dict[str, _Value]


class _State(msgspec.Struct):
    v: int
    online: bool
    origin: str


class JsonPlatform:
    """A broker that gets JSON; paho's thread talks."""

    def __init__(self, settings: NorthSettings, workshop: str, origin: str, told: Told) -> None:
        self._settings, self._origin, self._told = settings, origin, told
        self._top = f"{settings.topic}/{workshop}"
        self._waiting: OrderedDict[int, str] = OrderedDict()
        """Message number → equipment, until the broker has acknowledged."""
        self._lock = threading.Lock()
        self._is_up = False
        self._client = client = open_client(settings, f"chejian-{origin.rpartition('/')[2]}"[:64])
        client.will_set(f"{self._top}/state", self._state(online=False), 1, retain=True)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish

    @property
    def connected(self) -> bool:
        """Whether something can be sent now."""
        return self._is_up and len(self._waiting) <= IN_FLIGHT

    def start(self) -> None:
        """Begins to connect; a platform that is away is tried again and again."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()

    def send_latest(self, machines: Mapping[str, Sequence[LatestReading]]) -> bool:
        """A message for each machine of which something has changed."""
        for equipment, readings in machines.items():
            values = {one.signal.partition("/")[2]: _Value(one.value, one.source_time_us, one.quality) for one in readings}
            body = msgspec.json.encode(_Latest(1, self._told.clock(), equipment, values))
            with self._lock:
                number = self._client.publish(f"{self._top}/{equipment}/latest", body, 1).mid
                if is_heard(readings):
                    self._waiting[number] = equipment
        return True

    def send_alarm(self, alarm: Alert) -> None:
        """The alert as it stands."""
        self._client.publish(f"{self._top}/alarms", msgspec.json.encode(alarm), 1)

    def send_indicator(self, name: str, window: Window, result: bytes) -> None:
        """The result as it stands, retained."""
        head = b'{"v":1,"from_us":%d,"to_us":%d,"result":' % (window.start_us, window.end_us)
        self._client.publish(f"{self._top}/indicators/{name}", head + result + b"}", 1, retain=True)

    def close(self) -> None:
        """Says that we go, and ends paho's thread."""
        if self._is_up:
            with contextlib.suppress(RuntimeError, ValueError):  # lost at this moment: then the broker says so for us
                self._client.publish(f"{self._top}/state", self._state(online=False), 1, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _state(self, *, online: bool) -> bytes:
        return msgspec.json.encode(_State(1, online, self._origin))

    def _on_connect(self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            log.warning("platform refuses", place=f"{self._settings.host}:{self._settings.port}", reason=str(reason))
            return
        log.info("platform connected", place=f"{self._settings.host}:{self._settings.port}")
        client.publish(f"{self._top}/state", self._state(online=True), 1, retain=True)
        with self._lock:
            self._waiting.clear()
        self._is_up = True
        self._told.came()

    def _on_disconnect(self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if self._is_up:
            log.warning("platform lost", place=f"{self._settings.host}:{self._settings.port}", reason=str(reason))
        self._is_up = False

    def _on_publish(self, client: mqtt.Client, _: Any, number: int, reason: ReasonCode, properties: Properties | None) -> None:
        with self._lock:
            equipment = self._waiting.pop(number, None)
        if equipment is not None:
            self._told.acknowledged(equipment)
