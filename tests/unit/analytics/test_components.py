"""Components: splitting a window anywhere and merging gives the same numbers; merging is associative; missing data is never better."""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.boundary import Episodes, Slots, episodes_of, merge_boundaries, slots_of
from analytics.compute import components_of, compute, compute_all, inputs_by_hour, needed_signals, needed_texts
from analytics.definition import Definition
from analytics.indicator import Components, load_indicators, merge, merge_all
from analytics.input_digest import digest_of
from analytics.missing import NOTHING, Missing, missing_of
from analytics.series import inputs_of, series_of
from tests.unit.analytics.plant import START_US, block, every_signal, machine, reading, rich_machine, workshop
from workshop.block import block_of
from workshop.errors import Rejected
from workshop.reading import Quality, Reading
from workshop.register import Shift, TariffPeriod
from workshop.window import HOUR_US, SECOND_US, Window

KNOWN = load_indicators()
EVERYTHING = every_signal()


def families() -> list[str]:
    """Of indicators that measure the same in the same way, the first one."""
    first: dict[object, str] = {}
    for identifier, indicator in KNOWN.items():
        if indicator.roles:
            way = (indicator.measured, indicator.roles) if isinstance(indicator, Definition) else identifier
            first.setdefault(way, identifier)
    return list(first.values())


MEASURED = families()
SHIFTS = (Shift("late", "22:00", "00:30"), Shift("night", "00:45", "08:00"))
TARIFF = (TariffPeriod("peak", "08:00", "23:20", "1.02"), TariffPeriod("valley", "23:20", "07:30", "0.31"))
REGISTER = msgspec.structs.replace(workshop(rich_machine(), rich_machine("cnc-02"), shifts=SHIFTS), tariff=TARIFF)
MINUTES = 150
WHOLE = Window(START_US, START_US + MINUTES * 60 * SECOND_US)

STATES = st.one_of(st.integers(-1, 4), st.none(), st.sampled_from([3.0, 2.5, "running"]))
COUNTS = st.one_of(st.integers(0, 6), st.none(), st.floats(0, 6, width=16))


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    """Readings of one machine, crowded around a few moments, some before the window, with gaps, conflicts and every quality."""
    moments = draw(st.lists(st.integers(-70 * 60, MINUTES * 60), min_size=1, max_size=6))
    found = []
    for _ in range(draw(st.integers(0, 40))):
        signal = draw(st.sampled_from(EVERYTHING))
        value = draw(COUNTS if signal.kind == "counter" else STATES)
        second = draw(st.sampled_from(moments)) + draw(st.integers(0, 24)) / 2
        quality = Quality.BAD if value is None else draw(st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN]))
        found.append(reading(f"cnc-01/{signal.name}", second, value, quality, draw(st.integers(0, 2))))
    return found


@st.composite
def holes(draw: st.DrawFn) -> Missing:
    """Gaps of single signals and absent parts, around the same moments as readings and across borders."""
    span = st.tuples(st.integers(-70 * 60, MINUTES * 60), st.sampled_from([1, 3, 20, 600, 4000]))
    gaps = [((f"cnc-01/{draw(st.sampled_from(EVERYTHING)).name}",), *_span(draw(span))) for _ in range(draw(st.integers(0, 4)))]
    return missing_of(gaps, [("cnc-01", *_span(draw(span))) for _ in range(draw(st.integers(0, 2)))])


def _span(drawn: tuple[int, int]) -> tuple[int, int]:
    start = START_US + drawn[0] * SECOND_US
    return start, start + drawn[1] * SECOND_US


def parts_of(identifier: str, rows: list[Reading], window: Window, missing: Missing = NOTHING) -> list[Components]:
    return components_of(KNOWN[identifier], REGISTER, block_of(rows), window, missing)


def whole_of(identifier: str, rows: list[Reading], missing: Missing = NOTHING) -> dict[str, Any]:
    """Components measured over the whole window at once."""
    item = REGISTER.equipment[0]
    return msgspec.to_builtins(KNOWN[identifier].measure(inputs_of(REGISTER, item, block_of(rows), WHOLE, missing), WHOLE))


def test_every_indicator_applies_to_the_machine_of_these_tests() -> None:
    strangers = [name for name, indicator in KNOWN.items() if indicator.roles and not indicator.applies(REGISTER.equipment[0])]
    assert not strangers, f"tests/unit/analytics/plant.py: rich_machine lacks what {', '.join(strangers)} ask for"


