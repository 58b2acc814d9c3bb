"""MQTT packets: whole and in pieces, good and hostile."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import mqtt_wire as wire
from edge.mqtt_answers import farewell, granted, welcome
from edge.mqtt_wire import Reader, Version
from workshop.errors import Rejected

VERSIONS: tuple[Version, Version] = ("3.1.1", "5")
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
messages = st.lists(st.tuples(names, st.binary(max_size=300), st.integers(0, 1), st.booleans(), st.integers(1, 65_535)), max_size=8)


@pytest.mark.parametrize("version", VERSIONS)
@given(told=messages, cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_what_is_written_is_read_however_it_is_cut(version: Version, told: list[Any], cuts: list[int]) -> None:
    stream = b"".join(wire.publish(version, topic, body, qos=qos, retain=retain, mid=mid) for topic, body, qos, retain, mid in told)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader, got = Reader(version, 200), []
    for start, end in pairwise(edges):
        arrived, others = reader.feed(stream[start:end], 7)
        got += arrived
        assert not others
    # What is too large is cut, but its place, topic, number and size are there; MQTT 5 counts the properties, here one byte, to the size.
    assert len(got) == len(told)
    for one, (topic, body, qos, retain, mid) in zip(got, told, strict=True):
        size = len(body) + (version == "5")
        assert (one.topic, one.qos, one.retained, one.mid) == (topic, qos, retain, mid if qos else 0)
        assert (one.size, len(one.payload)) == (size, min(size, wire.EXCERPT)) if size > 200 else one.payload == body


@pytest.mark.parametrize("version", VERSIONS)
@given(st.lists(st.binary(max_size=400), max_size=5))
def test_no_bytes_break_the_reader(version: Version, pieces: list[bytes]) -> None:
    reader = Reader(version, 1000)
    try:
        for piece in pieces:
            reader.feed(piece, 0)
    except Rejected:
        pass
    assert len(reader._rest) <= 400 * 5


@given(st.binary(max_size=60), st.sampled_from(VERSIONS))
def test_no_answer_breaks_its_reader(body: bytes, version: Version) -> None:
    for function in (welcome, granted):
        try:
            function(version, body)
        except Rejected as error:
            assert str(error)
    assert farewell(body)


def test_a_bomb_is_never_held() -> None:
    head = wire.publish("3.1.1", "t", b"", qos=1, mid=9)
    size = 200_000_000
    varint = bytes([(size + 5) & 0x7F | 0x80, (size + 5) >> 7 & 0x7F | 0x80, (size + 5) >> 14 & 0x7F | 0x80, (size + 5) >> 21])
    reader = Reader("3.1.1", 1_000_000)
    reader.feed(head[:1] + varint + head[2:], 0)
    got, fed = [], 0
    while fed < size:
        piece = min(1 << 20, size - fed)
        got += reader.feed(bytes(piece), 0)[0]
        fed += piece
        assert len(reader._rest) < 2_000_000
    assert [(one.topic, one.mid, one.size, len(one.payload)) for one in got] == [("t", 9, size, wire.EXCERPT)]
    assert reader.feed(wire.publish("3.1.1", "t", b"next"), 0)[0][0].payload == b"next"


@pytest.mark.parametrize(("data", "said"), [
    (b"\x34\x05\x00\x01t\x00\x01", "QoS 2"), (b"\x32\x05\x00\x01t\x00\x00", "packet identifier"),
    (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
    (b"\x30\x02\x00\x09", "shorter than its parts"), (b"\x20\xff\xff\xff\x7f", "a packet of type 2"),
])
def test_what_no_broker_may_send(data: bytes, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        Reader("3.1.1", 1000).feed(data, 0)


def test_answers_in_words() -> None:
    assert welcome("3.1.1", b"\x01\x00").has_session
    assert welcome("3.1.1", b"\x00\x05").refused.startswith("not authorised")
    assert welcome("5", b"\x00\x86\x06\x1f\x00\x03bad").refused == "wrong user or password (bad)"
    answer = welcome("5", b"\x00\x00\x0a\x11\x00\x00\x00\x0a\x13\x00\x1e\x24\x01")
    assert (answer.refused, answer.session_expiry_s, answer.keepalive_s) == ("", 10, 30)
    assert granted("3.1.1", b"\x00\x07\x01\x80") == (7, [True, False])
    assert granted("5", b"\x00\x07\x00\x01\x87") == (7, [True, False])
    assert farewell(b"\x8e") == "another client with our id has connected"
