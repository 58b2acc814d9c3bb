"""Columns of integers: exact for every 64-bit value, one spelling each, and Rejected for anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.errors import Rejected
from workshop.varint import pack_deltas, pack_runs, pack_unsigned, unpack_deltas, unpack_runs, unpack_unsigned, unzigzag, zigzag

UNSIGNED = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1)), max_size=80)
SIGNED = st.lists(st.one_of(st.integers(-300, 300), st.integers(-(2**63), 2**63 - 1)), max_size=80)


def leb128(value: int) -> bytes:
    """The plain loop of the DWARF standard, 7.6."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


@given(UNSIGNED)
def test_unsigned_is_leb128_and_comes_back(values: list[int]) -> None:
    data = pack_unsigned(np.array(values, np.uint64))
    assert data == b"".join(map(leb128, values))
    assert unpack_unsigned(data, len(values)).tolist() == values


@given(SIGNED)
def test_zigzag_and_deltas_come_back(values: list[int]) -> None:
    column = np.array(values, np.int64)
    assert zigzag(column).tolist() == [2 * value if value >= 0 else -2 * value - 1 for value in values]
    assert unzigzag(zigzag(column)).tolist() == values
    assert unpack_deltas(pack_deltas(column), len(values)).tolist() == values


@given(st.lists(st.integers(0, 4), max_size=300), st.integers(0, 2**31))
def test_runs_come_back(values: list[int], offset: int) -> None:
    column = np.array(values, np.int64) + (offset if values else 0) % (2**31 - 4)
    assert unpack_runs(pack_runs(column), len(values)).tolist() == column.tolist()


@pytest.mark.parametrize(("data", "count"), [
    (b"\x80", 1), (b"\x01\x80", 1), (b"\x01", 2), (b"\x01\x01", 1), (b"\x80\x00", 1), (b"\x81\x80\x00", 1), (b"\xff" * 9 + b"\x02", 1),
    (b"\x80" * 10 + b"\x01", 1), (b"", 1), (b"\x00", 0),
])
def test_other_spellings_are_rejected(data: bytes, count: int) -> None:
    with pytest.raises(Rejected):
        unpack_unsigned(data, count)


def test_the_longest_value_has_ten_bytes() -> None:
    assert pack_unsigned(np.array([2**64 - 1], np.uint64)) == b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize("pairs", [[1], [1, 0], [1, 2, 1, 2], [1, 5], [1, 3], [2**40, 4], [1, 2**63, 2, 2**63]])
def test_runs_that_do_not_fit_are_rejected(pairs: list[int]) -> None:
    with pytest.raises(Rejected):
        unpack_runs(pack_unsigned(np.array(pairs, np.uint64)), 4)


@settings(max_examples=300)
@given(st.binary(max_size=90), st.integers(0, 12))
def test_any_bytes_are_read_or_rejected(data: bytes, count: int) -> None:
    for pack, unpack in ((pack_unsigned, unpack_unsigned), (pack_runs, unpack_runs)):
        try:
            values = unpack(data, count)
        except Rejected:
            continue
        # Read means: this is the one spelling.
        assert len(values) == count and pack(values) == data  # type: ignore[operator]
