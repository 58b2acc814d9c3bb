"""Orders against counted pieces, by hand; and nothing is counted twice, whatever the orders."""

from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.boundary import slots_of
from analytics.compute import compute
from analytics.deliveries import SLOT_US, _allotted
from analytics.explain import explain
from analytics.facts import Facts, Placed
from analytics.indicator import Result, load_indicators
from workshop.block import block_of, empty_block
from workshop.order import Order
from workshop.reading import Reading
from workshop.register_file import parse_register
from workshop.signal import signal_id
from workshop.window import HOUR_US, SECOND_US, Window

KNOWN = load_indicators()
_FILE = Path(__file__).parents[3] / "config" / "demo" / "workshop.toml"
_WHOLE = parse_register(_FILE.read_text(encoding="utf-8"), _FILE.name)
MACHINE = next(item for item in _WHOLE.equipment if item.signal("good_count"))
REGISTER = msgspec.structs.replace(_WHOLE, equipment=(MACHINE,), shifts=())
START_US = 1_790_002_800_000_000  # a full hour
WINDOW = Window(START_US, START_US + 4 * HOUR_US)


def order(name: str, quantity: int, start_h: float, due_h: float, *, cancelled: bool = False, released_h: float | None = None) -> Order:
    start, due = (START_US + round(hours * HOUR_US) for hours in (start_h, due_h))
    released = None if released_h is None else START_US + round(released_h * HOUR_US)
    return Order(name, "shaft", quantity, MACHINE.id, due, start, start + HOUR_US, None, cancelled, released)


def result(identifier: str, orders: list[Order], *, readings: bool = True) -> Result:
    """A machine that makes one good piece a minute."""
    signal = MACHINE.signal("good_count")
    assert signal is not None
    rows = [
        Reading(signal_id(MACHINE.id, signal.name), START_US + n * SECOND_US, START_US + n * SECOND_US, 1000 + n // 60)
        for n in range(-5, 4 * 3600)
    ]
    facts = Facts((), tuple(orders), {item.id: Placed("erp:SAP", 7, 3) for item in orders})
    return compute(KNOWN[identifier], REGISTER, block_of(rows) if readings else empty_block(), WINDOW, facts=facts)


def test_on_time_late_and_at_the_edge_of_a_quarter_hour() -> None:
    orders = [
        order("A", 50, 0, 1),  # pieces 1-50: before 0:50, on time
        order("B", 50, 0, 1.5),  # pieces 51-100: 1:40, late
        order("C", 10, 2, 2.2),  # ten pieces from 2:00 on: about 2:10, due 2:12, within one quarter: perhaps
        order("D", 5, 2, 3, cancelled=True), order("E", 9, 3, 6),  # not due in the window
    ]
    found = result("on_time_delivery", orders)
    assert (found.value, found.low, found.high) == (Decimal("0.333333"), Decimal("0.333333"), Decimal("0.666667"))
    assert (found.counts["orders"], found.counts["on_time"], found.counts["perhaps_on_time"], found.coverage) == (3, 1, 2, 1)
    assert "not certainly on time: B, C" in found.why
    assert [(item.name, item.value, item.author) for item in found.declared] == [("orders", Decimal(3), "erp:SAP")]
    assert "by erp:SAP" in explain(KNOWN["on_time_delivery"], found, REGISTER, WINDOW, "en").text


def test_an_order_begun_before_the_window_may_have_taken_its_pieces() -> None:
    found = result("on_time_delivery", [order("old", 120, -1, 3), order("A", 30, 0, 1)])
    assert (found.counts["orders"], found.low, found.high) == (1, Decimal("0.000000"), Decimal("1.000000"))


def test_lead_time_from_release_or_planned_start() -> None:
    found = result("order_lead_time", [order("A", 50, 0, 1), order("B", 60, 1, 3, released_h=-1)])
    # A: the quarter hour that ends at 1:00, 1 h. B: 60 pieces from 1:00 on, by 2:15 at most, released at -1:00
    assert found.value is not None and Decimal("2.0") <= found.value <= Decimal("2.125")
    assert found.low is not None and found.value - found.low == Decimal("0.250")
    assert (found.counts["released"], found.counts["unfinished"], found.coverage) == (1, 0, 1)


def test_unfinished_orders_lower_the_coverage() -> None:
    found = result("order_lead_time", [order("A", 50, 0, 1), order("B", 9999, 1, 3)])
    assert found.coverage == Decimal("0.5")
    assert "counted until its end: B" in found.why


def test_without_orders_or_readings_there_is_no_value() -> None:
    for name in ("on_time_delivery", "order_lead_time"):
        assert "undefined: no order" in result(name, []).why
        assert result(name, []).value is None
        assert result(name, [order("A", 5, 0, 1)], readings=False).value is None


ORDERS = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 6)), max_size=8)


def piece_by_piece(orders: list[Order], counts: list[int]) -> dict[str, int]:
    """The same by looking at every piece."""
    lacking, done = {item.id: item.quantity for item in orders}, {}
    for slot, amount in enumerate(counts):
        for _ in range(amount):
            item = next((item for item in orders if lacking[item.id] and item.planned_start_us < (slot + 1) * SLOT_US), None)
            if item is not None:
                lacking[item.id] -= 1
                if not lacking[item.id]:
                    done[item.id] = slot
    return done


@settings(deadline=None)
@given(orders=ORDERS, counts=st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_no_piece_is_given_to_two_orders(orders: list[tuple[int, int]], counts: list[int]) -> None:
    found = sorted(
        (Order(f"O{n}", "p", quantity, "m", 10**9, start * SLOT_US, (start + 1) * SLOT_US) for n, (quantity, start) in enumerate(orders)),
        key=lambda item: (item.planned_start_us, item.id),
    )
    done = _allotted(found, slots_of(SLOT_US, np.arange(len(counts)), np.array(counts, np.int64)))
    assert done == piece_by_piece(found, counts)
    by_id = {item.id: item for item in found}
    for slot in range(len(counts)):
        assert sum(by_id[name].quantity for name, when in done.items() if when <= slot) <= sum(counts[: slot + 1])
    assert all(by_id[name].planned_start_us < (slot + 1) * SLOT_US for name, slot in done.items())
