"""Every indicator in zones whose clocks change, by an hour, by half an hour, or lie a quarter beside the hour: hours merge to the whole."""

from datetime import datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings

from analytics.compute import components_of, compute_all
from tests.unit.analytics.plant import START_US
from tests.unit.analytics.test_components import KNOWN, REGISTER, WHOLE, readings
from workshop.block import block_of
from workshop.reading import Reading
from workshop.window import HOUR_US, SECOND_US, Window

CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00Z"), ("Europe/Berlin", "2026-10-25T01:00Z"), ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"), ("Asia/Kathmandu", "2026-03-01T18:15Z"), ("Pacific/Chatham", "2026-04-04T14:00Z"),
    ("America/Los_Angeles", "2026-11-01T09:00Z"), ("Asia/Shanghai", "2026-12-31T16:00Z"),
]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@given(rows=readings())
@settings(max_examples=12, deadline=None)
def test_hours_merge_to_the_whole_over_a_change_of_the_clock(zone: str, change: str, rows: list[Reading]) -> None:
    start_us = round(datetime.fromisoformat(change).timestamp()) * SECOND_US - WHOLE.length_us // 2
    by_us = start_us - START_US
    moved = [
        msgspec.structs.replace(row, source_time_us=row.source_time_us + by_us, received_time_us=row.received_time_us + by_us) for row in rows
    ]
    register, window, block = msgspec.structs.replace(REGISTER, time_zone=zone), Window(start_us, start_us + WHOLE.length_us), block_of(moved)
    indicators = [indicator for indicator in KNOWN.values() if indicator.roles]
    for indicator, found in zip(indicators, compute_all(indicators, register, block, window), strict=True):
        hours = components_of(indicator, register, block, window)
        assert found == indicator.evaluate(hours, register, window), indicator.id
        pieces = sorted((item.start_us, item.end_us) for item in hours if item.equipment == "cnc-01")
        assert pieces[0][0] == window.start_us and pieces[-1][1] == window.end_us
        assert all(end == start for (_, end), (start, _) in pairwise(pieces)) and all(b - a <= HOUR_US for a, b in pieces)
