"""The fast path of OPC UA: what numpy decodes is what asyncua decodes, and damaged bytes are refused."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, variant_to_binary
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.opcua.items import decode_items
from edge.opcua.messages import decode_publish, decode_republish
from edge.opcua.rows import gather_items
from edge.opcua.values import gather_value
from edge.source import Delivery
from workshop.block import check_block
from workshop.errors import Rejected

SIGNALS = ["cnc-01/a", "cnc-01/b", "cnc-02/a", "cnc-02/b"]
RECEIVED_US = 1_795_000_000_000_000
EPOCH = 116_444_736_000_000_000
NOW = EPOCH + RECEIVED_US * 10
V = ua.VariantType

numbers = st.one_of(
    st.floats(width=64).map(lambda x: ua.Variant(x, V.Double)), st.floats(width=32).map(lambda x: ua.Variant(x, V.Float)),
    st.booleans().map(lambda x: ua.Variant(x, V.Boolean)), st.integers(-128, 127).map(lambda x: ua.Variant(x, V.SByte)),
    st.integers(0, 255).map(lambda x: ua.Variant(x, V.Byte)), st.integers(-(2**15), 2**15 - 1).map(lambda x: ua.Variant(x, V.Int16)),
    st.integers(0, 2**16 - 1).map(lambda x: ua.Variant(x, V.UInt16)), st.integers(-(2**31), 2**31 - 1).map(lambda x: ua.Variant(x, V.Int32)),
    st.integers(0, 2**32 - 1).map(lambda x: ua.Variant(x, V.UInt32)), st.integers(-(2**63), 2**63 - 1).map(lambda x: ua.Variant(x, V.Int64)),
    st.integers(0, 2**64 - 1).map(lambda x: ua.Variant(x, V.UInt64)),
)
others = st.one_of(
    st.none().map(lambda _: ua.Variant(None, V.Null)), st.text(max_size=5).map(lambda x: ua.Variant(x, V.String)),
    st.none().map(lambda _: ua.Variant(None, V.String)), st.binary(max_size=5).map(lambda x: ua.Variant(x, V.ByteString)),
    st.lists(st.floats(allow_nan=False), max_size=4).map(lambda x: ua.Variant(x, V.Double, is_array=True)),
    st.lists(st.text(max_size=3), max_size=3).map(lambda x: ua.Variant(x, V.String, is_array=True)),
    st.just(ua.Variant([[1, 2, 3], [4, 5, 6]], V.Int32)), st.just(ua.Variant(None, V.Int32, is_array=True)),
    st.just(ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), V.DateTime)), st.just(ua.Variant(ua.NodeId("x;y=z", 3), V.NodeId)),
    st.just(ua.Variant(ua.LocalizedText("läuft", "de"), V.LocalizedText)), st.just(ua.Variant(ua.QualifiedName("n", 2), V.QualifiedName)),
    st.just(ua.Variant(ua.Range(0.0, 5.0), V.ExtensionObject)), st.just(ua.Variant(ua.StatusCode(ua.UInt32(0x80310000)), V.StatusCode)),
    st.just(ua.Variant([ua.Variant(1, V.Int32), ua.Variant("s", V.String)], V.Variant, is_array=True)),
)
codes = st.one_of(
    st.none(), st.just(0), st.sampled_from([0x480, 0x40000000, 0x408F0000, 0x80310000, 0x80320000, 0x80320480, 0x80320400, 0xC0000001, 0x00A20000]),
    st.integers(0, 2**32 - 1),
)
ticks = st.one_of(st.none(), st.integers(NOW - 10**9, NOW), st.sampled_from([0, 1, -1, 2**63 - 1, EPOCH, 9]), st.integers(-(2**63), 2**63 - 1))


@st.composite
def values(draw: Any) -> tuple[int, bytes, ua.DataValue]:
    """A client handle, a DataValue's bytes as the standard has them, and what they mean."""
    variant = draw(st.one_of(st.none(), numbers, numbers, others))
    code, source, server = draw(codes), draw(ticks), draw(ticks)
    picos, server_picos = draw(st.one_of(st.none(), st.integers(0, 9999))), draw(st.one_of(st.none(), st.integers(0, 9999)))
    parts = [variant is not None, code is not None, source is not None, server is not None, picos is not None, server_picos is not None]
    body = bytes([sum(there << bit for bit, there in enumerate(parts))])
    body += variant_to_binary(variant) if variant is not None else b""
    for form, value in (("<I", code), ("<q", source), ("<H", picos), ("<q", server), ("<H", server_picos)):
        body += struct.pack(form, value) if value is not None else b""
    meant = ua.DataValue(variant, ua.StatusCode(ua.UInt32(code or 0)), date_time(source), date_time(server))
    return draw(st.sampled_from([0, 0, 1, 2, 3, 4, 2**32 - 1])), body, meant


