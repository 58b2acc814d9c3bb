"""Sparkplug payloads by the wire's rules, not by our own classes, and an edge node with a clock of the test's."""

import struct
from collections.abc import Iterable
from typing import Any

from edge.gathering import Gathering
from edge.source import Delivery, MappedSignal
from edge.sparkplug.node import EdgeNode, Timing
from workshop.reading import Reading
from workshop.signal import SignalKind

MS = 1_767_571_200_123
US = MS * 1000


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def field(number: int, value: int | bytes | float) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def metric(name: str | None, datatype: int | None, value: bytes, *, alias: int | None = None, ms: int = MS, historical: bool = False) -> bytes:
    return b"".join([
        field(1, name.encode()) if name else b"", field(2, alias) if alias is not None else b"", field(3, ms),
        field(4, datatype) if datatype else b"", field(5, 1) if historical else b"", value,
    ])


def payload(metrics: Iterable[bytes], seq: int | None) -> bytes:
    return field(1, MS) + b"".join(field(2, one) for one in metrics) + (field(3, seq) if seq is not None else b"")


def node_birth(bd_seq: int = 0) -> bytes:
    return payload([metric("bdSeq", 4, field(11, bd_seq))], 0)


def death(bd_seq: int = 0) -> bytes:
    return payload([metric("bdSeq", 4, field(11, bd_seq))], None)


def device_birth(seq: int = 1, load: float = 1.5, ms: int = MS) -> bytes:
    return payload([metric("load", 10, field(13, load), alias=1, ms=ms), metric("parts", 4, field(11, 7), alias=2, ms=ms)], seq)


def data(seq: int, load: float, ms: int, *, alias: int = 1, historical: bool = False) -> bytes:
    return payload([metric(None, None, field(13, load), alias=alias, ms=ms, historical=historical)], seq)


class Seen:
    """A node, a clock in seconds, and everything that came of it."""

    def __init__(self) -> None:
        signals = {
            ("m-1", "load"): MappedSignal("m-1/load", "m-1", SignalKind.GAUGE, "g/n/m-1#load", "m"),
            ("m-1", "parts"): MappedSignal("m-1/parts", "m-1", SignalKind.COUNTER, "g/n/m-1#parts", "m"),
        }
        self.node = EdgeNode("g/n", signals, Timing(reorder_s=2, rebirth_s=10))
        self.now, self.asked = 100.0, 0
        self.deliveries: list[Delivery] = []
        self.readings: list[Reading] = []
        self.losses: list[str] = []
        self.lost: list[str] = []
        self.gap_is_open = False
        self.refused: list[bytes] = []
        self.refusals: list[str] = []
        self.links: list[bool] = []
        self.node.begin(self.now)

    def take(self, kind: str, body: bytes, device: str = "m-1") -> "Seen":
        gathering = Gathering()
        self.node.take(kind, "" if kind[0] == "N" else device, body, US, self.now, gathering)
        return self._keep(gathering)

    def wait(self, seconds: float) -> "Seen":
        ends_at = self.now + seconds
        while self.node.next_at() <= ends_at:
            self.now = max(self.now, self.node.next_at())
            gathering = Gathering()
            self.asked += self.node.tick(self.now, gathering)
            self._keep(gathering)
        self.now = ends_at
        return self

    def _keep(self, gathering: Gathering) -> "Seen":
        for delivery in gathering.deliveries(None):
            self.deliveries.append(delivery)
            self.losses += [loss.reason for loss in delivery.losses]
            self.lost += [signal for loss in delivery.losses for signal in loss.signals]
            self.gap_is_open = self.gap_is_open or any("m-1/load" in loss.signals for loss in delivery.losses)
            self.gap_is_open = self.gap_is_open and all(reading.signal != "m-1/load" for reading in delivery.block.readings())
            self.refused += [refusal.payload for refusal in delivery.refusals]
            self.readings += delivery.block.readings()
            self.refusals += [refusal.reason for refusal in delivery.refusals]
            self.links += delivery.links.values()
        return self

    def loads(self) -> list[Any]:
        return [reading.value for reading in self.readings if reading.signal == "m-1/load"]

    def born(self) -> "Seen":
        return self.take("NBIRTH", node_birth()).take("DBIRTH", device_birth()).wait(1)
