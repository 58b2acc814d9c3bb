"""Vectors worked by hand: alarms one by one, limits, open doors, inspection rounds; and spells and tallies cut anywhere."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.boundary import merge_boundaries
from analytics.compute import compute
from analytics.indicator import Result, load_indicators
from analytics.missing import NOTHING, Missing, missing_of
from analytics.rounds import due
from analytics.spells import Spells, Tally, spells_of, tally_of
from analytics.steps import Pieces
from tests.unit.analytics.plant import START_US, block, every, machine, reading, rows, window, workshop
from workshop.errors import ConfigError
from workshop.reading import Reading
from workshop.register import Equipment, Round, Workshop
from workshop.register_file import check_register
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import HOUR_US, SECOND_US, Window

KNOWN = load_indicators()
DAY = 24 * 3600
ALARM = Signal("alarm", "alarm", SignalKind.STATE, max_age_s=600)
HOT = Signal("hot", "motor_temperature", SignalKind.GAUGE, "Cel", max_age_s=60, lower="-5", upper="80.5")
OIL = Signal("oil", "oil_temperature", SignalKind.GAUGE, "Cel", max_age_s=60, upper="100")
WIDTH = Signal("width", "diameter", SignalKind.GAUGE, "mm", max_age_s=60, upper="25")
LINK = Signal("link", "link_state", SignalKind.STATE, max_age_s=600, origin=Origin.EDGE)
DOOR = Signal("door", "door_closed", SignalKind.STATE, max_age_s=10)
SPIN = Signal("spin", "spindle_speed", SignalKind.GAUGE, max_age_s=10)
SCAN = Signal("scan", "inspection_round", SignalKind.EVENT)


def result(identifier: str, readings: list[Reading], end_s: float, item: Equipment, missing: Missing = NOTHING) -> Result:
    return compute(KNOWN[identifier], workshop(item), block(readings), window(0, end_s), missing)


def test_the_ten_commonest_alarms() -> None:
    # Alarm n of 1 … 12 comes n times: 78 in all, the ten commonest 75.
    item, readings, at = machine(signals=(ALARM,)), [reading("cnc-01/alarm", 0, 0)], 0
    for number in range(1, 13):
        for _ in range(number):
            readings += rows("cnc-01/alarm", [(at + 70, number), (at + 75, 0)])
            at += 80
    found = result("alarm_top_ten_share", readings, at, item)
    assert (found.counts["top"], found.counts["annunciations"], found.counts["different"]) == (75, 78, 12)
    assert found.value == Decimal("0.961538") and "cnc-01 12: 12" in found.why and "guide value" in found.why
    assert "only 2 different" in result("alarm_top_ten_share", readings[:7], 300, item).why


def test_an_alarm_that_comes_three_times_in_a_minute_chatters() -> None:
    item = machine(signals=(ALARM,))
    def flicker(number: int, start: int, times: int) -> list[Reading]:
        return rows("cnc-01/alarm", [(start + 10 * n + d, number * (d == 0)) for n in range(times) for d in (0, 5)])

    readings = flicker(7, 3570, 3) + flicker(8, 3600, 2) + flicker(9, 3660, 3) + flicker(9, 3720, 5)
    found = result("alarm_chattering", readings, 7200, item)
    # 7 comes at 59:30, 59:40, 59:50: three in one minute; 8 twice; 9 in two minutes.
    assert (found.value, found.counts["minutes"]) == (2, 3)
    assert result("alarm_chattering", [], 7200, item).value is None


def test_an_alarm_is_stale_after_a_day_and_a_hole_ends_what_is_known_of_it() -> None:
    item = machine(signals=(ALARM,))
    readings = every("cnc-01/alarm", range(0, 3600, 300), 0) + every("cnc-01/alarm", range(3600, 3600 + DAY, 300), 7)
    readings += every("cnc-01/alarm", range(3600 + DAY, 2 * DAY, 300), 0)
    found = result("alarm_stale", readings, 2 * DAY, item)
    assert (found.value, found.counts["longest_s"], found.lost_us) == (1, DAY, 0)
    assert result("alarm_stale", readings, DAY, item).value == 0
    assert "stands at the border" in result("alarm_stale", readings, DAY, item).excluded[0].what
    assert result("alarm_stale", readings, DAY - 1, item).value is None
    hole = missing_of([(("cnc-01/alarm",), START_US + 7200 * SECOND_US, START_US + 7300 * SECOND_US)])
    found = result("alarm_stale", readings, 2 * DAY, item, hole)
    assert found.value == 0 and found.lost_us > 0 and "undetermined" in found.why


def test_time_number_and_length_of_exceedances() -> None:
    item = machine(signals=(HOT, OIL, WIDTH))
    # Hot from 100 to 130 s, oil from 120 to 150 s: one exceedance of 50 s. Hot again from 200 to 210 s. 80.5 itself is inside.
    hot = [(t, 90.0 if 100 <= t < 130 or 200 <= t < 210 else 80.5) for t in range(0, 300, 10)]
    oil = [(t, 100.5 if 120 <= t < 150 else 20.0) for t in range(0, 300, 10)]
    readings = rows("cnc-01/hot", hot) + rows("cnc-01/oil", oil) + every("cnc-01/width", range(0, 300, 10), 99.0)
    found = {name: result(name, readings, 300, item) for name in ("limit_exceedance_share", "limit_exceedances", "limit_longest")}
    assert [item.value for item in found.values()] == [Decimal("0.200000"), 2, 50]
    assert found["limit_exceedance_share"].counts["over_s"] == 60
    half = result("limit_exceedance_share", [row for row in readings if row.source_time_us < START_US + 160 * SECOND_US], 300, item)
    assert half.coverage < Decimal("0.8") and half.high is not None and half.high > Decimal("0.4")
    cold = result("limit_exceedances", rows("cnc-01/hot", [(t, -5.1) for t in range(0, 60, 10)]), 60, machine(signals=(HOT,)))
    assert cold.value == 1 and result("limit_exceedances", [], 60, item).value is None


def test_moving_with_an_open_door() -> None:
    item = machine(signals=(DOOR, SPIN))
    door = [(t, 0 if 20 <= t < 40 else 1) for t in range(0, 100, 5)]
    spin = [(t, 800.0 if t < 30 else 0.0) for t in range(0, 100, 5)]
    found = result("door_open_moving_share", rows("cnc-01/door", door) + rows("cnc-01/spin", spin), 100, item)
    assert (found.value, found.counts["over_s"], found.coverage) == (Decimal("0.100000"), 10, 1)
    unknown = result("door_open_moving_share", rows("cnc-01/spin", [(t, 800.0) for t in range(0, 100, 5)]), 100, item)
    assert unknown.value is None and unknown.coverage == 0


def test_rounds_that_were_due_and_made() -> None:
    # From 23:00 on for ten hours: due at 00:00, 04:00 and 08:00, and not at 08:45, whose tolerance ends after the window.
    rounds = (Round("fire", ("00:00", "04:00", "08:00")), Round("oil", ("08:45",), tolerance_min=20))
    item = machine(signals=(LINK, SCAN), rounds=rounds)
    readings = every("cnc-01/link", range(0, 36000, 300), 1)
    made = [reading("cnc-01/scan", 3600 - 1800, "tag-1"), reading("cnc-01/scan", 5 * 3600 + 1800, 1), reading("cnc-01/scan", 9 * 3600, 0)]
    found = result("inspection_rounds_on_time", readings + made, 36000, item)
    # The first 30 min early: just in time; the second 30 min late: too late; the third record: nobody came.
    assert (found.counts["on_time"], found.counts["due"], found.value) == (1, 3, Decimal("0.333333"))
    assert "fire: 2 of 3" in found.excluded[0].what
    hole = missing_of([(("cnc-01/scan",), START_US, START_US + HOUR_US)])
    assert "undetermined" in result("inspection_rounds_on_time", readings + made, 36000, item, hole).why


@pytest.mark.parametrize("record", [1, "tag-1", "", 0.5])
def test_a_record_counts_whatever_its_value_also_where_it_is_the_only_one(record: str | float) -> None:
    item = machine(signals=(LINK, SCAN), rounds=(Round("fire", ("00:00",)),))
    readings = every("cnc-01/link", range(0, 36000, 300), 1)
    assert result("inspection_rounds_on_time", [*readings, reading("cnc-01/scan", 3600, record)], 36000, item).counts["on_time"] == 1


@pytest.mark.parametrize("nobody", [0, 0.0, "0"])
def test_a_record_of_nothing_is_none_whatever_stands_beside_it(nobody: str | float) -> None:
    item = machine(signals=(LINK, SCAN), rounds=(Round("fire", ("00:00",)),))
    readings = [*every("cnc-01/link", range(0, 36000, 300), 1), reading("cnc-01/scan", 9000, "-tag"), reading("cnc-01/scan", 3600, nobody)]
    found = result("inspection_rounds_on_time", readings, 36000, item)
    assert (found.counts["on_time"], found.counts["records"]) == (0, 1)


def test_a_round_is_due_by_the_local_clock_also_when_it_changes() -> None:
    # Berlin, 2026-03-29: 02:30 does not exist; 2026-10-25: 02:30 comes twice. Due once on each day.
    item = Round("r", ("02:30", "14:30"))
    register = workshop(machine(), zone="Europe/Berlin")
    for day in (datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin")), datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin"))):
        start_us, end_us = (round((day + timedelta(days=more)).timestamp()) * SECOND_US for more in (0, 1))
        assert (end_us - start_us) // HOUR_US in (23, 25)
        found = due(register, item, Window(start_us, end_us))
        assert len(found) == 2 and datetime.fromtimestamp(found[1] / SECOND_US, ZoneInfo("Europe/Berlin")).hour == 14


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"signals": (msgspec.structs.replace(HOT, lower="x"),)}, "lower 'x'"),
        ({"signals": (msgspec.structs.replace(HOT, lower="81"),)}, "not below"),
        ({"signals": (msgspec.structs.replace(HOT, upper="1e3"),)}, "1e3"), ({"signals": (msgspec.structs.replace(ALARM, upper="3"),)}, "for gauges"),
        ({"rounds": (Round("r", ()),)}, "at least one"), ({"rounds": (Round("r", ("24:00",)),)}, "HH:MM"),
        ({"rounds": (Round("r", ("08:00", "08:30")),)}, "tolerance_min 30"), ({"rounds": (Round("r", ("08:00",), days=(0,)),)}, "weekdays"),
        ({"rounds": (Round("r", ("08:00",), tolerance_min=0),)}, "tolerance_min 0"),
    ],
)
def test_a_register_with_odd_limits_or_rounds_is_refused(changes: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        check_register(workshop(machine(**changes)))


def test_limits_and_rounds_are_written_only_where_there_are_some() -> None:
    plain, with_limit = workshop(machine()), workshop(machine(signals=(HOT,), rounds=(Round("r", ("08:00",)),)))
    assert b"upper" not in msgspec.json.encode(plain) and b"rounds" not in msgspec.json.encode(plain)
    assert msgspec.json.decode(msgspec.json.encode(with_limit), type=Workshop) == with_limit


CODES = st.lists(st.integers(0, 2), min_size=1, max_size=14)


@given(codes=CODES, cuts=st.lists(st.integers(0, 14), max_size=4), keep=st.integers(1, 6))
def test_spells_cut_anywhere_merge_to_the_same(codes: list[int], cuts: list[int], keep: int) -> None:
    def spells(start: int, end: int) -> Spells:
        time = np.arange(start, end)
        return spells_of(Pieces(time, np.ones(end - start, np.int64), [np.array(codes[start:end], np.int64)]), Window(start, end), keep)

    edges = sorted({0, len(codes), *(min(cut, len(codes)) for cut in cuts)})
    pieces = [spells(start, end) for start, end in pairwise(edges)]
    whole = spells(0, len(codes))
    assert merge_boundaries(pieces) == whole
    runs = [len(run) for code in (1, 2) for run in "".join(str(one) for one in codes).replace(str(3 - code), "0").split("0")]
    assert whole.longest_us == max(runs) and whole.long == sum(run >= keep for run in runs)
    if len(pieces) > 2:
        assert merge_boundaries([merge_boundaries(pieces[:2]), *pieces[2:]]) == merge_boundaries([pieces[0], merge_boundaries(pieces[1:])])


@given(
    events=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 2)), max_size=40), cuts=st.lists(st.integers(0, 300), max_size=4),
    ends=st.tuples(st.integers(0, 100), st.integers(200, 300)), keep=st.integers(1, 3),
)
def test_tallies_cut_anywhere_merge_to_the_same(events: list[tuple[int, int]], cuts: list[int], ends: tuple[int, int], keep: int) -> None:
    def tally(start: int, end: int) -> Tally:
        inner = [(time, code) for time, code in events if start <= time < end]
        time, code = np.array(inner, np.int64).reshape(-1, 2).T
        return tally_of(10, time // 10, code, Window(start, end), keep)

    borders = sorted({*ends, *(cut for cut in cuts if ends[0] <= cut <= ends[1])})
    pieces, whole = [tally(start, end) for start, end in pairwise(borders)], tally(*ends)
    assert merge_boundaries(pieces) == whole
    if len(pieces) > 2:
        assert merge_boundaries([merge_boundaries(pieces[:2]), *pieces[2:]]) == merge_boundaries([pieces[0], merge_boundaries(pieces[1:])])
    counted = Counter((time // 10, code) for time, code in events if ends[0] <= time < ends[1])
    cut_slots = {end // 10 for end in ends if end % 10}
    assert {(slot, code): found for slot, code, found in zip(*(column.tolist() for column in whole.columns), strict=True)} == {
        key: found for key, found in counted.items() if found >= keep or key[0] in cut_slots
    }
