"""The watch over one machine: what it finds and when, that it is silent on a sound one, and that neither cuts, names nor restarts change anything."""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.maintenance.watch.cells import Column
from analytics.maintenance.watch.finding import Finding
from analytics.maintenance.watch.machine import State, Watch
from analytics.maintenance.watch.remaining import remaining_hours
from analytics.maintenance.watch.runs import Gauge, find_stuck, learn_runs
from analytics.maintenance.watch.settings import WatchSettings
from tests.unit.analytics.maintenance.lathe import DAY_US, START_US, bad, cut, lathe, readings
from workshop.block import Block, block_of, concat
from workshop.reading import Reading
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import HOUR_US, Window

CELL_US = WatchSettings().cell_us
SETTINGS = WatchSettings(learn_us=3 * DAY_US, alarm_meanings={1021: "tool_breakage"})


def told(watch: Watch, block: Block, days: float, edges: list[int] | None = None) -> list[Finding]:
    """Feeds so many days, cut at these numbers of cells."""
    end = round(days * DAY_US / CELL_US)
    cuts = sorted({0, end, *(edge for edge in (edges if edges is not None else range(0, end, 288)) if 0 < edge < end)})
    found = []
    for first, last in pairwise(cuts):
        window = Window(START_US + first * CELL_US, START_US + last * CELL_US)
        found += watch.feed(cut(block, window.start_us, window.end_us), window)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_sound_machine_gives_no_findings(seed: int) -> None:
    watch = Watch(lathe(), SETTINGS)
    assert told(watch, readings(14, seed=seed), 14) == []
    health = watch.health()
    assert health is not None
    assert health[0] > 0.5
    assert health[1] <= health[0] <= health[2]
    assert watch.remaining() is None


FAULTS: dict[str, tuple[dict[str, tuple[float, float, float]], float]] = {
    # what is found, and within how many hours of the beginning
    "bearing_wear": ({"wear": (5.0, 10.0, 1.0)}, 60.0),
    "coolant_loss": ({"leak": (6.0, 7.0, 0.5)}, 2.0),
    "sensor_drift": ({"drift": (6.0, 8.0, 0.02)}, 12.0),
    "sensor_stuck": ({"stuck": (6.05, 7.0, 0.0)}, 4.0),
    "sensor_range": ({"range": (6.0, 6.1, 0.0)}, 0.1),
    "unknown_stop": ({"alarm": (6.0, 6.1, 3107)}, 0.1),
    "tool_breakage": ({"alarm": (6.0, 6.1, 1021)}, 0.1),
}


@pytest.mark.parametrize("what", FAULTS)
def test_each_fault_is_found_once_and_named(what: str) -> None:
    faults, within_h = FAULTS[what]
    first, last, _ = next(iter(faults.values()))
    found = told(Watch(lathe(), SETTINGS), readings(last, **faults), last)
    assert [one.what for one in found] == [what]
    began_us = START_US + round(first * DAY_US)
    assert began_us <= found[0].at_us <= began_us + within_h * HOUR_US
    assert found[0].since_us <= found[0].at_us
    assert 0.5 <= found[0].score < 1
    assert found[0].roles
    assert found[0].evidence
    assert found[0].advice_zh
    assert found[0].advice_en


@pytest.mark.parametrize(("fault", "role"), [("freeze", "spindle_vibration"), ("frozen_load", "spindle_load")])
def test_a_frozen_gauge_is_not_taken_for_wear(fault: str, role: str) -> None:
    found = told(Watch(lathe(), SETTINGS), readings(8, **{fault: (6.05, 7.0, 0.0)}), 8)
    assert [(one.what, one.roles) for one in found] == [("sensor_stuck", (role,))]


def test_neither_cuts_nor_restarts_change_the_findings() -> None:
    block = readings(9, wear=(5.0, 9.0, 1.0), stuck=(6.0, 7.0, 0.0), range=(8.0, 8.02, 0.0))
    whole = told(Watch(lathe(), SETTINGS), block, 9, edges=[3 * 288])
    assert {one.what for one in whole} == {"bearing_wear", "sensor_stuck", "sensor_range"}
    dice = np.random.default_rng(4)
    pieces = sorted({3 * 288, *dice.integers(1, 9 * 288, 60).tolist()})
    watch = Watch(lathe(), SETTINGS)
    found: list[Finding] = []
    for first, last in zip([0, *pieces], [*pieces, 9 * 288], strict=True):
        window = Window(START_US + first * CELL_US, START_US + last * CELL_US)
        found += watch.feed(cut(block, window.start_us, window.end_us), window)
        # What it knows is plain data: a restart goes on from the file.
        watch = Watch(lathe(), SETTINGS, msgspec.json.decode(msgspec.json.encode(watch.state), type=State))
    keys = [(one.what, one.at_us, one.roles) for one in whole]
    assert [(one.what, one.at_us, one.roles) for one in found] == keys


