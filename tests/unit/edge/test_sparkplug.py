"""Sparkplug without a broker: values, order, births, deaths, rebirth requests. Payloads are made by the wire's rules, not by our own classes."""

import struct
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.source import MappedSignal
from edge.sparkplug.births import MOST_METRICS
from edge.sparkplug.node import EdgeNode, Timing
from edge.sparkplug.order import Order
from edge.sparkplug.payload import bd_seq_of, decode, rebirth_request, value_of
from tests.integration import sparkplug_host
from workshop.errors import Rejected
from workshop.reading import Quality, Reading
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


@given(st.binary(max_size=300))
def test_no_payload_breaks_the_decoder_or_the_node(body: bytes) -> None:
    try:
        for one in decode(body).metrics:
            for datatype in (*range(36), 2**32 - 1):
                try:
                    value, quality, _ = value_of(one, datatype)
                    assert (value is None) == (quality is Quality.BAD)
                except Rejected as error:
                    assert str(error)
    except Rejected as error:
        assert str(error)
    seen = Seen().born()
    for kind in ("NBIRTH", "DBIRTH", "DDATA", "NDATA", "DDEATH", "NDEATH"):
        seen.take(kind, body).wait(5)


# (kind, step of seq, fields of the load: number and value); what is emitted is known whatever becomes of it.
_VALUES = st.sampled_from([
    field(13, 2.5), field(10, 7), field(15, b"text"), field(7, 1), field(17, b""), field(13, float("nan")), b"", field(16, b"x"),
])
_STEPS = st.tuples(
    st.sampled_from(["DDATA"] * 6 + ["DBIRTH", "NBIRTH", "NDEATH", "DDEATH", "NDATA"]), st.sampled_from([1, 1, 1, 1, 2, 3, 0, -1, 40]), _VALUES,
    st.sampled_from([0.0, 0.1, 3.0]), st.sampled_from([0, 1]), st.booleans(),
)


@given(st.lists(_STEPS, max_size=25))
def test_every_row_that_a_node_sends_is_a_reading_or_in_quarantine_or_lies_in_a_gap(steps: list[tuple[str, int, bytes, float, int, bool]]) -> None:
    """And nothing is a reading that nobody sent."""
    seen, seq, emitted = Seen().born(), 1, {("m-1/load", US): (0, False, b"")}
    for number, (kind, step, value, pause, bd_seq, is_historical) in enumerate(steps, 1):
        seq = 0 if kind == "NBIRTH" else (seq + step) % 256
        ms, before = MS + number, (seen.lost.count("m-1/load"), seen.gap_is_open)
        if kind in ("DDATA", "NDATA"):
            body = payload([metric(None, None, value, alias=1, ms=ms, historical=is_historical)], seq)
        elif kind == "DBIRTH":
            body = payload([metric("load", 10, value, alias=1, ms=ms), metric("parts", 4, field(11, 7), alias=2, ms=ms)], seq)
        else:
            body = node_birth(bd_seq) if kind == "NBIRTH" else death(bd_seq) if kind == "NDEATH" else payload([], seq)
        seen.take(kind, body)
        if kind in ("DDATA", "DBIRTH"):
            emitted["m-1/load", ms * 1000] = *before, body
        seen.wait(pause)
    seen.wait(60)
    stored = {(one.signal, one.source_time_us): one for one in seen.readings if one.signal == "m-1/load"}
    assert set(stored) <= set(emitted)
    assert all(one.value in (None, 2.5, 7.0, 1.5) for one in stored.values())
    for key, (losses, gap_is_open, body) in emitted.items():
        assert key in stored or body in seen.refused or gap_is_open or seen.lost.count("m-1/load") > losses, key


def test_what_waits_for_its_turn_when_the_node_dies_is_kept_and_the_hole_before_it_declared() -> None:
    seen = Seen().born().take("DDATA", data(3, 3.0, MS + 20)).take("NDEATH", death(0))
    assert seen.loads() == [1.5, 3.0] and seen.losses[0] == "Sparkplug messages lost" and seen.losses[-1] == "edge node g/n died"


def test_two_messages_of_one_number_are_not_one() -> None:
    seen = Seen().born().take("DDATA", data(3, 3.0, MS + 20)).take("DDATA", data(3, 4.0, MS + 30)).take("DDATA", data(3, 3.0, MS + 20))
    assert seen.refusals == ["g/n: DDATA: another message has the same seq 3"]


def test_a_death_of_another_connection_asks_how_things_are_and_one_without_number_is_refused() -> None:
    seen = Seen().born().take("NDEATH", death(3)).wait(1)
    assert seen.asked == 1 and not seen.losses and not seen.node.stale, "34: wrong bdSeq"
    seen = Seen().born().take("NDEATH", payload([], None)).wait(1)
    assert seen.refusals == ["g/n: NDEATH without bdSeq"] and seen.asked == 1 and seen.losses


