"""Readings whose time is far from their reception."""

import struct

import pytest

from edge.skew import mark_skew
from workshop.block import block_of
from workshop.reading import Quality, Reading

NOW = 1_795_000_000_000_000
LIMIT = 300_000_000
LOAD, LINK = "cnc-01/load", "cnc-01/link_state"


@pytest.mark.parametrize(("away_us", "quality"), [
    (0, Quality.GOOD), (LIMIT, Quality.GOOD), (-LIMIT, Quality.GOOD), (LIMIT + 1, Quality.UNCERTAIN), (-LIMIT - 1, Quality.UNCERTAIN),
])
def test_beyond_the_limit_a_good_reading_is_uncertain(away_us: int, quality: Quality) -> None:
    block, count = mark_skew(block_of([Reading(LOAD, NOW + away_us, NOW, 0.1)]), {LOAD}, LIMIT)
    reading = block.reading(0)
    assert (reading.quality, reading.status, count) == ((quality, "ClockSkew", 1) if quality else (quality, "", 0))
    assert reading.source_time_us == NOW + away_us and reading.received_time_us == NOW
    assert struct.pack("<d", reading.value) == struct.pack("<d", 0.1)


def test_only_good_readings_of_machines_change_and_the_devices_status_stays() -> None:
    far = NOW - 2 * LIMIT
    readings = [
        Reading(LOAD, far, NOW, 1.0, Quality.GOOD, "Overflow"), Reading(LOAD, far, NOW, 2.0, Quality.UNCERTAIN, "UncertainLastUsableValue"),
        Reading(LOAD, far, NOW, None, Quality.BAD, "BadSensorFailure"), Reading(LINK, far, NOW, 1), Reading(LOAD, NOW, NOW, 3.0),
        Reading(LOAD, far, NOW, "x"),
    ]
    block, count = mark_skew(block_of(readings), {LOAD}, LIMIT)
    assert count == 2
    assert [(reading.value, reading.quality, reading.status) for reading in block.readings()] == [
        (1.0, Quality.UNCERTAIN, "Overflow"), (2.0, Quality.UNCERTAIN, "UncertainLastUsableValue"), (None, Quality.BAD, "BadSensorFailure"),
        (1, Quality.GOOD, ""), (3.0, Quality.GOOD, ""), ("x", Quality.UNCERTAIN, "ClockSkew"),
    ]
