"""Blocks: readings in, the same readings out; what is no reading is Rejected."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop.block import Block, block_of, check_block, concat, empty_block
from workshop.errors import Rejected
from workshop.reading import Quality, Reading, ValueKind

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), TEXT)
READINGS = st.builds(
    lambda signal, source, received, value, good, status: Reading(
        signal, source, received, value, Quality.BAD if value is None else good, status
    ),
    st.sampled_from(["a-1/x", "a-1/y", "b-2/x"]), st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62), VALUES,
    st.sampled_from([Quality.GOOD, Quality.UNCERTAIN]), TEXT,
)


def same(left: list[Reading], right: list[Reading]) -> bool:
    """Equal, types and the sign of zero included."""
    return left == right and [repr(reading.value) for reading in left] == [repr(reading.value) for reading in right]


@given(st.lists(READINGS, max_size=30))
def test_readings_come_back(readings: list[Reading]) -> None:
    block = block_of(readings)
    check_block(block)
    assert len(block) == len(readings) and same(block.readings(), readings)


@given(st.lists(st.lists(READINGS, max_size=8), max_size=5))
def test_concatenated_blocks_hold_all_rows_in_order(groups: list[list[Reading]]) -> None:
    block = concat([block_of(group) for group in groups])
    check_block(block)
    assert same(block.readings(), [reading for group in groups for reading in group])
    assert len(set(block.signals)) == len(block.signals)


@given(st.lists(READINGS, max_size=20), st.data())
def test_taken_rows_are_those_rows(readings: list[Reading], data: st.DataObject) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(readings), max_size=len(readings))), np.bool_)
    block = block_of(readings)
    wanted = [reading for reading, keep in zip(readings, mask.tolist(), strict=True) if keep]
    assert same(block.take(mask).readings(), wanted) and same(block.take(np.flatnonzero(mask)).readings(), wanted)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_bad_with_its_status(value: float) -> None:
    [plain, said] = block_of([Reading("a-1/x", 0, 0, value), Reading("a-1/x", 0, 0, value, Quality.UNCERTAIN, "SensorFailure")]).readings()
    assert (plain.value, plain.quality, plain.status) == (None, Quality.BAD, "NotFinite")
    assert (said.value, said.quality, said.status) == (None, Quality.BAD, "SensorFailure")


def test_booleans_become_integers() -> None:
    assert [block_of([Reading("a-1/x", 0, 0, flag)]).value(0) for flag in (True, False)] == [1, 0]


@pytest.mark.parametrize("reading", [
    Reading("a-1/x", 0, 0, 2**63), Reading("a-1/x", 0, 0, -(2**63) - 1), Reading("a-1/x", 0, 0, "\ud800"), Reading("a-1/x", 0, 0, None),
    Reading("a-1/x", 0, 0, 1, Quality.BAD), Reading("a-1/x", 0, 0, b"bytes"),  # type: ignore[arg-type]
])
def test_what_is_no_value_is_rejected(reading: Reading) -> None:
    with pytest.raises(Rejected):
        block_of([reading])


def spoiled(**changes: Any) -> Block:
    block = block_of([Reading("a-1/x", 0, 0, 1.5), Reading("a-1/x", 1, 1, None, Quality.BAD, "Bad"), Reading("a-1/x", 2, 2, "t")])
    return msgspec.structs.replace(block, **changes)


@pytest.mark.parametrize("block", [
    spoiled(source_time_us=np.zeros(2, np.int64)), spoiled(value_text=["t"]), spoiled(value_text=[]), spoiled(signal=np.array([0, 1, 0], np.int32)),
    spoiled(signal=np.array([0, -1, 0], np.int32)), spoiled(status=np.array([0, 9, 0], np.int32)), spoiled(status=np.array([0, -1, 0], np.int32)),
    spoiled(kind=np.array([1, 0, 4], np.uint8)), spoiled(quality=np.array([0, 3, 0], np.uint8)), spoiled(quality=np.zeros(3, np.uint8)),
    spoiled(kind=np.array([ValueKind.NONE, 0, 3], np.uint8)), spoiled(value_f64=np.array([np.nan, 0, 0])),
    spoiled(value_f64=np.array([np.inf, 0, 0])),
])
def test_columns_that_do_not_fit_together_are_rejected(block: Block) -> None:
    with pytest.raises(Rejected):
        check_block(block)


def test_the_empty_block() -> None:
    for block in (empty_block(), concat([]), concat([empty_block(), empty_block()]), empty_block().take(np.zeros(0, np.bool_))):
        check_block(block)
        assert len(block) == 0 and block.readings() == []