@pytest.mark.parametrize("identifier", MEASURED)
@given(rows=readings(), missing=st.one_of(st.just(NOTHING), holes()), cuts=st.lists(st.integers(0, WHOLE.length_us), max_size=4))
@settings(max_examples=40, deadline=None)
def test_splitting_anywhere_and_merging_gives_the_same_bits(identifier: str, rows: list[Reading], missing: Missing, cuts: list[int]) -> None:
    edges = sorted({START_US, *(START_US + at for at in cuts), WHOLE.end_us})
    pieces = [piece for start, end in pairwise(edges) for piece in parts_of(identifier, rows, Window(start, end), missing)]
    merged = {piece.equipment: piece for piece in merge_all(reversed(pieces))}
    assert msgspec.to_builtins(merged["cnc-01"]) == whole_of(identifier, rows, missing)


@pytest.mark.parametrize("identifier", MEASURED)
@given(rows=readings(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_order_and_repetition_change_nothing(identifier: str, rows: list[Reading], data: st.DataObject) -> None:
    again = data.draw(st.permutations(rows + rows[:7]))
    assert parts_of(identifier, again, WHOLE) == parts_of(identifier, rows, WHOLE)


@pytest.mark.parametrize("identifier", MEASURED)
@given(rows=readings(), data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_block_of_one_hour_with_its_carry_in_is_enough(identifier: str, rows: list[Reading], data: st.DataObject) -> None:
    start = START_US + data.draw(st.integers(0, WHOLE.length_us))
    window = Window(start, min(start + HOUR_US, WHOLE.end_us))
    near = [row for row in rows if start - HOUR_US <= row.source_time_us < window.end_us]
    assert parts_of(identifier, near, window) == parts_of(identifier, rows, window)


@given(rows=readings(), kept=st.integers(0, 2**40 - 1))
@settings(max_examples=60, deadline=None)
def test_missing_readings_never_make_more_known(rows: list[Reading], kept: int) -> None:
    good = [row for row in rows if row.quality is Quality.GOOD and not isinstance(row.value, str) and row.value != 2.5]
    # Of one signal at one time only one reading: dropping one of two that contradict each other would be another question.
    unique = list({(row.signal, row.source_time_us): row for row in good if row.value in (0, 1, 2, 3) or "state" not in row.signal}.values())
    some = [row for number, row in enumerate(unique) if kept >> number & 1]
    for identifier in ("networking_rate_all", "defect_rate", "quality_ratio", "energy_per_good_part"):
        if identifier == "networking_rate_all":
            unique_, some_ = ([row for row in part if row.signal != "cnc-01/link" or row.value in (0, 1)] for part in (unique, some))
        else:
            unique_, some_ = unique, some
        whole, less = (compute(KNOWN[identifier], REGISTER, block_of(part), WHOLE) for part in (unique_, some_))
        assert less.detail["cnc-01"]["covered_us"] <= whole.detail["cnc-01"]["covered_us"]
        assert less.coverage <= whole.coverage


def heard(rows: list[Reading], missing: Missing) -> list[Reading]:
    """The readings that do not lie in something missing."""
    def lost(row: Reading) -> bool:
        spans = (*missing.gaps.get(row.signal, ()), *missing.absent.get("cnc-01", ()))
        return any(start <= row.source_time_us < end for start, end in spans)

    return [row for row in rows if not lost(row)]


@given(rows=readings(), missing=holes())
@settings(max_examples=150, deadline=None)
def test_what_is_missing_never_makes_any_figure_more_certain(rows: list[Reading], missing: Missing) -> None:
    indicators = [indicator for indicator in KNOWN.values() if indicator.roles]
    whole = compute_all(indicators, REGISTER, block_of(rows), WHOLE)
    less = compute_all(indicators, REGISTER, block_of(heard(rows, missing)), WHOLE, missing)
    for indicator, full, part in zip(indicators, whole, less, strict=True):
        assert part.coverage <= full.coverage, indicator.id
        assert part.least_coverage is None or full.least_coverage is None or part.least_coverage <= full.least_coverage, indicator.id
        enough = part.coverage >= indicator.min_coverage and part.lost_us == 0 and (part.least_coverage or 1) >= indicator.min_coverage
        if enough and part.value is not None:
            assert full.value is not None, indicator.id


@given(rows=readings(), missing=st.one_of(st.just(NOTHING), holes()))
@settings(max_examples=60, deadline=None)
def test_results_stay_in_their_range_and_equal_those_of_their_hours(rows: list[Reading], missing: Missing) -> None:
    indicators = list(KNOWN.values())
    for indicator, found in zip(indicators, compute_all(indicators, REGISTER, block_of(rows), WHOLE, missing), strict=True):
        assert 0 <= found.coverage <= 1
        assert found == indicator.evaluate(components_of(indicator, REGISTER, block_of(rows), WHOLE, missing), REGISTER, WHOLE)
        if found.value is not None and found.low is not None and found.high is not None:
            assert found.low <= found.value <= found.high
        if found.value is not None and indicator.id in ("networking_rate_all", "networking_rate_digital", "defect_rate", "availability"):
            assert 0 <= found.value <= 1


def piece(start: int, end: int, equipment: str = "cnc-01", **values: int) -> Components:
    return Components("availability", 2, equipment, 0, start, end, end - start, end - start, values)


def test_merge_is_associative_and_commutative() -> None:
    a, b, c = piece(0, 2, apt_us=1), piece(2, 5, apt_us=3, adet_us=1), piece(5, 6, adot_us=1)
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(c, merge(b, a))
    assert merge(a, b).values == {"apt_us": 4, "adet_us": 1}


@pytest.mark.parametrize(
    "other",
    [piece(1, 3), piece(2, 3, "cnc-02"), msgspec.structs.replace(piece(2, 3), version=1), msgspec.structs.replace(piece(2, 3), indicator="oee")],
)
def test_what_must_not_be_merged_is_rejected(other: Components) -> None:
    with pytest.raises(Rejected):
        merge(piece(0, 2), other)


def test_components_of_another_indicator_or_outside_the_window_are_rejected() -> None:
    indicator = KNOWN["availability"]
    for wrong in (msgspec.structs.replace(piece(START_US, WHOLE.end_us), version=9), piece(START_US - 1, WHOLE.end_us)):
        with pytest.raises(Rejected):
            indicator.evaluate([wrong], REGISTER, WHOLE)


@given(rows=readings(), missing=st.one_of(st.just(NOTHING), holes()))
@settings(max_examples=30, deadline=None)
def test_inputs_for_many_indicators_narrow_to_those_for_one(rows: list[Reading], missing: Missing) -> None:
    """The service measures from the inputs for all, and says by the digest what each was measured from."""
    item, every = REGISTER.equipment[0], sorted({role for indicator in KNOWN.values() for role in indicator.roles})
    series = series_of(block_of(rows), texts=needed_texts(KNOWN.values(), REGISTER))
    [(whole, _)] = inputs_by_hour(every, REGISTER, item, series, WHOLE, missing, by_hour=False)
    for name in MEASURED:
        [(alone, _)] = inputs_by_hour(KNOWN[name].roles, REGISTER, item, series, WHOLE, missing, by_hour=False)
        assert digest_of(whole.narrowed(KNOWN[name].roles)) == digest_of(alone), name
        assert KNOWN[name].measure(whole, WHOLE) == KNOWN[name].measure(alone, WHOLE), name


def test_an_hour_without_components_lowers_the_coverage() -> None:
    rows = [reading(f"cnc-01/{name}", t, 3) for t in range(0, 7200, 5) for name in ("state", "mode")]
    window = Window(START_US, START_US + 2 * HOUR_US)
    register = workshop(machine())
    hours = components_of(KNOWN["availability"], register, block(rows), window)
    assert KNOWN["availability"].evaluate(hours, register, window).coverage == 1
    found = KNOWN["availability"].evaluate(hours[:1], register, window)
    assert (found.value, str(found.coverage)) == (1, "0.500000")


def test_needed_signals_are_those_with_the_roles() -> None:
    assert needed_signals(KNOWN["defect_rate"], REGISTER) == ["cnc-01/good", "cnc-01/scrap", "cnc-02/good", "cnc-02/scrap"]
    assert len(needed_signals(KNOWN["networking_rate_all"], REGISTER)) == 2 * len(EVERYTHING)
    assert needed_signals(KNOWN["key_process_nc_rate"], REGISTER) == []


CODES = st.lists(st.integers(0, 2), max_size=12)


@given(codes=CODES, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_episodes_cut_anywhere_count_once(codes: list[int], cuts: list[int]) -> None:
    edges = sorted({0, len(codes), *(min(cut, len(codes)) for cut in cuts)})
    pieces = [episodes_of(np.array(codes[start:end], np.int64)) for start, end in pairwise(edges)] or [Episodes(None, None, 0)]
    assert merge_boundaries(pieces) == episodes_of(np.array(codes, np.int64))


@given(amounts=st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 2**50)), max_size=12), cut=st.integers(0, 12))
def test_slots_merge_in_any_order(amounts: list[tuple[int, int]], cut: int) -> None:
    def slots(rows: list[tuple[int, int]]) -> Slots:
        return slots_of(900, np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64))

    whole, left, right = slots(amounts), slots(amounts[:cut]), slots(amounts[cut:])
    assert merge_boundaries([left, right]) == merge_boundaries([right, left]) == whole


def test_boundaries_travel_as_json() -> None:
    piece_ = msgspec.structs.replace(piece(0, 2), boundary={"a": Episodes(1, None, 3), "b": slots_of(9, np.array([3, 5]), np.array([1, 2]))})
    assert msgspec.json.decode(msgspec.json.encode(piece_), type=Components) == piece_
    assert msgspec.convert(msgspec.to_builtins(piece_), Components) == piece_
    with pytest.raises(Rejected):
        merge_boundaries(list(piece_.boundary.values()))
