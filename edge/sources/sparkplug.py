"""Sparkplug B 3.0 as a host application: births define the signals, deaths end them, every message has its number.

Addresses are `<group>/<edge node>[/<device>]#<metric>`, `plant/cell-2/{equipment}#{signal}`. Datasets, templates, arrays and files are refused. The
only command that is ever sent is the request for a rebirth.
"""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.gathering import Gathering
from edge.mqtt_access import BrokerOptions, access_of, warnings_of
from edge.mqtt_arrived import Arrived, Will
from edge.mqtt_client import Connection
from edge.mqtt_topics import Unmatched
from edge.source import Delivery, Loss, MappedSignal, Source, SourceContext
from edge.sparkplug.node import EdgeNode, Timing
from edge.sparkplug.payload import rebirth_request
from workshop.errors import ConfigError, NotConnected

__all__ = ["open_source"]

_KINDS = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA")
_Seconds = Annotated[float, Meta(gt=0, le=3600)]


class SparkplugSettings(BrokerOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of `protocol = "sparkplug"`."""

    host_id: str | None = None
    """Name of this host application, for its STATE; None for the edge's. Edge nodes that keep data for their primary host must name it."""
    reorder_s: _Seconds = 2.0
    """How long a missing message is waited for before a rebirth is requested."""
    rebirth_s: _Seconds = 10.0
    """At least this long between two requests to one edge node."""
    buffer: Annotated[int, Meta(ge=20, le=1_000_000)] = 10_000
    """Messages that may wait for the disk."""


def open_source(settings: SparkplugSettings, context: SourceContext) -> Source:
    """The source of one Sparkplug broker.

    Raises:
        ConfigError: an address of another form, a host id that no topic can hold, secrets that cannot be read.
    """
    return _SparkplugSource(settings, context)


class _SparkplugSource:
    def __init__(self, settings: SparkplugSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self.warnings = warnings_of(settings)
        self._settings, self._context = settings, context
        self._host = settings.host_id or context.edge
        if not _is_id(self._host):
            raise ConfigError(f"{context.where}: host_id '{self._host}': without / + #")
        access_of(settings, context.folder, context.where)
        mapped: dict[tuple[str, str], dict[tuple[str, str], MappedSignal]] = {}
        for signal in context.signals:
            group, node, device, metric = _address(signal, context.where)
            signals = mapped.setdefault((group, node), {})
            if (other := signals.setdefault((device, metric), signal)) is not signal:
                raise ConfigError(f"{context.where}: {signal.id} and {other.id} have the same address '{signal.address}'")
        timing = Timing(settings.reorder_s, settings.rebirth_s)
        self._nodes = {key: EdgeNode("/".join(key), signals, timing) for key, signals in mapped.items()}
        self.unmatched = Unmatched()
        self._connection: Connection | None = None
        self._state = b""
        self._greeting: Gathering | None = None

    async def connect(self) -> None:
        """Connects with the Will of a host, subscribes, says that the host is online (checklist 26 to 28)."""
        settings, context = self._settings, self._context
        topic, stamp = f"spBv1.0/STATE/{self._host}", context.clock() // 1000
        will = Will(topic, _state(False, stamp), 1, True) if context.durable else None
        client_id = settings.client_id or f"chejian-{context.edge}-{context.name}"
        connection = self._connection = Connection(
            access_of(settings, context.folder, context.where), client_id=client_id if context.durable else f"{client_id}-check", durable=False,
            limit=settings.buffer, clock=context.clock, will=will,
        )
        await connection.open(["spBv1.0/#", topic])
        if connection.refused:
            raise NotConnected(f"{connection.name}: the broker refuses {', '.join(connection.refused)}; ask for the right to read spBv1.0/#")
        self._state = _state(True, stamp)
        if context.durable:
            connection.publish(topic, self._state, qos=1, retain=True)
        self._greeting = Gathering()
        now = asyncio.get_running_loop().time()
        for node in self._nodes.values():
            node.begin(now)
            self._greeting.lose(Loss(node.signals, "connection lost"))
        self._look()

    async def read(self) -> list[Delivery]:
        """Everything that has arrived, or what became due, as deliveries."""
        if self._connection is None:
            raise NotConnected(f"mqtt://{self._settings.host}:{self._settings.port}: not connected")
        if self._greeting is not None:
            gathering, self._greeting = self._greeting, None
            return gathering.deliveries(None)
        connection, loop = self._connection, asyncio.get_running_loop()
        due_at = min(node.next_at() for node in self._nodes.values())
        messages: list[Arrived] = []
        try:
            async with asyncio.timeout_at(due_at if due_at != float("inf") else None):
                messages = await connection.read()
        except TimeoutError:
            pass
        gathering, now = Gathering(), loop.time()
        for message in messages:
            self._take(message, now, gathering)
        for (group, name), node in self._nodes.items():
            if node.tick(now, gathering):
                connection.publish(f"spBv1.0/{group}/NCMD/{name}", rebirth_request(self._context.clock()))
        self._look()
        return gathering.deliveries(lambda: connection.acknowledge(messages)) if messages else gathering.deliveries(None)

    async def close(self) -> None:
        """Says that the host is offline and disconnects."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._context.durable and self._state:
            connection.publish(f"spBv1.0/STATE/{self._host}", _state(False, self._context.clock() // 1000), qos=1, retain=True)
        await connection.close()

    def _look(self) -> None:
        self.problems = {signal: why for node in self._nodes.values() for signal, why in {**node.stale, **node.births.problems}.items()}

    def _take(self, message: Arrived, now: float, gathering: Gathering) -> None:
        levels = message.topic.split("/")
        if levels[1:2] == ["STATE"]:
            if levels[2:] == [self._host] and self._context.durable and self._connection is not None and _is_offline(message.payload):
                # 28: somebody said that we are gone, the Will of a connection before this one perhaps.
                self._connection.publish(message.topic, self._state, qos=1, retain=True)
            return
        # 14: births and data are never retained; what is says nothing about now. 36: commands are not for us.
        if message.retained or levels[2:3] in (["NCMD"], ["DCMD"]):
            return
        is_one = len(levels) in (4, 5) and levels[0] == "spBv1.0" and levels[2] in _KINDS and (len(levels) == 5) == levels[2].startswith("D")
        node = self._nodes.get((levels[1], levels[3])) if is_one else None
        if node is None:
            self.unmatched.note(message.topic)
            return
        if message.size >= 0:
            gathering.refuse(message.payload, f"{message.topic[:200]}: payload of {message.size} bytes; max_payload_bytes allows fewer", node.signals)
            return
        device = levels[4] if len(levels) == 5 else ""
        if device and device not in node.devices:
            # It is followed all the same: the numbers of a node go over all its devices.
            self.unmatched.note(message.topic)
        node.take(levels[2], device, message.payload, message.received_us, now, gathering)


def _state(online: bool, stamp_ms: int) -> bytes:
    return msgspec.json.encode({"online": online, "timestamp": stamp_ms})


def _is_offline(payload: bytes) -> bool:
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("online") is False


def _is_id(text: str) -> bool:
    return bool(text) and not set(text) & set("/+#")


def _address(signal: MappedSignal, where: str) -> tuple[str, str, str, str]:
    topic, _, metric = signal.address.partition("#")
    levels = topic.split("/")
    if len(levels) not in (2, 3) or not all(map(_is_id, levels)) or not metric:
        raise ConfigError(f"{where}: {signal.id}: address '{signal.address}': write group/edge-node/{{equipment}}#metric")
    return levels[0], levels[1], levels[2] if len(levels) == 3 else "", metric
