"""Bytes of a HistoryRead answer: what is decoded to columns is what asyncua decodes, and damaged bytes are refused."""

import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.opcua.messages import decode_history
from edge.opcua.rows import gather_items
from edge.opcua.values import gather_value
from tests.unit.edge.test_opcua_items import NOW, RECEIVED_US, SIGNALS, gathered, values
from workshop.errors import Rejected

Node = tuple[int, bytes, list[tuple[int, bytes, ua.DataValue]]]
nodes = st.lists(st.tuples(st.sampled_from([0, 0x00A50000, 0x80340000]), st.binary(max_size=5), st.lists(values(), max_size=6)), max_size=4)


def answer(rows: list[Node]) -> bytes:
    """A HistoryReadResponse: status, continuation point and values of each node."""
    body = b""
    for status, point, items in rows:
        content = struct.pack("<i", len(items)) + b"".join(data for _, data, _ in items)
        data = b"\x01\x00" + struct.pack("<H", 658) + b"\x01" + struct.pack("<i", len(content)) + content
        body += struct.pack("<Ii", status, len(point)) + point + data
    header = b"\x01\x00" + struct.pack("<H", 667) + struct.pack("<qII", NOW, 5, 0) + b"\x00" + struct.pack("<i", -1) + b"\x00\x00\x00"
    return header + struct.pack("<i", len(rows)) + body + struct.pack("<i", -1)


@settings(max_examples=200, deadline=None)
@given(nodes)
def test_the_past_is_what_asyncua_says(rows: list[Node]) -> None:
    found = decode_history(answer(rows))
    assert [(past.status, past.continuation) for past in found] == [(status, point) for status, point, _ in rows]
    fast, slow = Gathering(), Gathering()
    for number, (past, (_, _, items)) in enumerate(zip(found, rows, strict=True)):
        past.items.handle[:] = number
        gather_items(fast, past.items, SIGNALS, RECEIVED_US)
        for _, _, meant in items:
            gather_value(slow, SIGNALS[number], meant, RECEIVED_US)
    assert gathered(fast) == gathered(slow)
    if not any(data[0] & 0x10 and data[0] & 0x08 for _, _, items in rows for _, data, _ in items):  # where asyncua expects picoseconds elsewhere
        response = struct_from_binary(ua.HistoryReadResponse, Buffer(answer(rows)))
        again = Gathering()
        for number, result in enumerate(response.Results):
            for meant in result.HistoryData.DataValues:
                gather_value(again, SIGNALS[number], meant, RECEIVED_US)
        assert gathered(again) == gathered(slow_again(rows))


def slow_again(rows: list[Node]) -> Gathering:
    """What the values mean, once more: gathering empties."""
    gathering = Gathering()
    for number, (_, _, items) in enumerate(rows):
        for _, _, meant in items:
            gather_value(gathering, SIGNALS[number], meant, RECEIVED_US)
    return gathering


@settings(max_examples=200, deadline=None)
@given(nodes.filter(bool), st.data())
def test_damaged_bytes_are_refused_or_mean_something(rows: list[Node], data: Any) -> None:
    whole = bytearray(answer(rows))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    try:
        found = decode_history(bytes(whole))
    except Rejected as error:
        assert str(error).startswith("OPC UA message: ")
        return
    gathering = Gathering()
    for past in found:
        gather_items(gathering, past.items, SIGNALS, RECEIVED_US)
    gathered(gathering)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Rejected):
        decode_history(data)
