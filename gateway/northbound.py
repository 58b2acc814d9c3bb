"""The uplink to a platform by MQTT: each machine's changed values, indicators and alarms as JSON, QoS 1. What counts as connected is what the
platform's broker has acknowledged. Values are only ever the latest: nothing queues up while the platform is away."""

import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.alert_channels import Alert
from gateway.live import LiveHub
from gateway.north_log import ConnectedTimes
from gateway.north_settings import ROLE, NorthSettings
from workshop.block import Block, block_of
from workshop.errors import ChejianError, ConfigError
from workshop.reading import Quality, Reading
from workshop.register import Workshop
from workshop.window import HOUR_US, Clock, Window
from workshop.wire import LatestReading

KEPT_ALARMS = 500
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


class Northbound:
    """One thread that looks every few seconds, and paho's thread that talks.

    Args:
        measure: an indicator's result as JSON.
        sealed: stores what was measured here as readings of the gateway's own edge.
    """

    def __init__(
        self, settings: NorthSettings, register: Workshop, origin: str, hub: LiveHub, times: ConnectedTimes, clock: Clock,
        measure: Callable[[str, Window], bytes], alarms: Callable[[], list[Alert]], sealed: Callable[[Block], object],
    ) -> None:
        self._settings, self._origin, self._hub, self._times, self._clock = settings, origin, hub, times, clock
        self._measure, self._alarms, self._sealed = measure, alarms, sealed
        self._equipment = [item.id for item in register.equipment]
        self._links = {item.id: name for name, item, signal in register.signals() if signal.role == ROLE}
        self._top = f"{settings.topic}/{register.id}"
        self._version, self._said = 0, 0
        self._waiting: OrderedDict[int, str] = OrderedDict()
        """Message number → equipment, until the broker has acknowledged."""
        self._lock, self._ended = threading.Lock(), threading.Event()
        self.connected = False
        self._client = self._open()
        self._thread = threading.Thread(target=self._run, name="northbound", daemon=True)

    def start(self) -> None:
        """Begins to connect; a platform that is away is tried again and again."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()
        self._thread.start()

    def close(self) -> None:
        """Says that we go, and ends both threads."""
        self._ended.set()
        self._thread.join()
        if self.connected:
            self._client.publish(f"{self._top}/state", msgspec.json.encode(_State(1, False, self._origin)), 1, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _open(self) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"chejian-{self._origin.rpartition('/')[2]}"[:64])
        client.will_set(f"{self._top}/state", msgspec.json.encode(_State(1, False, self._origin)), 1, retain=True)
        client.reconnect_delay_set(1, 60)
        if settings.tls:
            try:
                client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file or None))
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"{settings.ca_file}: no certificates there ({error}); it is ca_file of [northbound]") from error
        if settings.user:
            client.username_pw_set(settings.user, _password(settings.password_file))
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        return client

    def _on_connect(self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            log.warning("platform refuses", place=f"{self._settings.host}:{self._settings.port}", reason=str(reason))
            return
        log.info("platform connected", place=f"{self._settings.host}:{self._settings.port}")
        client.publish(f"{self._top}/state", msgspec.json.encode(_State(1, True, self._origin)), 1, retain=True)
        with self._lock:
            # After a silence everything is news to the platform.
            self._version, self.connected = 0, True
            self._waiting.clear()

    def _on_disconnect(self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if self.connected:
            log.warning("platform lost", place=f"{self._settings.host}:{self._settings.port}", reason=str(reason))
        self.connected = False

    def _on_publish(self, client: mqtt.Client, _: Any, number: int, reason: ReasonCode, properties: Properties | None) -> None:
        with self._lock:
            equipment = self._waiting.pop(number, None)
        if equipment is not None and self._times.acknowledged(equipment, self._clock()):
            self._note(equipment, 1)

    def _run(self) -> None:
        measured_us = 0
        while not self._ended.wait(self._settings.every_s):
            try:
                for equipment in self._times.lapsed(self._clock()):
                    self._note(equipment, 0)
                if not self.connected or len(self._waiting) > IN_FLIGHT:
                    continue
                self._send_latest()
                self._send_alarms()
                if self._settings.indicators and self._clock() - measured_us >= self._settings.indicators_every_s * 1e6:
                    measured_us = self._clock()
                    self._send_indicators(measured_us)
            except ChejianError as error:
                log.warning("northbound round failed", reason=str(error))

    def _send_latest(self) -> None:
        self._version, changed = self._hub.since(self._version)
        machines: dict[str, list[LatestReading]] = {}
        for reading in changed:
            machines.setdefault(reading.signal.partition("/")[0], []).append(reading)
        for equipment, readings in machines.items():
            values = {one.signal.partition("/")[2]: _Value(one.value, one.source_time_us, one.quality) for one in readings}
            body = msgspec.json.encode(_Latest(1, self._clock(), equipment, values))
            # Bad readings alone (the link to the machine is down) tell the platform so, but do not count as connected.
            counted = equipment if any(one.quality != Quality.BAD for one in readings if not one.signal.endswith("/link_state")) else None
            with self._lock:
                number = self._client.publish(f"{self._top}/{equipment}/latest", body, 1).mid
                if counted is not None:
                    self._waiting[number] = counted

    def _send_alarms(self) -> None:
        alarms = self._alarms()
        for alarm in alarms[max(0, len(alarms) - KEPT_ALARMS):]:
            if alarm.time_us > self._said:
                self._client.publish(f"{self._top}/alarms", msgspec.json.encode(alarm), 1)
        self._said = max([self._said, *(alarm.time_us for alarm in alarms)])

    def _send_indicators(self, now_us: int) -> None:
        window = Window(now_us - round(self._settings.indicators_hours * HOUR_US), now_us)
        for name in self._settings.indicators:
            head = b'{"v":1,"from_us":%d,"to_us":%d,"result":' % (window.start_us, window.end_us)
            self._client.publish(f"{self._top}/indicators/{name}", head + self._measure(name, window) + b"}", 1, retain=True)

    def _note(self, equipment: str, state: int) -> None:
        name = self._links.get(equipment)
        if name is not None:
            now_us = self._clock()
            self._sealed(block_of([Reading(name, now_us, now_us, state, Quality.GOOD)]))


def _password(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}); it is password_file of [northbound]") from error
