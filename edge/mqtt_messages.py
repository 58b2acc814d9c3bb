"""Messages of an MQTT broker as deliveries: which topic means what, what is repeated, retained, too large or lost."""

from collections.abc import Callable, Sequence

import msgspec

from edge.gathering import Gathering
from edge.json_columns import Good, Shape
from edge.json_payload import PayloadBlock, PayloadReader
from edge.mqtt_arrived import Arrived
from edge.mqtt_topics import MOST_TOPICS, Patterns, Unmatched, filter_of, widest
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


class _Open(msgspec.Struct):
    """The signals behind an address with open parts, and how many topics have stood for it."""

    filter: str
    reader: PayloadReader
    shape: Shape
    topics: int = 0


class Inbox:
    """Takes messages of the topics of one source."""

    def __init__(self, context: SourceContext, blocks: dict[str, PayloadBlock], sequences: Sequences) -> None:
        """For the signals of this source and the payload blocks of its maps.

        Raises:
            ConfigError: an address of another form, a map without a payload block, a topic of two machines.
        """
        self._sequences = sequences
        self._topics: dict[str, _Topic] = {}
        self._patterns: Patterns[_Open] = Patterns()
        self._links: Patterns[tuple[str, str]] = Patterns()
        self._seen: dict[int, int] = {}
        self.unmatched = Unmatched()
        """What came and belongs to no machine or signal of the register."""
        fields: dict[str, list[tuple[MappedSignal, str]]] = {}
        asked: dict[str, list[str]] = {}
        for signal in context.signals:
            topic, path = _address(signal, context.where)
            pattern = filter_of(topic, f"{context.where}: {signal.id}")
            members = fields.setdefault(pattern, [])
            if members:
                _same_machine(members[0][0], signal, topic, context.where)
            members.append((signal, path))
            asked.setdefault(_wide(signal.pattern.partition("#")[0], context.where) or pattern, []).append(signal.id)
        shapes: dict[object, Shape] = {}
        links: dict[str, str] = {}
        opened: list[_Open] = []
        for pattern, members in fields.items():
            signal = members[0][0]
            block = blocks.get(signal.map)
            if block is None:
                known = ", ".join(sorted(blocks)) or "none"
                lacks = f"map '{signal.map}' has no [source.payload.{signal.map}] that says where its time stands"
                raise ConfigError(f"{context.where}: {lacks}; there are {known}")
            reader = PayloadReader(block, members, f"{context.where}: topic '{pattern}'")
            alike = (signal.map, tuple((path, member.kind) for member, path in members))
            shape = shapes.setdefault(alike, Shape(reader))
            opened.append(one := _Open(pattern, reader, shape))
            self._patterns.add(pattern, one)
            if "+" not in pattern:
                self._find(pattern)
            if block.link is not None:
                link = filter_of(_filled(block.link, signal), f"{context.where}: link")
                links[link] = _wide(_filled(block.link, signal, keep=True), context.where) if signal.pattern else link
                self._links.add(link, (signal.equipment, block.online))
        for one, other in self._patterns.overlaps():
            both = f"'{one.filter}' ({one.reader.signals[0]} …) and '{other.filter}' ({other.reader.signals[0]} …)"
            raise ConfigError(f"{context.where}: {both} could be the same topic; write both with the same open parts, or fill them")
        self._shapes = list(shapes.values())
        self._asked = asked
        self.topics = widest([*asked, *links.values()])
        """Everything to subscribe to."""
        self.unnumbered = tuple(signal for one in opened if not one.reader.is_numbered for signal in one.reader.signals)
        """Signals of payloads that do not prove by themselves whether any is missing."""
        self.with_link = {signal.equipment for signal in context.signals if (block := blocks[signal.map]).link is not None}
        # Topics that were known before come first: who invents some after a restart cannot take their place.
        sequences.keep(lambda topic: self._find(topic) is not None)

    def signals(self, topic: str) -> tuple[str, ...]:
        """Signals whose values stand in messages of this topic filter, which was one of `topics`."""
        return tuple(signal for pattern, signals in self._asked.items() if widest([pattern, topic]) == [topic] for signal in signals)

    def _find(self, topic: str) -> _Topic | None:
        """The topic with its signals, made at its first message; None if it has none, or its pattern has had too many topics."""
        entry = self._topics.get(topic)
        if entry is None and (found := self._patterns.find(topic)) is not None and found.topics < MOST_TOPICS:
            found.topics += 1
            entry = self._topics[topic] = _Topic(found.reader, found.shape)
        return entry

    def begin(self, is_resumed: bool) -> None:
        """A new connection: packet identifiers mean what they meant before only if the broker has kept the session."""
        if not is_resumed:
            self._seen.clear()

    def take(self, messages: Sequence[Arrived], gathering: Gathering) -> Callable[[], None]:
        """Adds what these messages say; returns what is to be called when it is on disk."""
        seen, find = self._seen, self._find
        for message in messages:
            digest = hash((message.topic, message.payload))
            if message.qos:
                if message.repeated and seen.get(message.mid) == digest:
                    continue  # handed over before, and its acknowledgement did not reach the broker
                seen[message.mid] = digest
            entry = find(message.topic)
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
        if entry is None and (link := self._links.find(message.topic)) is not None:
            equipment, online = link
            gathering.link(equipment, message.payload.strip() == online.encode())
            return
        if entry is None:
            # The first message of a topic can be looked at in quarantine; a flood of them must not fill the disk.
            if self.unmatched.note(message.topic):
                is_one_too_many = self._patterns.find(message.topic) is not None
                why = f"is the {MOST_TOPICS + 1}th of one address with open parts" if is_one_too_many else "is not mapped"
                gathering.refuse(message.payload, f"topic '{message.topic[:200]}' {why}")
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
            gathering.refuse(message.payload, f"{message.topic}: {error}", () if reader.is_numbered else reader.signals, about=reader.signals)
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


def _filled(topic: str, signal: MappedSignal, *, keep: bool = False) -> str:
    """A topic of the payload's block with the parts of this machine; `keep` leaves the machine's own name open."""
    parts = signal.parts if keep else {**signal.parts, "equipment": signal.equipment}
    for name, value in parts.items():
        topic = topic.replace(f"{{{name}}}", value)
    return topic


def _wide(topic: str, where: str) -> str:
    """The filter to subscribe to for every machine of one declaration; levels that hold more than an open part are open as a whole."""
    return filter_of("/".join("+" if "{" in level else level for level in topic.split("/")), where)


def _same_machine(one: MappedSignal, other: MappedSignal, topic: str, where: str) -> None:
    if one.equipment != other.equipment:
        raise ConfigError(f"{where}: topic '{topic}' belongs to {one.equipment} and {other.equipment}; write {{equipment}} in it")


def _address(signal: MappedSignal, where: str) -> tuple[str, str]:
    topic, mark, path = signal.address.partition("#")
    if not topic or not mark or not path:
        raise ConfigError(f"{where}: {signal.id}: address '{signal.address}': write plant/{{equipment}}/state#spindle.load")
    return topic, path
