"""Posted hours, days and months: the same bits whichever way they are merged, and nothing old after a change."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from analytics.compute import components_of
from analytics.indicator import Components, Indicator, load_indicators, merge_all
from gateway.components import ComponentsCache
from gateway.posted import Posted
from tests.unit.gateway.plant import workshop
from workshop.block import Block, empty_block
from workshop.reading import ValueKind
from workshop.register import Workshop
from workshop.signal import SignalKind
from workshop.window import HOUR_US, Window
from workshop.wire import ComponentsRow

DAY_US = 24 * HOUR_US


def local(month: int, day: int) -> int:
    """Midnight in Shanghai in 2026, µs."""
    return int(datetime(2026, month, day, tzinfo=UTC).timestamp()) * 1_000_000 - 8 * HOUR_US


MONTH = Window(local(2, 1), local(3, 1))
WIDE = Window(local(1, 31) + 5 * HOUR_US, local(3, 2) + 7 * HOUR_US + 1)
OF = ("networking_rate_all", "mtbf", "energy_per_part")


def readings(register: Workshop) -> Block:
    """Every signal of numbers every five minutes in the wide window: states that change, counters that grow."""
    dice = np.random.default_rng(11)
    times = np.arange(WIDE.start_us - HOUR_US, WIDE.end_us, HOUR_US // 12)
    signals = [(name, signal) for name, _, signal in register.signals() if signal.kind in (SignalKind.STATE, SignalKind.COUNTER)]
    values = [
        np.cumsum(dice.integers(0, 3, len(times))) if signal.kind is SignalKind.COUNTER else dice.integers(0, 5, len(times)) for _, signal in signals
    ]
    count = len(signals) * len(times)
    return msgspec.structs.replace(
        empty_block(), signals=[name for name, _ in signals], statuses=[""], signal=np.repeat(np.arange(len(signals), dtype=np.int32), len(times)),
        source_time_us=np.tile(times, len(signals)), received_time_us=np.tile(times, len(signals)), kind=np.full(count, ValueKind.I64, np.uint8),
        value_f64=np.zeros(count), value_i64=np.concatenate(values).astype(np.int64), value_text=[""] * count, quality=np.zeros(count, np.uint8),
        status=np.zeros(count, np.int32),
    )


def row_of(piece: Components) -> ComponentsRow:
    return ComponentsRow(piece.indicator, piece.version, piece.equipment, piece.start_us, piece.end_us, "", msgspec.to_builtins(piece))


@pytest.fixture(scope="module")
def hours() -> dict[str, list[Components]]:
    """Of each indicator all full hours."""
    register, indicators = workshop(), load_indicators()
    block = readings(register)
    return {
        name: [piece for piece in components_of(indicators[name], register, block, WIDE) if piece.end_us - piece.start_us == HOUR_US] for name in OF
    }


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ComponentsCache]:
    cache = ComponentsCache(tmp_path / "components.sqlite")
    yield cache
    cache.close()


def whole(found: list[tuple[Window, list[Components]]]) -> list[Components]:
    return merge_all(piece for _, pieces in found for piece in pieces)


@pytest.mark.parametrize("name", OF)
def test_days_and_months_merge_to_the_same_bits_as_their_hours(cache: ComponentsCache, hours: dict[str, list[Components]], name: str) -> None:
    register, indicator = workshop(), load_indicators()[name]
    cache.put([row_of(piece) for piece in hours[name]])
    posted = Posted(cache, lambda _: register)
    first = posted.find(indicator, WIDE, register)
    assert posted.find(indicator, WIDE, register) == first, "kept sums say what making them said"
    lengths = [span.length_us // HOUR_US for span, _ in first]
    assert lengths == [1] * 19 + [28 * 24, 24] + [1] * 7
    assert whole(first) == merge_all(hours[name])
    assert cache.has_sum(name, indicator.version, MONTH, register.digest)


@pytest.mark.parametrize(("start_us", "end_us"), [
    (local(2, 3) + HOUR_US, local(2, 3) + 4 * HOUR_US), (local(2, 3), local(2, 3) + HOUR_US), (local(2, 1), local(2, 1) + 3 * HOUR_US),
    (local(2, 28) + 20 * HOUR_US, local(3, 1)), (local(2, 28) + 20 * HOUR_US, local(3, 1) + 2 * HOUR_US), (local(2, 5), local(2, 6)),
    (local(2, 5) + 1, local(2, 6) - 1),
])
def test_windows_of_hours_are_hours(cache: ComponentsCache, hours: dict[str, list[Components]], start_us: int, end_us: int) -> None:
    register, indicator, window = workshop(), load_indicators()["mtbf"], Window(start_us, end_us)
    cache.put([row_of(piece) for piece in hours["mtbf"]])
    found = Posted(cache, lambda _: register).find(indicator, window, register)
    inside = [piece for piece in hours["mtbf"] if start_us <= piece.start_us and piece.end_us <= end_us]
    assert whole(found) == merge_all(inside)
    assert len(found) == (1 if window.length_us == DAY_US else len({piece.start_us for piece in inside}))


def test_a_row_that_comes_again_takes_the_sums_over_it_away(cache: ComponentsCache, hours: dict[str, list[Components]]) -> None:
    register, indicator = workshop(), load_indicators()["energy_per_part"]
    cache.put([row_of(piece) for piece in hours["energy_per_part"]])
    posted = Posted(cache, lambda _: register)
    posted.find(indicator, WIDE, register)
    old = next(piece for piece in hours["energy_per_part"] if piece.start_us == local(2, 14) and piece.values)
    name = next(iter(old.values))
    changed = msgspec.structs.replace(old, values=old.values | {name: old.values[name] + 5})
    cache.put([row_of(changed)])
    at = ("energy_per_part", indicator.version)
    assert not cache.has_sum(*at, MONTH, register.digest)
    assert not cache.has_sum(*at, Window(local(2, 14), local(2, 15)), register.digest)
    assert cache.has_sum(*at, Window(local(2, 13), local(2, 14)), register.digest), "its neighbours stay"
    again = whole(posted.find(indicator, MONTH, register))
    before = merge_all(piece for piece in hours["energy_per_part"] if MONTH.start_us <= piece.start_us and piece.end_us <= MONTH.end_us)
    assert sum(piece.values[name] for piece in again) == sum(piece.values[name] for piece in before) + 5


def test_an_hour_that_is_missing_leaves_its_day_in_hours(cache: ComponentsCache, hours: dict[str, list[Components]]) -> None:
    register, indicator = workshop(), load_indicators()["mtbf"]
    lost = Window(local(2, 10) + 3 * HOUR_US, local(2, 10) + 4 * HOUR_US)
    cache.put([row_of(piece) for piece in hours["mtbf"] if piece.start_us != lost.start_us])
    found = Posted(cache, lambda _: register).find(indicator, MONTH, register)
    assert [span.length_us // HOUR_US for span, _ in found] == [24] * 9 + [1] * 23 + [24] * 18
    assert all(not span.clip(lost).length_us for span, _ in found)


def test_a_span_with_two_revisions_is_never_one_sum(cache: ComponentsCache, hours: dict[str, list[Components]]) -> None:
    register, indicator = workshop(), load_indicators()["mtbf"]
    later = msgspec.structs.replace(register, title_en="Later")
    cache.put([row_of(piece) for piece in hours["mtbf"]])
    change_us = local(2, 20) + 9 * HOUR_US
    posted = Posted(cache, lambda span: later if span.end_us > change_us else register)
    assert sum(span.length_us for span, _ in posted.find(indicator, MONTH, later)) == MONTH.end_us - change_us
    before = posted.find(indicator, Window(MONTH.start_us, local(2, 21)), register)
    assert [span.length_us // HOUR_US for span, _ in before] == [24] * 19 + [1] * 9
    part = msgspec.structs.replace(register, shifts=())
    assert posted.find(indicator, MONTH, part) == [], "a register that a grouping has cut is no revision, whatever digest it carries"


def test_equipment_out_of_service_is_not_waited_for(cache: ComponentsCache, hours: dict[str, list[Components]]) -> None:
    register, indicator = workshop(), load_indicators()["mtbf"]
    left = register.equipment[0]
    assert indicator.applies(left)
    retired = msgspec.structs.replace(register, equipment=(msgspec.structs.replace(left, in_service_to="2026-02-03"), *register.equipment[1:]))
    cache.put([row_of(piece) for piece in hours["mtbf"] if piece.equipment != left.id or piece.start_us < local(2, 4)])
    found = Posted(cache, lambda _: retired).find(indicator, MONTH, retired)
    assert [span for span, _ in found] == [MONTH]


def test_the_keeper_merges_full_days_and_the_last_month_once(cache: ComponentsCache, hours: dict[str, list[Components]]) -> None:
    register = workshop()
    indicators: list[Indicator] = [load_indicators()[name] for name in OF]
    for name in OF:
        cache.put([row_of(piece) for piece in hours[name]])
    posted, now_us = Posted(cache, lambda _: register), local(3, 2) + HOUR_US
    assert posted.roll_up(indicators, now_us, lambda: True) == 0, "told to stop"
    made = posted.roll_up(indicators, now_us, lambda: False)
    assert made == len(OF) * (3 + 1), "three days and a month; the days inside the month are merged with it"
    assert cache.has_sum("mtbf", indicators[1].version, MONTH, register.digest)
    assert posted.roll_up(indicators, now_us, lambda: pytest.fail("nothing is left to merge")) == 0


def test_a_file_of_before_loses_its_sums_and_keeps_its_rows(tmp_path: Path, hours: dict[str, list[Components]]) -> None:
    path, key = tmp_path / "components.sqlite", ("mtbf", load_indicators()["mtbf"].version)
    cache = ComponentsCache(path)
    cache.put([row_of(piece) for piece in hours["mtbf"]])
    cache.keep_sum(*key, MONTH, "digest", hours["mtbf"][:1])
    cache.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    again = ComponentsCache(path)
    assert not again.has_sum(*key, MONTH, "digest") and len(again.find("mtbf", WIDE)) > 0
    again.keep_sum(*key, MONTH, "digest", hours["mtbf"][:1])
    assert again.has_sum(*key, MONTH, "digest")
    again.close()
