"""A figure by product, order and program: worked by hand, the parts add up to the whole, and nothing is spread over what nobody told."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.compute import components_of
from analytics.facts import NO_FACTS, Facts
from analytics.grouping import grouped
from analytics.indicator import Result, load_indicators
from analytics.making import NO_RECORD, NO_SOURCE, NOT_ATTRIBUTED, OVERLAP, UNPLANNED, UNTOLD
from analytics.measured import gather
from analytics.missing import NOTHING, Missing, missing_of
from tests.unit.analytics.plant import SIGNALS, START_US, Held, block, every, machine, reading, rows, window, workshop
from workshop.errors import Rejected
from workshop.order import Order
from workshop.reading import Reading
from workshop.register import Workshop
from workshop.signal import Signal, SignalKind
from workshop.window import HOUR_US, SECOND_US, Window

KNOWN = load_indicators()
METER = tuple(
    Signal(item.name, item.role, item.kind, item.unit, max_age_s=30, origin=item.origin) if item.role == "energy_import" else item for item in SIGNALS
)
PROGRAM = (*METER, Signal("prog", "program", SignalKind.TEXT, max_age_s=5))
TOLD = (*METER, Signal("order", "order", SignalKind.TEXT, max_age_s=5))
NAMED = (*TOLD, Signal("product", "product", SignalKind.TEXT, max_age_s=5))
WINDOW = window(0, 200)
SEAM = "the counter's reading reaches over a change"


def order(name: str, product: str, start_s: int, end_s: int, unit: str = "cnc-01", *, cancelled: bool = False) -> Order:
    return Order(name, product, 5, unit, START_US + end_s * SECOND_US, START_US + start_s * SECOND_US, START_US + end_s * SECOND_US, None, cancelled)


def meter(name: str = "cnc-01", first_s: int = -5, step_s: int = 10) -> list[Reading]:
    """A meter that counts 1 Wh every second and is read every so many."""
    return rows(f"{name}/energy", [(second, 1000 + second) for second in range(first_s, 200, step_s)])


def said(signal: str, *changes: tuple[int, str], end_s: int = 200) -> list[Reading]:
    """A text, told every second, from each of these seconds on another one."""
    times = [*(second for second, _ in changes), end_s]
    return [reading(signal, second, text) for n, (_, text) in enumerate(changes) for second in range(times[n], times[n + 1])]


def by(
    identifier: str, key: str, register: Workshop, told: Sequence[list[Reading]], facts: Facts = NO_FACTS, missing: Missing = NOTHING,
    span: Window = WINDOW,
) -> dict[str, Result]:
    return dict(grouped(KNOWN[identifier], register, span, key, lambda part, piece: [], facts, Held(block(*told)), missing))


def kwh(found: dict[str, Result]) -> dict[str, int]:
    return {name: result.counts["energy_mwh"] // 1000 for name, result in found.items()}


def lost(found: dict[str, Result]) -> dict[tuple[str, str], int]:
    return {(item.equipment, item.what): item.us for item in found[NOT_ATTRIBUTED].excluded if item.us}


def test_energy_over_a_change_is_nobodys() -> None:
    found = by("energy_total", "product", workshop(machine(signals=PROGRAM)), [meter(), said("cnc-01/prog", (0, "P1"), (100, "P2"))])
    # Read at 5, 15 … 95: 10 Wh each; at 105 ten more, of which five are of P1 and five of P2; at 115 … 195 again ten each.
    assert kwh(found) == {"P1": 100, "P2": 90, NOT_ATTRIBUTED: 10}
    assert list(found)[-1] == NOT_ATTRIBUTED and lost(found) == {("cnc-01", SEAM): 5 * SECOND_US + 1}
    assert found["P1"].value == Decimal("0.1000") and found["P1"].coverage == 1 and "signal program of cnc-01" in found["P1"].why
    assert found["P1"].detail["cnc-01"]["window_us"] == 100 * SECOND_US


def test_a_reading_at_the_moment_of_the_change_shows_what_was_before() -> None:
    found = by("energy_total", "program", workshop(machine(signals=PROGRAM)), [meter(first_s=-10), said("cnc-01/prog", (0, "P1"), (100, "P2"))])
    assert kwh(found) == {"P1": 110, "P2": 90}  # at 0, 10 … 100, and at 110 … 190
    assert found["P1"].detail["cnc-01"]["window_us"] == 100 * SECOND_US + 1


def test_parts_are_counted_when_a_reading_shows_them() -> None:
    counted = [rows(f"cnc-01/{name}", [(second, 50 + max(0, second) // 10) for second in range(-3, 200)]) for name in ("parts", "good")]
    told = [meter(first_s=-10), *counted, every("cnc-01/scrap", range(-3, 200), 0), said("cnc-01/prog", (0, "P1"), (95, "P2"), (103, "P1"))]
    register = workshop(machine(signals=PROGRAM))
    assert {name: result.counts["good"] for name, result in by("defect_rate", "program", register, told).items()} == {"P1": 9 + 9, "P2": 1}
    # With energy beside them: that read at 100 is in part of before 95, that read at 110 in part of before 103, and so are the parts of that time.
    found = by("energy_per_part", "program", register, told)
    assert {name: result.counts["produced"] for name, result in found.items()} == {"P1": 9 + 8, "P2": 0, NOT_ATTRIBUTED: 2}
    assert (found["P1"].value, found["P1"].counts["energy_mwh"]) == (Decimal("0.0106"), 180_000)


def test_of_several_sources_one_is_taken() -> None:
    facts = Facts((), (order("A", "shaft", 0, 100), order("B", "flange", 100, 200)))
    of = {name: said(f"cnc-01/{name}", (0, first), (150, second)) for name, first, second in
          (("prog", "P1", "P2"), ("order", "A", "B"), ("product", "bolt", "nut"))}
    told = [meter(first_s=-10), *of.values()]
    assert set(by("energy_total", "product", workshop(machine(signals=NAMED)), told, facts)) == {"bolt", "nut"}
    assert kwh(by("energy_total", "product", workshop(machine(signals=TOLD)), told, facts)) == {"shaft": 160, "flange": 40}
    assert kwh(by("energy_total", "order", workshop(machine(signals=TOLD)), told, facts)) == {"A": 160, "B": 40}
    planned = by("energy_total", "product", workshop(machine(signals=PROGRAM)), told, facts)
    assert kwh(planned) == {"shaft": 110, "flange": 90} and "planned orders of cnc-01" in planned["shaft"].why
    assert set(by("energy_total", "product", workshop(machine(signals=PROGRAM)), told)) == {"P1", "P2"}
    both = machine(signals=(*TOLD, PROGRAM[-1]))
    assert set(by("energy_total", "product", workshop(both), told)) == {"P1", "P2"} != set(by("energy_total", "order", workshop(both), told))


def test_planned_orders_that_overlap_are_neither_and_a_cancelled_one_is_none() -> None:
    facts = Facts((), (
        order("A", "shaft", 0, 100), order("B", "flange", 80, 120), order("C", "bolt", 120, 160, cancelled=True), order("D", "bolt", 0, 200, "x"),
    ))
    register, told = workshop(machine(signals=METER), machine("press-01", signals=METER)), [meter(first_s=-10), meter("press-01", -10)]
    found = by("energy_total", "product", register, told, facts)
    assert kwh(found) == {"shaft": 90, "flange": 20, NOT_ATTRIBUTED: 20 + 70 + 200}
    reasons = {key: round(us / SECOND_US) for key, us in lost(found).items()}
    assert reasons == {("cnc-01", OVERLAP): 20, ("cnc-01", UNPLANNED): 80, ("press-01", NO_SOURCE): 200}
    same = Facts((), (order("A", "shaft", 0, 100), order("B", "shaft", 80, 200)))
    assert kwh(by("energy_total", "product", workshop(machine(signals=METER)), told, same)) == {"shaft": 200}
    assert kwh(by("energy_total", "order", workshop(machine(signals=METER)), told, same)) == {"A": 90, "B": 90, NOT_ATTRIBUTED: 20}


def test_what_was_not_told_or_is_not_on_record_is_not_attributed() -> None:
    told = [meter(first_s=-10), said("cnc-01/order", (0, "A"), (50, "Z"), (100, ""), (150, "A"), end_s=180)]
    facts = Facts((), (order("A", "shaft", 500, 600),))
    gap = missing_of([(("cnc-01/order",), START_US + 10 * SECOND_US, START_US + 20 * SECOND_US)])
    for missing, told_us in ((NOTHING, 0), (gap, 10 * SECOND_US)):
        found = by("energy_total", "product", workshop(machine(signals=TOLD)), told, facts, missing)
        reasons = lost(found)
        # The last one is told at 179 and holds for 5 s; the meter is read at 180 and at 190.
        assert reasons[("cnc-01", UNTOLD)] == (50 + 10) * SECOND_US + told_us
        assert reasons[("cnc-01", NO_RECORD)] // SECOND_US == 49
        assert set(found) == {"shaft", NOT_ATTRIBUTED} and sum(kwh(found).values()) == 200


def test_the_planned_time_of_a_piece_is_that_of_the_orders_where_they_agree() -> None:
    def planned(name: str, product: str, start_s: int, ideal_s: int | None) -> Order:
        return msgspec.structs.replace(order(name, product, start_s, start_s + 50), ideal_cycle_us=None if ideal_s is None else ideal_s * SECOND_US)

    counted = [rows(f"cnc-01/{name}", [(second, 50 + max(0, second) // 10) for second in range(-3, 200)]) for name in ("parts", "good")]
    told = [*counted, every("cnc-01/state", range(-3, 200), 3), every("cnc-01/mode", range(-3, 200), 3)]
    register = workshop(machine(ideal_cycle_ms=20_000))
    orders = (planned("A", "shaft", 0, 8), planned("B", "bolt", 50, 6), planned("C", "bolt", 100, 7), planned("D", "nut", 150, None))
    found = by("effectiveness", "product", register, told, Facts((), orders))
    # Pieces of 10 s: at 10 … 50 of shaft (8 s planned), at 60 … 150 of bolts (two orders differ, so 20 s by the register), at 160 … 190 of nuts.
    assert {name: result.counts["ideal_s"] for name, result in found.items()} == {"shaft": 5 * 8, "bolt": 10 * 20, "nut": 4 * 20}
    assert {name: result.counts["ideal_s"] for name, result in by("effectiveness", "order", register, told, Facts((), orders)).items()} == {
        "A": 40, "B": 30, "C": 35, "D": 80,
    }


def test_a_group_cannot_be_called_what_is_left() -> None:
    found = by("energy_total", "program", workshop(machine(signals=PROGRAM)), [meter(), said("cnc-01/prog", (0, NOT_ATTRIBUTED))])
    assert set(found) == {NOT_ATTRIBUTED} and sum(lost(found).values()) == 200 * SECOND_US


@pytest.mark.parametrize(("identifier", "span", "says"), [
    ("digitalisation_rate", WINDOW, "of the whole workshop"), ("operating_cost", WINDOW, "of the whole workshop"),
    ("energy_total", Window(START_US, START_US + 32 * 24 * HOUR_US), "at most 31 days"),
])
def test_what_has_no_parts_by_product_is_refused(identifier: str, span: Window, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        by(identifier, "product", workshop(machine(signals=PROGRAM)), [meter()], span=span)


def test_without_readings_of_a_store_there_is_no_such_grouping() -> None:
    with pytest.raises(Rejected, match="there are equipment"):
        grouped(KNOWN["oee"], workshop(machine()), WINDOW, "product", lambda part, piece: [])


CHANGES = st.lists(st.tuples(st.integers(0, 199), st.sampled_from(["P1", "P2", "", "P3"])), max_size=8, unique_by=lambda one: one[0]).map(sorted)


@given(changes=CHANGES, first_s=st.integers(-10, 0), step_s=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_the_groups_are_the_whole_cut_up(changes: list[tuple[int, str]], first_s: int, step_s: int, seed: int) -> None:
    register = workshop(machine(signals=PROGRAM), machine("x", signals=METER))
    told = block(meter("cnc-01", first_s, step_s), meter("x"), said("cnc-01/prog", *changes) if changes else [])
    indicator = KNOWN["energy_total"]
    whole = gather(indicator, components_of(indicator, register, told, WINDOW), register, WINDOW)

    def totals(rows: dict[str, Result]) -> dict[str, int]:
        found: dict[str, int] = {}
        for result in rows.values():
            for values in result.detail.values():
                for name, value in values.items():
                    found[name] = found.get(name, 0) + value
        return {name: value for name, value in found.items() if name in ("energy_mwh", "window_us", "covered_us")}

    def grouped_by_program(span: Window, order_of_rows: Sequence[int]) -> dict[str, Result]:
        store = Held(told.take(np.array(order_of_rows, np.int64)))
        return dict(grouped(indicator, register, span, "program", lambda part, piece: [], NO_FACTS, store))

    found = grouped_by_program(WINDOW, range(len(told)))
    assert totals(found) == totals({"": indicator.evaluate(components_of(indicator, register, told, WINDOW), register, WINDOW)})
    assert sum(found[name].counts["energy_mwh"] for name in found) == whole.total("energy_mwh")
    shuffled = np.random.default_rng(seed).permutation(len(told)).tolist()
    assert grouped_by_program(WINDOW, shuffled) == found