def test_a_node_cannot_define_without_bound() -> None:
    seen = Seen().born()
    many = payload([metric(f"x{number}", 10, field(13, 1.0)) for number in range(MOST_METRICS // 2)], None)
    for number in range(3):
        gathering = Gathering()
        faults = seen.node.births.define(f"d{number}", decode(many))
        assert not gathering.deliveries(None) and bool(faults) == (number >= 1)
    assert len(seen.node.births._names) == MOST_METRICS and "more than 50000 metrics" in faults[0] and len(faults) == 1
    seen.take("DBIRTH", device_birth(2, 8.0, MS + 9)).wait(2)
    assert seen.loads() == [1.5, 8.0], "the register's own signals are always known"


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(10, 19)), max_size=5))
def test_a_value_is_never_wrong_for_its_datatype(rows: list[tuple[int, int, int, int]]) -> None:
    for small, large, datatype, number in rows:
        body = payload([metric("x", datatype, field(number, small if number == 10 else large if number == 11 else b"x"))], 0)
        try:
            (one,) = decode(body).metrics
            value, _, _ = value_of(one, datatype)
        except Rejected:
            continue
        widths = {1: (8, True), 2: (16, True), 3: (32, True), 4: (64, True)}
        if datatype in widths and isinstance(value, int):
            width = widths[datatype][0]
            raw = (small if number == 10 else large) % (1 << width)
            assert value == (raw - (1 << width) if raw >> (width - 1) else raw)


@pytest.mark.parametrize(("datatype", "raw", "value"), [
    (1, field(10, 0xFF), -1), (1, field(10, 0xFFFFFFFF), -1), (2, field(10, 0x8000), -32768), (3, field(10, 2**32 - 5), -5),
    (4, field(11, 2**64 - 5), -5), (7, field(10, 2**32 - 1), 2**32 - 1), (7, field(11, 2**32 - 1), 2**32 - 1), (8, field(11, 2**63), 2**63),
    (11, field(14, 1), 1), (12, field(15, "早".encode()), "早"), (9, varint(12 << 3 | 5) + struct.pack("<f", 0.5), 0.5), (13, field(11, MS), MS),
])
def test_values(datatype: int, raw: bytes, value: Any) -> None:
    (one,) = decode(payload([metric("x", datatype, raw)], 0)).metrics
    assert value_of(one, datatype) == (value, Quality.GOOD, "")


@pytest.mark.parametrize(("datatype", "raw", "said"), [
    (16, field(17, b""), "a DataSet"), (19, field(18, b"\xff"), "a Template"), (25, field(16, b""), "an array"), (18, field(16, b""), "a File"),
    (20, b"", "none of Sparkplug's"), (10, field(10, 5), "belongs in double_value, not in int_value"), (10, b"", "not in no field"),
])
def test_what_is_no_single_value_is_refused_in_words(datatype: int, raw: bytes, said: str) -> None:
    (one,) = decode(payload([metric("x", datatype, raw)], 0)).metrics
    with pytest.raises(Rejected, match=said):
        value_of(one, datatype)


def test_a_packed_payload_is_refused_in_words() -> None:
    with pytest.raises(Rejected, match="switch compression off"):
        decode(field(1, MS) + field(3, 1) + field(4, b"SPBV1.0_COMPRESSED") + field(5, b"\x1f\x8b"))


def test_null_and_quality() -> None:
    def properties(code: int) -> bytes:
        return field(9, field(1, b"Quality") + field(2, field(1, 3) + field(3, code)))

    def said(raw: bytes) -> tuple[Any, ...]:
        (one,) = decode(payload([metric("x", 10, raw)], 0)).metrics
        return value_of(one, 10)

    assert said(field(7, 1)) == (None, Quality.BAD, "Null")
    assert said(field(13, 5.0) + properties(0)) == (None, Quality.BAD, "Bad")
    assert said(field(13, 5.0) + properties(500)) == (5.0, Quality.UNCERTAIN, "Stale")
    assert said(field(13, 5.0) + properties(192)) == (5.0, Quality.GOOD, "")


@given(st.integers(0, 600), st.permutations(range(6)))
def test_order_is_restored_over_the_wrap_around(start: int, places: list[int]) -> None:
    order: Order[int] = Order()
    order.begin()
    for number in range(1, start + 1):
        assert order.take(number % 256, number) == [number]
    got = [one for place in places for one in order.take((start + 1 + place) % 256, start + 1 + place)]
    assert got == list(range(start + 1, start + 7)) and not order.waits


