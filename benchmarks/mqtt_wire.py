"""MQTT packets as bytes, 3.1.1 and 5.0: what a subscriber needs that also publishes now and then. Pure; numbers are those of the OASIS standards.

For the load of benchmarks and of hostile tests only: the edge itself leaves packets to paho (docs/decisions/0030).
"""

import msgspec

from edge.mqtt_access import Version
from edge.mqtt_arrived import EXCERPT, Arrived, Will
from workshop.errors import Rejected

MAX_PACKET = 268_435_455
"""Bytes after the fixed header; 2.2.3 in 3.1.1, 1.5.5 in 5.0."""
CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
PINGREQ = b"\xc0\x00"
_TOPICS = 4096
_LEVEL = {"3.1.1": 4, "5": 5}


class Packet(msgspec.Struct, frozen=True):
    """Any packet but a message."""

    kind: int
    body: bytes


class Reader:
    """Bytes of a connection in, packets out."""

    def __init__(self, version: Version, max_payload: int) -> None:
        """Larger payloads are skipped while they come, so that nobody fills the memory, and are told of by their first bytes."""
        self._is_5, self._max_payload = version == "5", max_payload
        self._rest = b""
        self._skip = 0
        self._topics: dict[bytes, str] = {}

    def feed(self, data: bytes, received_us: int) -> tuple[list[Arrived], list[Packet]]:
        """What is complete with these bytes, messages and other packets each in their order.

        Raises:
            Rejected: this is not MQTT, or not what a broker may send us; the connection is of no use any more.
        """
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._rest:
            data, self._rest = self._rest + data, b""
        arrived: list[Arrived] = []
        others: list[Packet] = []
        at, end = 0, len(data)
        while end - at >= 2:
            first, length, start = data[at], data[at + 1], at + 2
            if length >= 0x80:
                length, start = _long_length(data, at + 1)
                if not start:
                    break
            stop = start + length
            if first >> 4 != PUBLISH:
                if length > self._max_payload + EXCERPT:
                    raise Rejected(f"a packet of type {first >> 4} with {length} bytes")
                if stop > end:
                    break
                others.append(Packet(first >> 4, data[start:stop]))
                at = stop
                continue
            if length > self._max_payload and (large := self._large(data, first, start, stop, received_us)) is not None:
                if end < min(start + 0x1_0004 + EXCERPT, stop):
                    break
                arrived.append(large)
                self._skip, at = max(stop - end, 0), min(stop, end)
                continue
            if stop > end:
                break
            arrived.append(self._message(data, first, start, stop, received_us))
            at = stop
        self._rest = data[at:]
        return arrived, others

    def _message(self, data: bytes, first: int, start: int, stop: int, received_us: int) -> Arrived:
        body = start + 2
        if stop < body:
            raise Rejected("a message without a topic")
        body += (data[start] << 8) | data[start + 1]
        name = data[start + 2 : body]
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topic(name)
        mid, qos = 0, (first >> 1) & 3
        if qos:
            if qos > 1:
                raise Rejected("a message with QoS 2 or 3; nobody asked for those")
            if stop >= body + 2:
                mid = (data[body] << 8) | data[body + 1]
            body += 2
        if self._is_5:
            if body >= stop:
                raise Rejected("a message that ends before its properties")
            size = data[body]
            body += 1
            if size >= 0x80:
                size, body = _long_length(data, body - 1)
            body += size
        if body > stop or (qos and not mid):
            raise Rejected("a message that is shorter than its parts, or without a packet identifier")
        return Arrived(topic, data[body:stop], received_us, mid, qos, bool(first & 1), bool(first & 8))

    def _large(self, data: bytes, first: int, start: int, stop: int, received_us: int) -> Arrived | None:
        """The head of a message whose payload is perhaps too large; None if it is not, or if too little of it has come to say (see `feed`)."""
        if len(data) < start + 2:
            return None
        head = 2 + ((data[start] << 8) | data[start + 1]) + (2 if first & 6 else 0)
        size = stop - start - head
        if size <= self._max_payload:
            return None
        cut = data[start : min(start + head + EXCERPT, stop)]
        name = cut[2 : head - 2 if first & 6 else head]
        mid = int.from_bytes(cut[head - 2 : head], "big") if first & 6 else 0
        return Arrived(self._topic(name), cut[head:], received_us, mid, (first >> 1) & 1, bool(first & 1), bool(first & 8), size)

    def _topic(self, name: bytes) -> str:
        if len(self._topics) >= _TOPICS:
            self._topics.clear()
        topic = self._topics[name] = name.decode(errors="backslashreplace")
        return topic


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """A length of more than one byte and where it ends; 0 as the end if it is not all there."""
    value = 0
    for place in range(4):
        if at + place >= len(data):
            return 0, 0
        value |= (data[at + place] & 0x7F) << (7 * place)
        if data[at + place] < 0x80:
            return value, at + place + 1
    raise Rejected("a length of more than four bytes")


def connect(
    version: Version, client_id: str, *, clean: bool, keepalive_s: int, user: str | None, password: bytes | None, will: Will | None,
    receive_maximum: int, session_expiry_s: int,
) -> bytes:
    """A CONNECT. MQTT 5 gets no Maximum Packet Size: a broker drops what is larger without a word, and we want to know (3.1.2.11.4)."""
    flags = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    if will is not None:
        flags |= 4 | will.qos << 3 | (0x20 if will.retain else 0)
    body = b"\x00\x04MQTT" + bytes([_LEVEL[version], flags]) + keepalive_s.to_bytes(2, "big")
    if version == "5":
        expiry = b"\x11" + (0 if clean else session_expiry_s).to_bytes(4, "big")
        properties = expiry + b"\x21" + receive_maximum.to_bytes(2, "big")
        body += bytes([len(properties)]) + properties
    body += _text(client_id.encode())
    if will is not None:
        body += (b"\x00" if version == "5" else b"") + _text(will.topic.encode()) + _text(will.payload)
    if user is not None:
        body += _text(user.encode())
    if password is not None:
        body += _text(password)
    return _packet(0x10, body)


def subscribe(version: Version, mid: int, filters: list[str], qos: int) -> bytes:
    """A SUBSCRIBE to these topic filters."""
    body = mid.to_bytes(2, "big") + (b"\x00" if version == "5" else b"")
    return _packet(0x82, body + b"".join(_text(name.encode()) + bytes([qos]) for name in filters))


def publish(version: Version, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, mid: int = 0) -> bytes:
    """A PUBLISH; `mid` only with QoS 1."""
    body = _text(topic.encode()) + (mid.to_bytes(2, "big") if qos else b"") + (b"\x00" if version == "5" else b"")
    return _packet(0x30 | qos << 1 | retain, body + payload)


def puback(mids: list[int]) -> bytes:
    """A PUBACK for each of these, in one piece; the short form that both versions know."""
    return b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)


def disconnect(*, with_will: bool = False) -> bytes:
    """A DISCONNECT; MQTT 5 can ask for the Will to be published all the same."""
    return b"\xe0\x01\x04" if with_will else b"\xe0\x00"


def _text(data: bytes) -> bytes:
    if len(data) > 0xFFFF:
        raise Rejected(f"text of {len(data)} bytes; MQTT allows 65535")
    return len(data).to_bytes(2, "big") + data


def _packet(first: int, body: bytes) -> bytes:
    length, size = len(body), b""
    while True:
        size += bytes([length & 0x7F | (0x80 if length >= 0x80 else 0)])
        length >>= 7
        if not length:
            return bytes([first]) + size + body
