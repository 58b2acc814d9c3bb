"""Declared figures and orders: which declaration holds when, and how amounts and states are told."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.declared_figures import CATALOGUE, FigureKind, fault_of
from analytics.facts import Declared, Facts
from workshop.order import Order
from workshop.window import Window


def declared(name: str, value: str, unit: str, from_us: int, to_us: int, entry: int = 1) -> Declared:
    return Declared(name, Decimal(value), unit, from_us, to_us, "engineer:Li Na", 5, "ab" * 32, "", entry)


def test_a_state_is_its_mean_over_time() -> None:
    facts = Facts((declared("headcount", "10", "{person}", 0, 60), declared("headcount", "20", "{person}", 60, 100)))
    told = facts.told("headcount", Window(0, 100))
    assert (told.value, told.covered_us) == (Fraction(14), 100)  # (10 × 60 + 20 × 40) / 100
    assert [item.author for item in told.inputs] == ["engineer:Li Na"] * 2


def test_an_amount_is_shared_out_over_its_time() -> None:
    facts = Facts((declared("electricity_bill", "3", "MW.h", 0, 300), declared("electricity_bill", "600", "kW.h", 300, 400)))
    told = facts.told("electricity_bill", Window(200, 350))
    assert (told.value, told.covered_us) == (Fraction(1000 + 300), 150)  # a third of 3 MWh, half of 600 kWh


def test_a_later_entry_holds_where_two_overlap_and_only_there() -> None:
    facts = Facts((declared("headcount", "10", "{person}", 0, 100, 1), declared("headcount", "40", "{person}", 25, 50, 2)))
    assert facts.told("headcount", Window(0, 100)).value == Fraction(10 * 75 + 40 * 25, 100)
    assert [(held.declared.entry, held.us) for held in facts.held("headcount", Window(0, 100))] == [(1, 75), (2, 25)]
    assert facts.told("headcount", Window(25, 50)).inputs[0].entry == 2


def test_land_is_told_in_mu() -> None:
    for value, unit in (("15", "{mu}"), ("10000", "m2"), ("1", "har")):
        assert Facts((declared("land_area", value, unit, 0, 10),)).told("land_area", Window(0, 10)).value == 15


def test_what_is_not_declared_is_not_told() -> None:
    facts = Facts((declared("headcount", "10", "{person}", 0, 40),))
    assert facts.told("headcount", Window(40, 90)) == facts.told("floor_area", Window(0, 10))
    assert facts.told("headcount", Window(30, 90)).covered_us == 10
    assert facts.told("headcount", Window(10, 10)).value is None


@pytest.mark.parametrize(("name", "value", "unit", "words"), [
    ("headcount", "5", "1", "must be {person}"), ("headcount", "-1", "{person}", "must be 0 or more"), ("has_mes", "2", "1", "0 or 1"),
    ("management_digitalisation", "101", "%", "0 to 1"), ("electricity_bill", "5", "kWh", "kW.h or MW.h"),
])
def test_what_cannot_be_declared_is_refused_in_words_and_says_nothing(name: str, value: str, unit: str, words: str) -> None:
    assert words in fault_of(name, Fraction(value), unit)
    assert Facts((declared(name, value, unit, 0, 10),)).told(name, Window(0, 10)).value is None


def test_a_name_of_ones_own_is_nobodys_concern() -> None:
    assert fault_of("baseline defect rate", Fraction(-3), "furlong") == ""
    assert Facts((declared("baseline defect rate", "0.03", "1", 0, 10),)).told("baseline defect rate", Window(0, 5)).value == Fraction(3, 100)


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.integers(0, 9)), max_size=6)


@settings(deadline=None)
@given(spans=SPANS, cut=st.integers(1, 99), name=st.sampled_from(["headcount", "labour_cost"]))
def test_a_window_cut_anywhere_tells_the_same(spans: list[tuple[int, int, int]], cut: int, name: str) -> None:
    unit = CATALOGUE[name].unit
    facts = Facts(tuple(declared(name, str(value), unit, at, at + length, n) for n, (at, length, value) in enumerate(spans)))
    whole, *parts = (facts.told(name, Window(*span)) for span in ((0, 100), (0, cut), (cut, 100)))
    assert whole.covered_us == sum(part.covered_us for part in parts) <= 100
    weights = [1 if CATALOGUE[name].kind is FigureKind.AMOUNT else item.covered_us for item in (whole, *parts)]
    total, *some = ((item.value or Fraction(0)) * weight for item, weight in zip((whole, *parts), weights, strict=True))
    assert total == sum(some)


def test_orders_are_asked_for_by_when_they_are_due() -> None:
    orders = tuple(Order(name, "shaft", 1, "m-1", due, 0, 10, None, cancelled) for name, due, cancelled in (
        ("A", 10, False), ("B", 5, False), ("C", 20, False), ("D", 6, True),
    ))
    assert [item.id for item in Facts((), orders).orders_in(Window(5, 20))] == ["B", "A"]


def test_every_known_figure_is_named_in_both_languages() -> None:
    for name, known in CATALOGUE.items():
        assert known.zh and known.en and known.unit and all(factor > 0 for factor in known.units.values()), name
