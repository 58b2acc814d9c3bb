"""Production orders against what the machines counted: when an order's last good piece was made, on time or not, and how long it took.

A machine's counter says how many pieces, not of which order. Good pieces counted from an order's planned start on belong to the earliest order of the
machine that still lacks some. Counts are kept by quarter hour, so that what happened at the due time is known to a quarter hour: the interval says
so. An order that began before the window may have taken pieces of it or not: both are tried, and the interval covers both.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np

from analytics.boundary import Slots, slots_of
from analytics.definition import components, quotient
from analytics.facts import DeclaredInput, Facts
from analytics.indicator import Components, Exclusion, Indicator, Result, decimal_of, listed, sentences, share
from analytics.measured import Measured, doubts
from analytics.series import Inputs
from analytics.steps import fresh_us, increases
from workshop.order import Order
from workshop.register import Workshop
from workshop.window import HOUR_US, Window

GOOD = "good_count"
SLOT_US = HOUR_US // 4
METHOD = "bounds: the quarter hour of the last piece, and orders begun before the window"
SOURCE = "Orders of the level above (ISA-95), pieces of the machines' counters"


class Done(msgspec.Struct, frozen=True):
    """An order, and the quarter hours in which it may have been finished; None: not within the window."""

    order: Order
    early: int | None
    """Slot of the last piece if orders begun before the window took no pieces of it."""
    late: int | None
    """The same if they took all of theirs."""


def measure_good(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Good pieces by quarter hour; what grew unseen stands where a reading shows it, the latest that it can be."""
    grown = increases(inputs, GOOD, window)
    values = {
        "good": grown.total, "resets": grown.resets, "beginnings": grown.beginnings, "conflicts": inputs.conflicts((GOOD,)),
        "unplaced": int(grown.amount[(grown.silence_us > inputs.hold_us(GOOD)) | grown.blind].sum()),
    }
    found = components(indicator, inputs, window, fresh_us(inputs, (GOOD,)), values, counters=(GOOD,))
    return msgspec.structs.replace(found, boundary={"slots": slots_of(SLOT_US, (grown.time_us - 1) // SLOT_US, grown.amount)})


def finished_orders(measured: Measured, facts: Facts, window: Window) -> list[Done]:
    """The orders planned to begin and due in the window, on machines that count good pieces, by work unit and planned start."""
    by_unit: dict[str, list[Order]] = {}
    for item in facts.orders:
        if not item.cancelled and item.planned_start_us < window.end_us and max(item.planned_end_us, item.due_us) > window.start_us:
            by_unit.setdefault(item.work_unit, []).append(item)
    found: list[Done] = []
    for name, piece in measured.by_equipment.items():
        mine = sorted(by_unit.get(name, ()), key=lambda item: (item.planned_start_us, item.id))
        slots = piece.boundary.get("slots")
        counted = slots if isinstance(slots, Slots) else Slots(SLOT_US, 0, b"")
        late = _allotted(mine, counted)
        early = _allotted([item for item in mine if item.planned_start_us >= window.start_us], counted)
        found += [
            Done(item, early.get(item.id), late.get(item.id)) for item in mine
            if item.planned_start_us >= window.start_us and window.start_us <= item.due_us < window.end_us
        ]
    return found


def on_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
    """Share of the orders due in the window that were finished when they were due; the value counts those that certainly were."""
    orders = finished_orders(measured, facts, window)
    unclear = {name for name, item in measured.by_equipment.items() if item.values.get("unplaced")}
    sure = sum(1 for item in orders if item.late is not None and (item.late + 1) * SLOT_US <= item.order.due_us)
    possible = sum(
        1 for item in orders if item.order.work_unit in unclear or (item.early is not None and item.early * SLOT_US < item.order.due_us)
    )
    values = tuple(quotient(number, len(orders)) for number in (sure, sure, max(sure, possible)))
    late = [item.order.id for item in orders if item.late is None or (item.late + 1) * SLOT_US > item.order.due_us]
    why = f"{sure} of {len(orders)} orders finished when due" if orders else _NONE
    return _conclude(
        indicator, measured, facts, orders, values, {"on_time": sure, "perhaps_on_time": max(sure, possible)},
        sentences(why, f"not certainly on time: {listed(late)}" if late else ""), measured.coverage,
    )


def lead_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window, facts: Facts) -> Result:
    """Mean time from release, or planned start where no release is told, to the last good piece, in hours.

    An order that is not finished counts until the window's end, which makes it look short: it lowers the coverage; many leave no answer.
    """
    orders = finished_orders(measured, facts, window)
    late = [window.end_us if item.late is None else min(window.end_us, (item.late + 1) * SLOT_US) for item in orders]
    early = [window.end_us if item.early is None else item.early * SLOT_US for item in orders]
    begun = [item.order.planned_start_us if item.order.released_us is None else item.order.released_us for item in orders]
    spans = [sum(max(0, end - start) for start, end in zip(begun, ends, strict=True)) for ends in (late, early)]
    value, low = (quotient(span, len(orders) * HOUR_US) for span in spans)
    open_ = [item.order.id for item in orders if item.late is None]
    coverage = min(measured.coverage, share(len(orders) - len(open_), len(orders))) if orders else Decimal(0)
    released = sum(item.order.released_us is not None for item in orders)
    why = f"{len(orders)} orders, {released} from their release, the others from their planned start" if orders else _NONE
    return _conclude(
        indicator, measured, facts, orders, (low, value, value), {"unfinished": len(open_), "released": released, "lead_s": spans[0] // 1_000_000},
        sentences(why, f"not finished within the window, counted until its end: {listed(open_)}" if open_ else ""), coverage,
    )


_NONE = "undefined: no order is planned to begin and due within the window on a machine that counts good pieces"


def _allotted(orders: Sequence[Order], counted: Slots) -> dict[str, int]:
    """By order's id the slot of its last piece; orders by planned start, all of some pieces.

    Pieces are numbered as they come. An order takes those that follow the last one of the order before it, and its own start; one that is never
    finished leaves nothing to those after it.
    """
    number = np.cumsum(counted.values)
    done: dict[str, int] = {}
    taken = 0
    for item in orders:
        before = max(0, item.planned_start_us // SLOT_US - counted.first)  # slots that end by its start
        if before:
            taken = max(taken, int(number[min(before, len(number)) - 1]) if len(number) else 0)
        taken += item.quantity
        place = int(np.searchsorted(number, taken))
        if place == len(number):
            break
        done[item.id] = counted.first + place
    return done


def _conclude(
    indicator: Indicator, measured: Measured, facts: Facts, orders: Sequence[Done], values: Sequence[Fraction | None], counts: dict[str, int],
    why: str, coverage: Decimal,
) -> Result:
    low, value, high = (None if item is None or not measured.covered_us else decimal_of(item, indicator.places) for item in values)
    names = ("good", "unplaced", "resets", "beginnings", "conflicts")
    strangers = sorted({item.work_unit for item in facts.orders if not item.cancelled} - set(measured.by_equipment))
    return Result(
        indicator.id, indicator.version, value, low, high, METHOD, indicator.unit, coverage,
        {"orders": len(orders), **counts, **{name: measured.total(name) for name in names}},
        [Exclusion(name, "has orders and counts no good pieces, or is not in service") for name in strangers],
        sentences(why, "orders come from the level above, they are not measured" if orders else "", doubts(indicator, measured)),
        detail=measured.detail, least_coverage=measured.least, lost_us=measured.lost_us, declared=_inputs(facts, orders),
    )


def _inputs(facts: Facts, orders: Sequence[Done]) -> tuple[DeclaredInput, ...]:
    """Who put the orders on record, and when last: one line an author."""
    by_author: dict[str, list[Order]] = {}
    for item in orders:
        by_author.setdefault(facts.placed[item.order.id].author if item.order.id in facts.placed else "", []).append(item.order)
    found = []
    for author, mine in sorted(by_author.items()):
        entries = [facts.placed[item.id] for item in mine if item.id in facts.placed]
        found.append(DeclaredInput(
            "orders", Decimal(len(mine)), "{order}", min(item.planned_start_us for item in mine), max(item.due_us for item in mine), author,
            max((entry.time_us for entry in entries), default=0), "", max((entry.entry for entry in entries), default=0),
        ))
    return tuple(found)
