"""The gateway as a Sparkplug B 3.0 edge node (chapters 5 and 6): machines are its devices; indicators and alarms are metrics of the node.

Births and data are QoS 0, as Sparkplug wants them, which no broker acknowledges. After the values of a round the node therefore subscribes to its own
commands anew: the broker's answer to that has come after everything before it on the same connection, and counts as the acknowledgement.
"""

import contextlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.alert_channels import Alert
from gateway.north_link import Told, is_heard, open_client
from gateway.north_settings import NorthSettings
from gateway.sparkplug.devices import Device, device_of
from gateway.sparkplug.metrics import BD_SEQ, BOOLEAN, DOUBLE, INT64, REBIRTH, STRING, Metric, asks_for_rebirth, birth, data, device_death, node_death
from gateway.sparkplug.numbers import BdSeq
from workshop.reading import Quality
from workshop.register import Workshop
from workshop.window import SECOND_US, Window
from workshop.wire import LatestReading

REBIRTH_US = SECOND_US
"""At least so long between two births that commands ask for: a host that asks without end must not fill the line."""
IN_FLIGHT = 20
"""Rounds without an answer beyond which nothing more is sent."""
KEEPALIVE_S = 30
_LEAVE_S = 2.0
_ALARM = (("kind", STRING), ("about", STRING), ("text", STRING), ("over", BOOLEAN), ("count", INT64))

log = structlog.get_logger()


class _Result(msgspec.Struct):
    value: str | None
    coverage: str