def date_time(value: int | None) -> datetime | None:
    if value is None:
        return None
    start = datetime(1601, 1, 1, tzinfo=UTC)
    latest = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    return start if value < 0 else min(latest, start + timedelta(microseconds=min(value, 2_650_467_743_990_000_000) // 10))


def message(items: list[tuple[int, bytes, ua.DataValue]], sequence: int = 7, status: int | None = None) -> bytes:
    """A PublishResponse with these items."""
    content = struct.pack("<i", len(items)) + b"".join(struct.pack("<I", handle) + body for handle, body, _ in items) + struct.pack("<i", -1)
    data = b"\x01\x00" + struct.pack("<H", 811) + b"\x01" + struct.pack("<i", len(content)) + content
    if status is not None:
        change = struct.pack("<I", status) + b"\x00"
        data += b"\x01\x00" + struct.pack("<H", 820) + b"\x01" + struct.pack("<i", len(change)) + change
    header = b"\x01\x00" + struct.pack("<H", 829) + struct.pack("<qII", NOW, 5, 0) + b"\x00" + struct.pack("<i", -1) + b"\x00\x00\x00"
    head = struct.pack("<Ii2IBIqi", 9, 2, 6, 7, 0, sequence, NOW, 1 if status is None else 2)
    return header + head + data + struct.pack("<iIi", 1, 0, 0)


def by_signal(deliveries: list[Delivery]) -> dict[str, list[Any]]:
    """For each signal what became of it, in order; between signals there is none."""
    story: dict[str, list[Any]] = {name: [] for name in ["", *SIGNALS]}
    for delivery in deliveries:
        check_block(delivery.block)
        for loss in delivery.losses:
            for name in loss.signals:
                story[name].append(("lost", loss.reason))
        for refusal in delivery.refusals:
            story[""].append(("refused", refusal.reason, refusal.payload))
        for reading in delivery.block.readings():
            story[reading.signal].append(reading)
    return story


def gathered(deliveries: Gathering) -> dict[str, list[Any]]:
    return by_signal(deliveries.deliveries(None))


@settings(max_examples=300, deadline=None)
@given(st.lists(values(), max_size=12), st.integers(1, 40))
@example([(0, b"\x01\x0b" + struct.pack("<d", 1.5), ua.DataValue(ua.Variant(1.5, V.Double)))], 200)
def test_the_columns_say_what_asyncua_says(items: list[tuple[int, bytes, ua.DataValue]], times: int) -> None:
    items = [item for item in items for _ in range(times if item[0] % 2 == 0 else 1)]
    published = decode_publish(message(items))
    assert (published.subscription, published.available, published.results, published.notification.sequence) == (9, (6, 7), (0,), 7)
    fast, slow = Gathering(), Gathering()
    for part in published.notification.items:
        gather_items(fast, part, SIGNALS, RECEIVED_US)
    for handle, _, meant in items:
        if handle < len(SIGNALS):
            gather_value(slow, SIGNALS[handle], meant, RECEIVED_US)
    expected = gathered(slow)
    assert gathered(fast) == expected
    if not any(body[0] & 0x10 and body[0] & 0x08 for _, body, _ in items):  # where asyncua expects the picoseconds elsewhere
        response = struct_from_binary(ua.PublishResponse, Buffer(message(items)))
        (notification,) = response.Parameters.NotificationMessage.NotificationData
        again = Gathering()
        for item in notification.MonitoredItems:
            if item.ClientHandle < len(SIGNALS):
                gather_value(again, SIGNALS[item.ClientHandle], item.Value, RECEIVED_US)
        assert gathered(again) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(values(), min_size=1, max_size=8), st.data())
def test_damaged_bytes_are_refused_or_mean_something(items: list[tuple[int, bytes, ua.DataValue]], data: st.DataObject) -> None:
    whole = bytearray(message(items))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    try:
        published = decode_publish(bytes(whole))
    except Rejected as error:
        assert str(error).startswith("OPC UA message: ")
        return
    gathering = Gathering()
    for part in published.notification.items:
        gather_items(gathering, part, SIGNALS, RECEIVED_US)
    by_signal(gathering.deliveries(None))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_mean_something(data: bytes) -> None:
    for decode in (decode_publish, decode_republish):
        with pytest.raises(Rejected):
            decode(data)


@pytest.mark.parametrize("variant", [
    b"\x80" + struct.pack("<i", 2**31 - 1), b"\x98" + struct.pack("<i", 1) + b"\x80" + struct.pack("<i", 2**31 - 1),
    b"\x8b" + struct.pack("<i", 2**31 - 1), b"\x8c" + struct.pack("<i", -2), b"\x18" * 100, b"\x99" + struct.pack("<i", 1) + b"\x40" * 200,
    b"\xc6" + struct.pack("<iiiii", 1, 5, 2, 2**30, 2**30),
])
def test_a_claim_of_more_than_there_is_costs_nothing(variant: bytes) -> None:
    with pytest.raises(Rejected, match=r"OPC UA message: .* at byte \d+"):
        decode_items(struct.pack("<I", 0) + b"\x01" + variant, 0, 1)


@pytest.mark.parametrize("mask", [0x01, 0x03])
def test_a_message_may_end_with_its_last_value(mask: int) -> None:
    """A value that asyncua decodes, without times, and no diagnostics after it: nothing is read beyond the end."""
    data = struct.pack("<I", 3) + bytes([mask, 12]) + struct.pack("<i", 2) + b"P1" + (struct.pack("<I", 0x40000000) if mask & 2 else b"")
    items, end = decode_items(data, 0, 1)
    assert end == len(data) and items.others[0].Value == "P1" and items.code[0] == (0x40000000 if mask & 2 else 0)  # type: ignore[union-attr]


def test_a_change_of_status_is_told() -> None:
    assert decode_publish(message([], status=0x80080000)).notification.status == 0x80080000


def test_a_fault_in_place_of_an_answer_is_refused() -> None:
    with pytest.raises(Rejected, match="i=397 instead of i=829"):
        decode_publish(b"\x01\x00" + struct.pack("<H", 397) + bytes(30))