def test_a_message_that_comes_in_time_stops_the_clock_and_one_that_does_not_asks_for_a_rebirth() -> None:
    seen = Seen().born().take("DDATA", data(3, 3.0, MS + 20)).wait(1.5).take("DDATA", data(2, 2.0, MS + 10)).wait(30)
    assert seen.loads() == [1.5, 2.0, 3.0] and not seen.asked and not seen.losses
    seen.take("DDATA", data(5, 5.0, MS + 50)).wait(1.9)
    assert not seen.asked and seen.loads()[-1] == 3.0
    seen.wait(0.2)
    assert seen.asked == 1 and seen.losses[0] == "Sparkplug messages lost" and seen.loads()[-1] == 5.0
    # Its rebirth says everything again; what is new of it counts.
    seen.take("NBIRTH", node_birth()).take("DBIRTH", device_birth(load=6.0, ms=MS + 60)).wait(2).take("DDATA", data(2, 7.0, MS + 70)).wait(30)
    assert seen.loads() == [1.5, 2.0, 3.0, 5.0, 6.0, 7.0] and seen.asked == 1


def test_data_before_a_birth_asks_for_it_but_not_too_often() -> None:
    seen = Seen().wait(0.2)
    for _ in range(50):
        seen.take("DDATA", data(9, 1.0, MS)).wait(0.1)
    assert seen.asked == 1 and not seen.readings
    seen.wait(10)
    seen.born()
    seen.take("DDATA", data(2, 2.0, MS + 1, alias=99)).wait(20)
    assert seen.asked == 3 and "alias 99 was in no birth" in seen.losses[-1]


def test_a_repeated_birth_is_not_a_second_reading_unless_something_may_be_lost() -> None:
    seen = Seen().born().take("NBIRTH", node_birth()).take("DBIRTH", device_birth()).wait(2)
    assert seen.loads() == [1.5] and not seen.losses
    seen.take("NBIRTH", node_birth(1)).take("DBIRTH", device_birth()).wait(2)
    assert seen.loads() == [1.5, 1.5] and seen.losses == ["edge node g/n connected again"], "the recorder drops it, and knows that nothing was lost"


def test_deaths() -> None:
    seen = Seen().born().take("NDEATH", death(3))
    assert seen.links == [True] and not seen.node.stale, "the Will of another connection"
    seen.take("DDEATH", payload([], 2))
    assert seen.links == [True, False] and seen.node.stale["m-1/load"] == "stale: device m-1 died"
    seen.take("DBIRTH", device_birth(3, 2.5, MS + 5)).wait(1)
    assert seen.links == [True, False, True] and not seen.node.stale
    seen.take("NDEATH", death(0))
    assert seen.links[-1] is False and set(seen.node.stale) == {"m-1/load", "m-1/parts"}
    assert seen.losses == ["device m-1 died", "edge node g/n died"]


def test_what_was_kept_comes_before_the_values_of_the_birth() -> None:
    seen = Seen().born().take("NDEATH", death(0)).take("NBIRTH", node_birth(1)).take("DBIRTH", device_birth(1, 9.0, MS + 900))
    for number in range(2, 6):
        seen.take("DDATA", data(number, float(number), MS + 100 * number, historical=True))
    seen.take("DDATA", data(6, 10.0, MS + 1000))
    assert seen.loads() == [1.5, 2.0, 3.0, 4.0, 5.0, 9.0, 10.0]
    assert [reading.status for reading in seen.readings if reading.signal == "m-1/load"] == ["", *["Historical"] * 4, "", ""]


def test_births_with_faults() -> None:
    seen = Seen().take("NBIRTH", payload([], 0))
    assert "NBIRTH without bdSeq" in seen.refusals[0] and not seen.node.is_alive
    faulty = payload([metric("load", 16, field(17, b""), alias=1), metric(None, 10, b"", alias=4)], 1)
    seen.take("NBIRTH", node_birth()).take("DBIRTH", faulty).wait(2)
    assert seen.node.births.problems["m-1/load"].startswith("a DataSet") and "has no metric 'parts'" in seen.node.births.problems["m-1/parts"]
    seen.take("DBIRTH", payload([metric("other", 10, field(13, 1.0), alias=1)], 2), "m-2")
    assert "alias 1 of 'other' belongs to 'load' already" in seen.refusals[-1]


def test_the_request_is_what_the_checklist_wants() -> None:
    said = sparkplug_host.decode(rebirth_request(US))
    assert said == {"timestamp": MS, "metrics": [
        {"name": "Node Control/Rebirth", "timestamp": MS, "datatype": 11, "field": "boolean", "value": True},
    ]}
    assert bd_seq_of(decode(node_birth(255))) == 255 and bd_seq_of(decode(b"")) is None