class SparkplugPlatform:
    """An edge node at a broker. Everything but `_on_…` runs in the thread of the rounds."""

    def __init__(self, settings: NorthSettings, register: Workshop, origin: str, folder: Path, told: Told) -> None:
        self._settings, self._told = settings, told
        group = settings.group or register.id
        self._topic = f"spBv1.0/{group}/{{}}/{settings.node}"
        self._state_topic = f"spBv1.0/STATE/{settings.primary_host}" if settings.primary_host else None
        self._numbers = BdSeq(folder / "northbound.bdseq")
        names = [(f"indicators/{name}{part}", DOUBLE) for name in settings.indicators for part in ("", "/coverage")]
        names += [(f"alarms/{name}", datatype) for name, datatype in _ALARM]
        self._node = {name: Metric(name, alias, datatype) for alias, (name, datatype) in enumerate(names, 1)}
        self._node["origin"] = Metric("origin", None, STRING, origin, quality=Quality.GOOD)
        self._devices: dict[str, Device] = {}
        alias = len(names) + 1
        for item in register.equipment:
            self._devices[item.id] = device_of(item, alias, settings.gap_us)
            alias += len(item.signals)
        self._lock = threading.Lock()
        # Under the lock: a message must never go out on another connection than the one whose births define it.
        self._up, self._birth_due, self._leave = False, True, False
        self._waiting: dict[int, set[str]] = {}
        self._host_ms, self._host_online = -1, self._state_topic is None
        self._seq, self._born_us = 0, 0
        self._client_id = f"chejian-{group}-{settings.node}"
        self._client = self._new_client()

    @property
    def connected(self) -> bool:
        """Whether something can be sent now, or the node has to leave because its host did."""
        return self._leave or (self._up and self._host_online and len(self._waiting) <= IN_FLIGHT)

    def start(self) -> None:
        """Begins to connect; a platform that is away is tried again and again."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def send_latest(self, machines: Mapping[str, Sequence[LatestReading]]) -> bool:
        """Births where they are due, data of what has changed, deaths of machines that are no longer heard."""
        if self._leave:
            self._wait_for_host()
        now_us = self._told.clock()
        changed = {name: self._devices[name].take(readings) for name, readings in machines.items() if name in self._devices}
        heard = {name for name, readings in machines.items() if is_heard(readings)}
        with self._lock:
            if not self._up or not self._host_online:
                return False
            if self._birth_due and now_us - self._born_us >= REBIRTH_US:
                self._bear(now_us)
            elif self._birth_due:
                # Data stop until the births have been sent, which the next round does.
                return False
            else:
                for name, device in self._devices.items():
                    self._update(name, device, changed.get(name, []), now_us)
            number = self._client.subscribe(self._topic.format("NCMD"), 1)[1]
            confirmed = {name for name in heard if name in self._devices and self._devices[name].born}
            if number is not None and confirmed:
                self._waiting[number] = confirmed
            return True

    def send_alarm(self, alarm: Alert) -> None:
        """The five metrics of an alarm, as data of the node."""
        values = {"kind": alarm.kind, "about": alarm.about, "text": alarm.text, "over": alarm.over, "count": alarm.count}
        self._send_node({f"alarms/{name}": value for name, value in values.items()}, alarm.time_us)

    def send_indicator(self, name: str, window: Window, result: bytes) -> None:
        """Value and coverage, with the window's end as their time."""
        found = msgspec.json.decode(result, type=_Result)
        value = float(found.value) if found.value is not None else None
        self._send_node({f"indicators/{name}": value, f"indicators/{name}/coverage": float(found.coverage)}, window.end_us)

    def close(self) -> None:
        """Says NDEATH, as one who leaves on purpose must, and disconnects."""
        if self._up:
            info = self._client.publish(self._topic.format("NDEATH"), node_death(self._told.clock(), self._numbers.value))
            with contextlib.suppress(RuntimeError, ValueError):  # lost at this moment: then the broker publishes the Will
                info.wait_for_publish(_LEAVE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _wait_for_host(self) -> None:
        """There is one server only: die here, and wait here for the host to come back, with a new CONNECT."""
        self.close()
        with self._lock:
            self._up, self._leave = False, False
        # paho's client does not close all of its sockets when it is started twice.
        self._client = self._new_client()
        self.start()

    def _bear(self, now_us: int) -> None:
        """NBIRTH and the DBIRTHs of all machines that live, with nothing in between."""
        self._seq, self._birth_due, self._born_us = -1, False, now_us
        own = [
            Metric(BD_SEQ, None, INT64, self._numbers.value, quality=Quality.GOOD),
            Metric(REBIRTH, None, BOOLEAN, False, quality=Quality.GOOD),
        ]
        self._publish("NBIRTH", birth(now_us, self._next(), [*own, *self._node.values()]))
        for name, device in self._devices.items():
            device.born = device.lives(now_us)
            if device.born:
                self._publish("DBIRTH", birth(now_us, self._next(), device.metrics.values()), name)

    def _update(self, name: str, device: Device, changed: Iterable[Metric], now_us: int) -> None:
        lives = device.lives(now_us)
        if lives and not device.born:
            self._publish("DBIRTH", birth(now_us, self._next(), device.metrics.values()), name)
        elif lives and changed:
            self._publish("DDATA", data(now_us, self._next(), changed), name)
        elif device.born and not lives:
            self._publish("DDEATH", device_death(now_us, self._next()), name)
        device.born = lives

    def _send_node(self, values: Mapping[str, Any], time_us: int) -> None:
        for name, value in values.items():
            metric = self._node[name]
            metric.value, metric.time_us = value, time_us
            metric.quality = Quality.BAD if value is None else Quality.GOOD
        with self._lock:
            # Otherwise the next birth tells it.
            if self._up and self._host_online and not self._birth_due:
                self._publish("NDATA", data(self._told.clock(), self._next(), [self._node[name] for name in values]))

    def _publish(self, kind: str, payload: bytes, device: str | None = None) -> None:
        topic = self._topic.format(kind)
        self._client.publish(topic if device is None else f"{topic}/{device}", payload)

    def _next(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    def _new_client(self) -> mqtt.Client:
        client = open_client(self._settings, self._client_id)
        client.on_socket_open, client.on_connect, client.on_disconnect = self._on_socket_open, self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        return client

    def _on_socket_open(self, client: mqtt.Client, _: Any, socket: Any) -> None:
        # Between the TCP connection and CONNECT: the only place where each can get a Will of its own.
        number = self._numbers.next()
        client.will_set(self._topic.format("NDEATH"), node_death(self._told.clock(), number), qos=1, retain=False)

    def _on_connect(self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        place = f"{self._settings.host}:{self._settings.port}"
        if reason.is_failure:
            log.warning("platform refuses", place=place, reason=str(reason))
            return
        log.info("platform connected", place=place, form="sparkplug")
        client.subscribe(self._topic.format("NCMD"), qos=1)
        if self._state_topic is not None:
            client.subscribe(self._state_topic, qos=1)
        with self._lock:
            self._waiting.clear()
            self._host_online = self._state_topic is None
            # A new connection is not held up by the time of the births before it.
            self._up, self._birth_due, self._born_us = True, True, 0
        self._told.wake()

    def _on_disconnect(self, client: mqtt.Client, _: Any, flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if self._up:
            log.warning("platform lost", place=f"{self._settings.host}:{self._settings.port}", reason=str(reason))
        with self._lock:
            self._up = False

    def _on_subscribe(self, client: mqtt.Client, _: Any, number: int, reasons: list[ReasonCode], properties: Properties | None) -> None:
        with self._lock:
            confirmed = self._waiting.pop(number, set())
        for equipment in confirmed:
            self._told.acknowledged(equipment)

    def _on_message(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic == self._state_topic:
            self._host_said(bytes(message.payload))
        elif asks_for_rebirth(bytes(message.payload)):
            self._birth_due = True
            self._told.wake()

    def _host_said(self, payload: bytes) -> None:
        """STATE of the primary host; an older word than the last one is not to be believed."""
        try:
            said = json.loads(payload)
            online, stamp_ms = said["online"], int(said["timestamp"])
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return
        if stamp_ms < self._host_ms or not isinstance(online, bool):
            return
        self._host_ms = stamp_ms
        with self._lock:
            self._leave = self._up and self._host_online and not online
            self._birth_due |= online and not self._host_online
            self._host_online = online
        self._told.wake()
