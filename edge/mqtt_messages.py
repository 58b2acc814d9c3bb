"""Messages of an MQTT broker as deliveries: which topic means what, what is repeated, retained, too large or lost."""

from collections.abc import Callable, Sequence

import msgspec

from edge.gathering import Gathering
from edge.json_columns import Good, Shape
from edge.json_payload import PayloadBlock, PayloadReader
from edge.mqtt_arrived import Arrived
from edge.sequence import Sequences
from edge.source import Loss, MappedSignal, SourceContext
from workshop.errors import ConfigError, Rejected

_decode = msgspec.json.Decoder().decode
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError)


class _Topic(msgspec.Struct):
    reader: PayloadReader
    shape: Shape
    last: int = 0
    """Digest of the last message, to know the copy of it that the broker keeps."""


class Inbox:
    """Takes messages of the topics of one source."""

    def __init__(self, context: SourceContext, blocks: dict[str, PayloadBlock], sequences: Sequences) -> None:
        """For the signals of this source and the payload blocks of its maps.

        Raises:
            ConfigError: an address of another form, a map without a payload block, a topic of two machines.
        """
        self._sequences = sequences
        self._topics: dict[str, _Topic] = {}
        self._links: dict[str, tuple[str, str]] = {}
        self._seen: dict[int, int] = {}
        fields: dict[str, list[tuple[MappedSignal, str]]] = {}
        for signal in context.signals:
            topic, path = _address(signal, context.where)
            members = fields.setdefault(topic, [])
            if members and members[0][0].equipment != signal.equipment:
                both = f"{members[0][0].equipment} and {signal.equipment}"
                raise ConfigError(f"{context.where}: topic '{topic}' belongs to {both}; write {{equipment}} in it")
            members.append((signal, path))
        shapes: dict[object, Shape] = {}
        for topic, members in fields.items():
            signal = members[0][0]
            block = blocks.get(signal.map)
            if block is None:
                known = ", ".join(sorted(blocks)) or "none"
                lacks = f"map '{signal.map}' has no [source.payload.{signal.map}] that says where its time stands"
                raise ConfigError(f"{context.where}: {lacks}; there are {known}")
            reader = PayloadReader(block, members, f"{context.where}: topic '{topic}'")
            alike = (signal.map, tuple((path, member.kind) for member, path in members))
            shape = shapes.setdefault(alike, Shape(reader))
            self._topics[topic] = _Topic(reader, shape)
            if block.link is not None:
                self._links[_filled(block.link, signal)] = (signal.equipment, block.online)
        self._shapes = list(shapes.values())
        self.topics = [*self._topics, *self._links]
        """Everything to subscribe to."""
        self.unnumbered = tuple(signal for entry in self._topics.values() if not entry.reader.is_numbered for signal in entry.reader.signals)
        """Signals of payloads that do not prove by themselves whether any is missing."""
        self.with_link = {equipment for equipment, _ in self._links.values()}

    def signals(self, topic: str) -> tuple[str, ...]:
        """Signals whose values stand in messages of this topic."""
        entry = self._topics.get(topic)
        return entry.reader.signals if entry is not None else ()

    def begin(self, is_resumed: bool) -> None:
        """A new connection: packet identifiers mean what they meant before only if the broker has kept the session."""
        if not is_resumed:
            self._seen.clear()

    def take(self, messages: Sequence[Arrived], gathering: Gathering) -> Callable[[], None]:
        """Adds what these messages say; returns what is to be called when it is on disk."""
        seen, topics = self._seen, self._topics
        for message in messages:
            digest = hash((message.topic, message.payload))
            if message.qos:
                if message.repeated and seen.get(message.mid) == digest:
                    continue  # handed over before, and its acknowledgement did not reach the broker
                seen[message.mid] = digest
            entry = topics.get(message.topic)
            if entry is not None:
                if message.retained and entry.last == digest:
                    continue  # the broker's copy of what came before
                entry.last = digest
            if entry is None or not entry.shape.is_plain or message.retained or message.size >= 0 or not self._good(entry, message, gathering):
                self._flush(gathering)
                self._take(message, entry, gathering)
        self._flush(gathering)
        marks = self._sequences.marks()
        return lambda: self._sequences.save(marks)

    def _good(self, entry: _Topic, message: Arrived, gathering: Gathering) -> bool:
        """Takes a message whose payload can be a column; False if it cannot, and then nothing has happened."""
        shape = entry.shape
        try:
            content = _decode(message.payload)
            if shape.sequence is not None:
                sequence = shape.sequence(content)
                boot = shape.boot(content) if shape.boot is not None else None
                if type(sequence) is not int or sequence < 0 or (shape.boot is not None and type(boot) not in (int, str)):
                    return False
                if not self._sequences.follows(message.topic, boot, sequence):
                    return False
        except _BROKEN:
            return False
        shape.waiting.append(Good(entry.reader, content, message.payload, message.received_us))
        return True

    def _flush(self, gathering: Gathering) -> None:
        for shape in self._shapes:
            if not shape.waiting:
                continue
            block = shape.block()
            if block is not None:
                gathering.extend(block)
            else:
                for row in shape.waiting:
                    self._alone(row, gathering)
            shape.waiting.clear()

    @staticmethod
    def _alone(row: Good, gathering: Gathering) -> None:
        """A message that has been taken, its number too, and was no good for a column."""
        try:
            content = row.reader.parse(row.payload, row.received_us)
        except Rejected as error:
            gathering.refuse(row.payload, f"{row.reader.signals[0]}: {error}", row.reader.signals)
            return
        row.reader.gather(content, row.payload, row.received_us, gathering)

    def _take(self, message: Arrived, entry: _Topic | None, gathering: Gathering) -> None:
        if message.topic in self._links:
            equipment, online = self._links[message.topic]
            gathering.link(equipment, message.payload.strip() == online.encode())
            return
        if entry is None:
            gathering.refuse(message.payload, f"topic '{message.topic[:200]}' is not mapped")
            return
        reader = entry.reader
        if message.retained and reader.block.time is None:
            return  # kept by the broker since nobody knows when: not a reading (docs/how-to/connect-an-mqtt-machine.md)
        try:
            if message.size >= 0:
                raise Rejected(f"payload of {message.size} bytes; max_payload_bytes allows fewer")
            content = reader.parse(message.payload, message.received_us)
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


def _filled(topic: str, signal: MappedSignal) -> str:
    for name, value in {**signal.parts, "equipment": signal.equipment}.items():
        topic = topic.replace(f"{{{name}}}", value)
    return topic


def _address(signal: MappedSignal, where: str) -> tuple[str, str]:
    topic, mark, path = signal.address.partition("#")
    if not topic or not mark or not path or "+" in topic:
        raise ConfigError(f"{where}: {signal.id}: address '{signal.address}': write plant/{{equipment}}/state#spindle.load, without wildcards")
    return topic, path
