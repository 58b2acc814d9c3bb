"""Series: each fact once, in order of time, whatever the order of arrival; carry-in; state durations and counters worked by hand."""

import random

import msgspec
import numpy as np
import pytest

from analytics.compute import needed_signals, needed_texts
from analytics.indicator import load_indicators
from analytics.input_digest import digest_of
from analytics.series import LOOKBACK_US, inputs_of, series_of
from analytics.steps import UNKNOWN, cut, fresh, held, increases
from analytics.texts import LONGEST
from tests.unit.analytics.plant import SIGNALS, START_US, block, every, machine, reading, rows, window, workshop
from workshop.reading import Quality, Value
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import SECOND_US


def seconds(times: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[float]:
    return [(time - START_US) / SECOND_US for time in times.tolist()]


def durations(readings: list, role: str = "item_state", start: float = 0, end: float = 60) -> dict[int, float]:
    """Seconds by value of a state."""
    inputs = inputs_of(workshop(machine()), machine(), block(readings), window(start, end))
    pieces = cut([window(start, end)], [held(inputs, role)])
    found: dict[int, float] = {}
    for value, length in zip(pieces.values[0].tolist(), pieces.length_us.tolist(), strict=True):
        found[value] = found.get(value, 0) + length / SECOND_US
    return found


def grown(readings: list, role: str = "good_count", start: float = 0, end: float = 60) -> tuple[int, int, int]:
    """Total, resets, beginnings."""
    inputs = inputs_of(workshop(machine()), machine(), block(readings), window(start, end))
    found = increases(inputs, role, window(start, end))
    return found.total, found.resets, found.beginnings


def test_the_same_fact_again_counts_once() -> None:
    readings = rows("cnc-01/good", [(1, 5), (2, 6), (1, 5), (3, 7), (2, 6)])
    series = series_of(block(readings))["cnc-01/good"]
    assert seconds(series.time_us) == [1, 2, 3]
    assert series.value.tolist() == [5, 6, 7]
    assert len(series.conflict_us) == 0


def test_of_conflicting_values_the_first_received_stays_and_the_others_are_counted() -> None:
    early, late = reading("cnc-01/good", 2, 6, delay_us=10), reading("cnc-01/good", 2, 9, delay_us=20)
    for order in ([early, late], [late, early], [late, early, late]):
        series = series_of(block([*order, reading("cnc-01/good", 1, 5)]))["cnc-01/good"]
        assert series.value.tolist() == [5, 6]
        assert seconds(series.conflict_us) == [2]


def test_a_bad_reading_contradicts_a_good_one_of_the_same_time() -> None:
    series = series_of(block([reading("cnc-01/good", 1, None, delay_us=1), reading("cnc-01/good", 1, 5, delay_us=2)]))["cnc-01/good"]
    assert series.good.tolist() == [False]
    assert len(series.conflict_us) == 1


def test_rows_in_any_order_give_the_same_bits() -> None:
    readings = rows("cnc-01/good", [(i % 7, i % 3) for i in range(40)])
    readings += rows("cnc-01/state", [(i % 5, None if i % 4 == 0 else i % 3) for i in range(40)])
    register, item = workshop(machine()), machine()
    digests = set()
    for seed in range(5):
        random.Random(seed).shuffle(readings)
        digests.add(digest_of(inputs_of(register, item, block(readings), window(2, 6))))
    assert len(digests) == 1


def test_a_state_holds_until_the_next_reading_or_its_maximum_age() -> None:
    # 3 from 0 to 4, 2 from 4 to 9 (age 5 s), unknown to 20, 3 from 20 to 25, unknown to 60.
    assert durations(rows("cnc-01/state", [(0, 3), (4, 2), (20, 3)])) == {3: 9.0, 2: 5.0, UNKNOWN: 46.0}


def test_a_bad_or_uncertain_state_is_unknown_and_never_stopped() -> None:
    uncertain = reading("cnc-01/state", 2, 3, Quality.UNCERTAIN)
    assert durations([*rows("cnc-01/state", [(0, 3), (1, None)]), uncertain], end=3) == {3: 1.0, UNKNOWN: 2.0}


def test_a_state_that_is_no_integer_is_unknown() -> None:
    assert durations(rows("cnc-01/state", [(0, 3.0), (1, 2.5), (2, "running")]), end=3) == {3: 1.0, UNKNOWN: 2.0}


def test_the_state_before_the_window_is_carried_in_for_the_rest_of_its_age() -> None:
    assert durations(rows("cnc-01/state", [(-3, 3), (-2, 2)]), end=4) == {2: 3.0, UNKNOWN: 1.0}


def test_a_bad_reading_before_the_window_is_carried_in_too() -> None:
    assert durations(rows("cnc-01/state", [(-2, 3), (-1, None)]), end=2) == {UNKNOWN: 2.0}


def test_freshness_needs_no_number() -> None:
    inputs = inputs_of(workshop(machine()), machine(), block(rows("cnc-01/state", [(0, "running"), (2, None)])), window(0, 10))
    pieces = cut([window(0, 10)], [fresh(inputs, "item_state")])
    assert pieces.total_us(pieces.values[0] == 1) == 2 * SECOND_US


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([98, 99, 100, 0, 3], (5, 1, 1)),   # the vector of the reference: 2 + 3, one reset
        ([7], (0, 0, 1)),
        ([5, 5, 5], (0, 0, 1)),
        ([1, 4, 2, 1, 6], (8, 2, 1)),
        ([1.0, 2.0, 5.0], (4, 0, 1)),
        ([10, None, 14], (4, 0, 1)),        # what a counter grew by over a bad reading is a fact
    ],
)
def test_counters(values: list, expected: tuple[int, int, int]) -> None:
    assert grown(rows("cnc-01/good", enumerate(values))) == expected


