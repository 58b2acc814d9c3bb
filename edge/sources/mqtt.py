"""MQTT with JSON payloads: QoS 1, a session that the broker keeps, each message acknowledged when it is on disk.

Addresses are `<topic>#<JMESPath>`, `plant/{equipment}/state#spindle.load`. Where payloads are numbered, repetitions are dropped and every hole is
declared; where they are not, only a session that the broker has forgotten tells of a loss.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.gathering import Gathering
from edge.json_payload import PayloadBlock, PayloadReader
from edge.mqtt_client import Arrived, Connection
from edge.sequence import Sequences
from edge.source import Delivery, Loss, MappedSignal, Source, SourceContext
from workshop.errors import ConfigError, NotConnected, Rejected

__all__ = ["open_source"]


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "mqtt"`."""

    host: str
    payload: dict[str, PayloadBlock]
    """One block for each map."""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1883
    keepalive_s: Annotated[int, Meta(ge=1, le=3600)] = 5
    """A broker that is silent for one and a half times as long counts as gone."""
    buffer: Annotated[int, Meta(ge=20, le=1_000_000)] = 10_000
    """Messages that may wait for the disk before the broker has to keep them."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0


def open_source(settings: MqttSettings, context: SourceContext) -> Source:
    """The source of one MQTT broker.

    Raises:
        ConfigError: an address of another form, a map without a payload block, an expression that is not JMESPath.
    """
    return _MqttSource(settings, context)


class _MqttSource:
    def __init__(self, settings: MqttSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self._settings, self._context = settings, context
        self._readers: dict[str, PayloadReader] = {}
        self._owner: dict[str, str] = {}
        self._links: dict[str, tuple[str, str]] = {}
        fields: dict[str, list[tuple[MappedSignal, str]]] = {}
        for signal in context.signals:
            topic, path = _address(signal, context.where)
            if self._owner.setdefault(topic, signal.equipment) != signal.equipment:
                both = f"{self._owner[topic]} and {signal.equipment}"
                raise ConfigError(f"{context.where}: topic '{topic}' belongs to {both}; write {{equipment}} in it")
            fields.setdefault(topic, []).append((signal, path))
        for topic, members in fields.items():
            signal = members[0][0]
            block = settings.payload.get(signal.map)
            if block is None:
                known = ", ".join(sorted(settings.payload)) or "none"
                lacks = f"map '{signal.map}' has no [source.payload.{signal.map}] that says where its time stands"
                raise ConfigError(f"{context.where}: {lacks}; there are {known}")
            self._readers[topic] = PayloadReader(block, members, f"{context.where}: topic '{topic}'")
            if block.link is not None:
                self._links[block.link.replace("{equipment}", signal.equipment)] = (signal.equipment, block.online)
        keeps = context.directory is not None and context.durable
        self._sequences = Sequences(context.directory / f"{context.name}.sequences.json" if context.directory is not None and keeps else None)
        self._connection: Connection | None = None
        self._greeting: Gathering | None = None

    async def connect(self) -> None:
        """Connects, resumes the session, subscribes to data and link topics."""
        settings, context = self._settings, self._context
        client_id = f"chejian-{context.edge}-{context.name}" if context.durable else f"chejian-{context.edge}-{context.name}-check"
        connection = self._connection = Connection(
            settings.host, settings.port, client_id=client_id, durable=context.durable, keepalive_s=settings.keepalive_s, limit=settings.buffer,
            timeout_s=settings.timeout_s, clock=context.clock,
        )
        await connection.open([*self._readers, *self._links])
        self.problems = {
            signal: f"the broker refuses topic '{topic}'" for topic in connection.refused if topic in self._readers
            for signal in self._readers[topic].signals
        }
        self._greeting = Gathering()
        if not connection.is_resumed:
            # Numbered payloads prove by themselves whether anything is missing.
            forgotten = [signal for reader in self._readers.values() if not reader.is_numbered for signal in reader.signals]
            self._greeting.lose(Loss(tuple(forgotten), "the broker had forgotten the session"))
        with_link = {equipment for equipment, _ in self._links.values()}
        for equipment in self.equipment:
            if equipment not in with_link:
                self._greeting.link(equipment, True)

    async def read(self) -> list[Delivery]:
        """Everything that has arrived, as deliveries."""
        if self._connection is None:
            raise NotConnected(f"mqtt://{self._settings.host}:{self._settings.port}: not connected")
        if self._greeting is not None:
            gathering, self._greeting = self._greeting, None
            return gathering.deliveries(None)
        connection = self._connection
        messages = await connection.read()
        gathering = Gathering()
        for message in messages:
            self._take(message, gathering)
        marks = self._sequences.marks()

        def committed() -> None:
            self._sequences.save(marks)
            connection.acknowledge(messages)

        return gathering.deliveries(committed)

    async def close(self) -> None:
        """Disconnects; what is not acknowledged comes again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _take(self, message: Arrived, gathering: Gathering) -> None:
        if message.topic in self._links:
            equipment, online = self._links[message.topic]
            gathering.link(equipment, message.payload.strip() == online.encode())
            return
        reader = self._readers.get(message.topic)
        if reader is None:
            gathering.refuse(message.payload, f"topic '{message.topic[:200]}' is not mapped")
            return
        try:
            content = reader.parse(message.payload)
        except Rejected as error:
            # Not counted as received: the next number shows the hole. Without numbers it is lost here.
            gathering.refuse(message.payload, f"{message.topic}: {error}", () if reader.is_numbered else reader.signals)
            return
        if content.sequence is not None:
            step = self._sequences.take(message.topic, content.boot, content.sequence)
            if step.is_repeat:
                return
            if step.lost:
                # A first message that is not number 0 proves that there were others since the device started.
                has_missed = content.sequence > 0 and content.boot_us is not None and content.boot_us < content.source_time_us
                gathering.lose(Loss(reader.signals, step.lost, content.boot_us if has_missed else None))
        reader.gather(content, message.payload, message.received_us, gathering)


def _address(signal: MappedSignal, where: str) -> tuple[str, str]:
    topic, mark, path = signal.address.partition("#")
    if not topic or not mark or not path or "+" in topic:
        raise ConfigError(f"{where}: {signal.id}: address '{signal.address}': write plant/{{equipment}}/state#spindle.load, without wildcards")
    return topic, path