def test_it_asks_for_roles_and_never_reads_derived_signals() -> None:
    renamed = tuple(msgspec.structs.replace(signal, name=f"x{i}") for i, signal in enumerate(lathe().signals))
    names = {f"lathe-09/{signal.name}": f"lathe-09/x{i}" for i, signal in enumerate(lathe().signals)}
    block = readings(7, leak=(6.0, 7.0, 0.5))
    other = msgspec.structs.replace(block, signals=[names[name] for name in block.signals])
    derived = Signal("health", "health", SignalKind.GAUGE, origin=Origin.DERIVED)
    watch = Watch(lathe(signals=(*renamed, derived)), SETTINGS)
    assert "lathe-09/health" not in watch.inputs
    assert [one.document() for one in told(watch, other, 7)] == [one.document() for one in told(Watch(lathe(), SETTINGS), block, 7)]


def test_the_life_left_of_a_bearing_holds_the_truth() -> None:
    watch = Watch(lathe(), SETTINGS)
    told(watch, readings(9, wear=(5.0, 10.0, 0.8)), 9)
    left = watch.remaining()
    assert left is not None
    hours, low, high = left
    assert low <= hours <= high
    assert low <= 24.0 <= high
    health = watch.health()
    assert health is not None
    assert health[0] < 0.5


def test_life_left_in_numbers() -> None:
    growing = [(i, 0.01 * float(np.exp(0.1 * i))) for i in range(20)]
    left = remaining_hours(growing, 1.0, 0.8)
    assert left is not None
    assert left[0] == pytest.approx(np.log(80) / 0.1 - 19, rel=1e-6)
    assert left[1] < left[0] < left[2]
    assert remaining_hours([(i, 1.0) for i in range(20)], 1.0, 0.8) == (0.0, 0.0, 0.0)
    assert remaining_hours([(i, -0.1) for i in range(20)], 1.0, 0.8) is None


def test_holes_and_bad_readings_are_no_findings() -> None:
    block = readings(8)
    hole = concat([cut(block, START_US, START_US + 5 * DAY_US), cut(block, START_US + 5 * DAY_US + 7 * HOUR_US, START_US + 8 * DAY_US)])
    spoiled = concat([hole, block_of([bad("watt", START_US + 6 * DAY_US + i * 60_000_000 + 1) for i in range(300)])])
    assert told(Watch(lathe(), SETTINGS), spoiled, 8) == []


@pytest.mark.parametrize(("eventless", "events", "found"), [(False, 0, 0), (True, 0, 1), (False, 40, 1), (False, 3, 0)])
def test_a_long_standstill_is_no_stuck_sensor(eventless: bool, events: int, found: int) -> None:
    dice, gauge = np.random.default_rng(0), Gauge()
    time = np.arange(1, 3001, dtype=np.int64)
    learn_runs(gauge, Column(time, dice.normal(size=3000), False), time[::30])
    standing = Column(time + 3000, np.full(3000, 1.5), False)
    stuck = find_stuck(gauge, standing, np.linspace(3500, 5500, events).astype(np.int64), eventless=eventless)
    assert len(stuck) == found
    assert all(3001 <= one.since_us < one.at_us <= 6000 for one in stuck)


def test_a_machine_without_these_signals_is_borne() -> None:
    bare = lathe(signals=(Signal("state", "item_state", SignalKind.STATE),))
    watch = Watch(bare, SETTINGS)
    assert told(watch, readings(4), 4) == []
    assert watch.health() is not None


VALUES = st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-(2**62), 2**62), st.text(max_size=3))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from([s.name for s in lathe().signals]), st.integers(0, 4 * 288 - 1), VALUES), max_size=60), st.booleans())
def test_no_readings_break_it(rows: list[tuple[str, int, Any]], warm: bool) -> None:
    quick = msgspec.structs.replace(SETTINGS, learn_us=DAY_US if warm else 0)
    made = [bad(name, START_US + cell * CELL_US) if value is None else
            Reading(f"lathe-09/{name}", START_US + cell * CELL_US, START_US, value) for name, cell, value in rows
            if not isinstance(value, float) or np.isfinite(value)]
    found = told(Watch(lathe(), quick), block_of(made), 4)
    assert all(one.what for one in found)
