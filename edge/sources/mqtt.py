"""MQTT with JSON payloads: QoS 1, a session that the broker keeps, each message acknowledged when it is on disk.

Addresses are `<topic>#<JMESPath>`, `plant/{area}/{equipment}/state#spindle.load`; a part that nothing fills is any one level. Where payloads are
numbered, repetitions are dropped and every hole is declared; where they are not, only a session that the broker has forgotten tells of a loss.
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from edge.gathering import Gathering
from edge.json_payload import PayloadBlock
from edge.mqtt_access import BrokerOptions, access_of, warnings_of
from edge.mqtt_client import Connection
from edge.mqtt_messages import Inbox
from edge.sequence import Sequences
from edge.source import Delivery, Loss, Source, SourceContext
from workshop.errors import NotConnected

__all__ = ["open_source"]


class MqttSettings(BrokerOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of `protocol = "mqtt"`."""

    OPEN_PARTS: ClassVar[bool] = True
    """A part of a topic that nothing fills stands for any one level."""
    payload: dict[str, PayloadBlock]
    """One block for each map."""
    qos: Literal[0, 1] = 1
    """0 only where the broker allows no other: what comes while the edge is away is lost then, and nobody can say so."""
    session_expiry_s: Annotated[int, Meta(ge=60, le=0xFFFF_FFFF)] = 7 * 86_400
    """How long the broker should keep our session and its messages while we are away (MQTT 5; otherwise the broker decides)."""
    buffer: Annotated[int, Meta(ge=20, le=1_000_000)] = 10_000
    """Messages that may wait for the disk before the broker has to keep them."""


def open_source(settings: MqttSettings, context: SourceContext) -> Source:
    """The source of one MQTT broker.

    Raises:
        ConfigError: an address of another form, a map without a payload block, an expression that is not JMESPath, secrets that cannot be read.
    """
    return _MqttSource(settings, context)


class _MqttSource:
    def __init__(self, settings: MqttSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self.warnings = warnings_of(settings)
        self._settings, self._context = settings, context
        access_of(settings, context.folder, context.where)
        keeps = context.directory is not None and context.durable
        path = context.directory / f"{context.name}.sequences.json" if context.directory is not None and keeps else None
        self._inbox = Inbox(context, settings.payload, Sequences(path))
        self.unmatched = self._inbox.unmatched
        self._connection: Connection | None = None
        self._greeting: Gathering | None = None

    async def connect(self) -> None:
        """Connects, resumes the session, subscribes to data and link topics."""
        settings, context, inbox = self._settings, self._context, self._inbox
        client_id = settings.client_id or f"chejian-{context.edge}-{context.name}"
        connection = self._connection = Connection(
            access_of(settings, context.folder, context.where), client_id=client_id if context.durable else f"{client_id}-check",
            durable=context.durable, limit=settings.buffer, clock=context.clock, session_expiry_s=settings.session_expiry_s,
        )
        await connection.open(inbox.topics, qos=settings.qos)
        self.problems = {signal: f"the broker refuses topic '{topic}'" for topic in connection.refused for signal in inbox.signals(topic)}
        self.warnings = warnings_of(settings) + connection.remarks
        self._greeting = Gathering()
        inbox.begin(connection.is_resumed)
        if not connection.is_resumed or settings.qos == 0:
            why = "the broker had forgotten the session" if settings.qos else "connection lost, and QoS 0 keeps nothing"
            self._greeting.lose(Loss(inbox.unnumbered, why))
        for equipment in self.equipment:
            if equipment not in inbox.with_link:
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
        save = self._inbox.take(messages, gathering)

        def committed() -> None:
            save()
            connection.acknowledge(messages)

        return gathering.deliveries(committed)

    async def close(self) -> None:
        """Disconnects; what is not acknowledged comes again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
