"""Values of Sparkplug metrics: as their datatype wants them, or refused in words."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sparkplug.payload import decode, value_of
from tests.unit.edge.rig_sparkplug import MS, field, metric, payload, varint
from workshop.errors import Rejected
from workshop.reading import Quality


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