def test_a_counter_is_carried_in_over_bad_readings() -> None:
    assert grown(rows("cnc-01/good", [(-9, 40), (-5, 41), (-2, None), (3, 44)])) == (3, 0, 0)


def test_a_counter_begins_anew_after_a_long_silence() -> None:
    hour = LOOKBACK_US // SECOND_US
    readings = rows("cnc-01/good", [(0, 1), (hour, 5), (2 * hour + 1, 50), (2 * hour + 2, 52)])
    assert grown(readings, end=3 * hour) == (4 + 2, 0, 2)


def test_a_counter_of_energy_is_read_in_mwh_from_floats_or_integers() -> None:
    assert grown(rows("cnc-01/energy", [(0, 10), (1, 10.25), (2, 12)]), "energy_import") == (2000, 0, 1)


def test_a_count_beyond_exact_floats_is_not_usable() -> None:
    assert grown(rows("cnc-01/good", [(0, 2**53 - 2), (1, 2**53 - 1), (2, 2**53), (3, -(2**63))])) == (1, 0, 1)


def test_derived_signals_support_nothing() -> None:
    derived = tuple(msgspec.structs.replace(s, origin=Origin.DERIVED) if s.role == "good_count" else s for s in SIGNALS)
    item = machine(signals=derived)
    readings = block(every("cnc-01/good", range(5), 1), every("cnc-01/scrap", range(5), 1))
    assert set(inputs_of(workshop(item), item, readings, window(0, 5)).columns) == {"scrap_count"}


TEXTUAL = (Signal("program", "program", SignalKind.TEXT, max_age_s=5), Signal("serial", "serial", SignalKind.EVENT, max_age_s=5))


def said(readings: list, role: str = "program", start: float = 0, end: float = 60) -> list[tuple[float, str | None]]:
    """Seconds and text of every row, None where it is not good."""
    item = machine(signals=TEXTUAL)
    inputs = inputs_of(workshop(item), item, block(readings), window(start, end))
    texts, number, good = inputs.said(role)
    times = seconds(inputs.series(role).time_us)
    return [(at, texts[code] if known else None) for at, code, known in zip(times, number.tolist(), good.tolist(), strict=True)]


def test_texts_are_facts_in_order_of_time_and_are_carried_in() -> None:
    readings = rows("cnc-01/program", [(3, "O2"), (-2, "O1"), (5, None), (9, "程序"), (3, "O2")])
    assert said(readings) == [(-2, "O1"), (3, "O2"), (5, None), (9, "程序")]
    assert said(list(reversed(readings))) == said(readings)


def test_a_text_that_nobody_says_is_an_empty_series() -> None:
    silent = block(rows("cnc-01/serial", [(1, "S1")]), rows("cnc-01/program", [(2, "O1")]))
    found = series_of(silent.take(silent.signal == 0), texts={"cnc-01/program"})["cnc-01/program"]
    assert len(found) == 0 and found.texts == ()


def test_of_conflicting_texts_the_first_received_stays() -> None:
    late, early = reading("cnc-01/program", 2, "A", delay_us=20), reading("cnc-01/program", 2, "Z", delay_us=10)
    for order in ([early, late], [late, early]):
        assert said(order) == [(2, "Z")]
        found = series_of(block(order), texts={"cnc-01/program"})["cnc-01/program"]
        assert seconds(found.conflict_us) == [2]


def test_an_event_may_be_a_number_and_is_read_as_its_digits() -> None:
    readings = rows("cnc-01/serial", [(1, 7), (2, 7.0), (3, "7"), (4, 7.5), (5, -3)])
    assert [text for _, text in said(readings, "serial")] == ["7", "7", "7", "7.5", "-3"]


def test_a_long_text_is_cut_and_stays_apart_from_others_with_its_beginning() -> None:
    found = [text for _, text in said(rows("cnc-01/serial", [(1, "x" * 500), (2, "x" * 501), (3, "x" * LONGEST)]), "serial")]
    assert len(set(found)) == 3 and all(text is not None and len(text) == LONGEST for text in found)


def test_the_number_of_a_text_is_no_number() -> None:
    item = machine(signals=TEXTUAL)
    inputs = inputs_of(workshop(item), item, block(rows("cnc-01/program", [(1, "O1"), (2, "3")])), window(0, 5))
    assert not inputs.integers("program")[1].any()
    assert (held(inputs, "program").value == UNKNOWN).all()
    assert (fresh(inputs, "program").value == 1).any()


def test_digests_of_texts_do_not_depend_on_texts_of_other_hours() -> None:
    item = machine(signals=TEXTUAL)

    def digest(*values: tuple[float, Value | None]) -> str:
        return digest_of(inputs_of(workshop(item), item, block(rows("cnc-01/program", values)), window(0, 10)))

    assert digest((1, "B"), (2, "C")) == digest((1, "B"), (2, "C"), (5000, "A"))
    assert digest((1, "B"), (2, None), (3, "C")) == digest((1, "B"), (2, None), (3, "C"), (5000, "A"))
    assert digest((1, "B"), (2, "C")) != digest((1, "B"), (2, "D"))


def test_who_asks_for_every_signal_asks_for_no_texts() -> None:
    known, register = load_indicators(), workshop(machine(signals=(*SIGNALS, *TEXTUAL)))
    assert "cnc-01/program" in needed_signals(known["networking_rate_all"], register)
    for_all = [item for item in known.values() if "*" in item.roles]
    assert len(for_all) > 2 and needed_texts(for_all, register) == set()
    asking = msgspec.structs.replace(known["energy_total"], roles=("energy_import", "serial"))
    assert needed_texts([asking], register) == {"cnc-01/serial"}
