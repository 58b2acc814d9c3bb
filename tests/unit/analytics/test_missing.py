"""What is missing: arithmetic of spans, how far a value is held, and what a hole means to each indicator."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.compute import compute, measure_all
from analytics.indicator import Result, load_indicators, merge_all
from analytics.missing import NOTHING, Missing, Spans, clipped, common, length, missing_of, union, without
from analytics.series import inputs_of
from analytics.steps import UNKNOWN, accounted, held
from tests.unit.analytics.plant import START_US, block, every, machine, reading, rows, window, workshop
from workshop.reading import Reading
from workshop.window import SECOND_US

KNOWN = load_indicators()
SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6).map(union)


def instants(spans: Spans) -> set[int]:
    return {instant for start, end in spans for instant in range(start, end)}


@given(left=SPANS, right=SPANS, start=st.integers(-3, 33), size=st.integers(0, 36))
def test_spans_are_sets_of_instants(left: Spans, right: Spans, start: int, size: int) -> None:
    assert instants(common(left, right)) == instants(left) & instants(right)
    assert instants(without(left, right)) == instants(left) - instants(right)
    assert instants(union((*left, *right))) == instants(left) | instants(right)
    assert instants(clipped(left, start, start + size)) == instants(left) & set(range(start, start + size))
    assert length(left) == len(instants(left))
    for found in (common(left, right), without(left, right), union((*left, *right))):
        assert found == union(found)


def seconds(*spans: tuple[float, float]) -> list[tuple[int, int]]:
    return [(START_US + round(start * SECOND_US), START_US + round(end * SECOND_US)) for start, end in spans]


def gap(signal: str, *spans: tuple[float, float]) -> Missing:
    return missing_of(((signal,), *span) for span in seconds(*spans))


def absent(*spans: tuple[float, float], equipment: str = "cnc-01") -> Missing:
    return missing_of((), ((equipment, *span) for span in seconds(*spans)))


@pytest.mark.parametrize(
    ("missing", "known_s"),
    [
        (Missing(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (gap("cnc-01/state", (2, 3)), [0, 1, 5, 6, 7, 8, 9]),  # readings at 0, 2 (inside), 5: unknown until 5
        (gap("cnc-01/state", (1, 5)), [0, 5, 6, 7, 8, 9]),
        (gap("cnc-01/state", (1, 6)), [0]),
        (gap("cnc-01/mode", (1, 6)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (absent((1, 2)), [0, 2, 3, 4, 5, 6, 7, 8, 9]),
        (absent((-1, 0)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (absent((-1, 0.5)), [2, 3, 4, 5, 6, 7, 8, 9]),
        (absent((1, 6), equipment="cnc-02"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_value_is_held_up_to_what_is_missing_and_known_again_with_the_next_reading(missing: Missing, known_s: list[int]) -> None:
    readings = block(rows("cnc-01/state", [(0, 2), (2, 2), (5, 2)]))
    inputs = inputs_of(workshop(machine()), machine(), readings, window(0, 10), missing)
    steps = held(inputs, "item_state")
    times = block(every("x/y", range(10), 1)).source_time_us
    assert [second for second in range(10) if steps.at(times)[second] != UNKNOWN] == known_s


def test_a_span_that_began_before_the_window_ends_what_is_carried_in() -> None:
    readings = block(rows("cnc-01/state", [(-2, 2), (3, 2)]))
    inputs = inputs_of(workshop(machine()), machine(), readings, window(0, 5), gap("cnc-01/state", (-1, -0.5)))
    assert [int(value) != UNKNOWN for value in held(inputs, "item_state").at(block(every("x/y", range(5), 1)).source_time_us)] == [
        False, False, False, True, True,
    ]


def test_growth_between_two_readings_is_known_unless_the_counter_began_anew_in_a_hole() -> None:
    def known(values: list[tuple[float, int]], missing: Missing) -> Spans:
        inputs = inputs_of(workshop(machine()), machine(), block(rows("cnc-01/good", values)), window(0, 60), missing)
        found = accounted(inputs, "good_count", window(0, 60))
        return tuple(((start - START_US) // SECOND_US, (end - START_US) // SECOND_US) for start, end in found)

    assert known([(0, 1), (30, 9)], Missing()) == ((0, 35),)
    assert known([(0, 1), (30, 9)], gap("cnc-01/good", (2, 20))) == ((0, 35),)
    assert known([(0, 9), (30, 1)], gap("cnc-01/good", (2, 20))) == ((0, 2), (30, 35))
    assert known([(-9, 1), (30, 9)], absent((31, 33))) == ((-9, 31),)


def link(up: range, down: range = range(0)) -> list[Reading]:
    return [reading("cnc-01/link", t, 0 if t in down else 1) for t in up] + [reading("cnc-01/state", t, 2) for t in up if t not in down]


def networking(readings: list[Reading], missing: Missing) -> Result:
    return compute(KNOWN["networking_rate_all"], workshop(machine()), block(readings), window(0, 100), missing)


def test_networked_is_a_share_of_the_watched_time_and_unknown_time_counts_against_it() -> None:
    # Of 100 s the link is known for 95 s and up for 85.5: nine tenths of what is known, and less than nine tenths of the time.
    readings = [row for row in link(range(100), range(50, 59)) if not START_US + 20 * SECOND_US <= row.source_time_us < START_US + 25 * SECOND_US]
    found = networking(readings, absent((20, 25)))
    assert found.counts["undetermined"] == 1 and found.value is None and (found.low, found.high) == (0, 1)
    assert networking(link(range(100), range(50, 59)), Missing()).value == 1
    # Down for so long that the unknown time cannot help.
    assert networking(link(range(100), range(50, 70)), absent((20, 25))).value == 0
    assert networking([row for row in link(range(100)) if row.source_time_us < START_US + 85 * SECOND_US], absent((85, 100))).value is None


def test_a_machine_whose_readings_are_missing_while_its_link_is_up_is_not_called_silent() -> None:
    readings = every("cnc-01/link", range(100), 1) + every("cnc-01/state", range(0, 60), 2)
    assert networking(readings, Missing()).value == 0
    assert networking(readings, gap("cnc-01/state", (60, 100))).value is None


def counted(good: int, scrap: int, at_s: int, seen: range) -> list[Reading]:
    return [reading("cnc-01/good", t, 500 + good * (t >= at_s)) for t in seen] + [reading("cnc-01/scrap", t, 9 + scrap * (t >= at_s)) for t in seen]


def test_a_defect_rate_needs_the_growth_of_every_machine() -> None:
    others = [
        reading(f"m-{n:02d}/{name}", t, (2 if name == "good" else 1) * t) for n in range(19) for name in ("good", "scrap") for t in range(-5, 60, 5)
    ]
    register = workshop(machine(), *(machine(f"m-{n:02d}") for n in range(19)))

    def rate(readings: list[Reading], missing: Missing = NOTHING) -> Result:
        return compute(KNOWN["defect_rate"], register, block(readings + others), window(0, 60), missing)

    whole = rate(counted(43, 7, 30, range(-5, 60, 5)))
    assert (whole.coverage, whole.least_coverage, whole.lost_us) == (1, 1, 0)
    bridged = rate(counted(43, 7, 30, range(-10, 60, 10)) + counted(43, 7, 30, range(55, 60)), gap("cnc-01/good", (21, 34)))
    assert bridged.value == whole.value and bridged.least_coverage == 1 and bridged.coverage < 1
    short = rate(counted(43, 7, 30, range(-5, 40, 5)))
    assert short.coverage > Decimal("0.98") and short.least_coverage == Decimal("0.666666") and "undetermined" in short.why and "cnc-01" in short.why


@pytest.mark.parametrize("identifier", ["defect_rate", "quality_ratio", "energy_per_good_part", "oee"])
def test_growth_that_an_absent_part_may_hide_is_named(identifier: str) -> None:
    readings = [row for name in ("good", "scrap", "parts", "energy", "state", "mode") for row in
                [reading(f"cnc-01/{name}", t, 3 if name in ("state", "mode") else t + 99) for t in range(-60, 60, 2)]]
    for span, lost in (((57, 57.000001), True), ((30, 31), False), ((-30, -20), False), ((-9, 0), False)):
        kept = [row for row in readings if not seconds(span)[0][0] <= row.source_time_us < seconds(span)[0][1]]
        if lost:
            kept = [row for row in kept if row.source_time_us < seconds(span)[0][0]]
        found = compute(KNOWN[identifier], workshop(machine()), block(kept), window(0, 60), absent(span))
        assert bool(found.lost_us) is lost
        assert ("readings are missing" in found.why) is lost


def test_a_loss_that_no_reading_ends_is_as_long_in_pieces_that_begin_an_hour_after_it() -> None:
    readings = block([reading("cnc-01/energy", -10, 5)])
    item, indicator, missing = workshop(machine()), KNOWN["energy_per_good_part"], absent((-5, 0))
    whole = measure_all([indicator], item, readings, window(0, 7200), missing)
    cut_there = [piece for span in (window(0, 3600), window(3600, 7200)) for piece in measure_all([indicator], item, readings, span, missing)]
    assert merge_all(whole) == merge_all(cut_there)
    assert merge_all(whole)[0].growth_lost == ((window(0, 1).start_us, window(3600, 3601).start_us),)
