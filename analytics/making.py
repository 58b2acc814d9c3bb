"""What a machine makes, and when: spans of products, orders or programs, told by the machine or, where it tells nothing of the kind, planned.

Of every machine one source is taken, the first of these that it has, so that a group never mixes what was said with what was planned:
for products the signal `product`, the signal `order` where orders of the machine are on record, planned orders, the signal `program`; for orders the
signal `order`, planned orders; for programs the signal `program`. Time of which nobody can say what was made is a span of its own, with the reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from analytics.facts import Facts
from analytics.missing import Missing
from analytics.series import Series, cut_inputs, usable_signals
from analytics.steps import UNKNOWN, cut, held_codes
from analytics.texts import seen
from workshop.order import Order
from workshop.register import Equipment, Workshop
from workshop.signal import Signal
from workshop.window import Window

BY_MAKING = ("product", "order", "program")
NOT_ATTRIBUTED = "(not attributed)"
"""The group of everything of which nobody can say for what it was."""
UNTOLD = "nothing told what was made"
NO_RECORD = "the order that was told is not on record"
UNPLANNED = "no order was planned"
OVERLAP = "orders planned at the same time"
NO_SOURCE = "tells nothing of the kind, and has no orders"


class Made(msgspec.Struct, frozen=True):
    """A span [start, end) of one machine, µs UTC."""

    start_us: int
    end_us: int
    label: str
    """Product, order or program; empty where nobody can say."""
    reason: str = ""
    """Why nobody can."""


class Teller(msgspec.Struct, frozen=True):
    """Where the spans of one machine come from."""

    source: str
    """As it is printed, such as "program"; empty: from nowhere."""
    signal: Signal | None = None
    names: Mapping[str, str] | None = None
    """Label by text; None: the text is the label."""
    plan: tuple[Made, ...] = ()
    ideal_ms: Mapping[str, int] = {}
    """By label: the planned time of one piece, where the machine's orders of that label name one and the same."""


def teller_of(item: Equipment, by: str, facts: Facts, window: Window) -> Teller:
    """The source of a machine's spans in a window, with the planned times of its orders."""
    return msgspec.structs.replace(_source(item, by, facts, window), ideal_ms=_ideal_ms(item, by, facts))


def _ideal_ms(item: Equipment, by: str, facts: Facts) -> dict[str, int]:
    """PRI by label (ISO 22400-2: it comes from the level above), ms; where orders differ, the register's ideal cycle stays."""
    named: dict[str, set[int | None]] = {}
    for order in facts.orders:
        if order.work_unit == item.id and not order.cancelled and by in ("product", "order"):
            named.setdefault(order.product if by == "product" else order.id, set()).add(order.ideal_cycle_us)
    return {
        label: max(1, round(ideal / 1000)) for label, found in named.items() if len(found) == 1 and (ideal := next(iter(found))) is not None
    }


def _source(item: Equipment, by: str, facts: Facts, window: Window) -> Teller:
    signals = {signal.role: signal for signal in usable_signals(item)}
    if by == "product" and "product" in signals:
        return Teller("signal product", signals["product"])
    on_record = any(order.work_unit == item.id for order in facts.orders)
    if "order" in signals and (by == "order" or (by == "product" and on_record)):
        names = {seen(order.id): order.product for order in facts.orders} if by == "product" else None
        return Teller("signal order", signals["order"], names)
    mine = [
        order for order in facts.orders if order.work_unit == item.id and not order.cancelled
        and order.planned_start_us < window.end_us and order.planned_end_us > window.start_us
    ]
    if by in ("product", "order") and mine:
        return Teller("planned orders", plan=tuple(_planned(mine, window, by)))
    if by in ("product", "program") and "program" in signals:
        return Teller("signal program", signals["program"])
    return Teller("")


def spans_of(
    teller: Teller, register: Workshop, item: Equipment, series: Mapping[str, Series], piece: Window, missing: Missing
) -> list[Made]:
    """The piece of time cut into spans, in order; neighbours differ.

    Args:
        series: by signal id, that of the teller's signal read as text, from `LOOKBACK_US` before the piece on.
    """
    if teller.signal is not None:
        return _joined(_told(teller, teller.signal, register, item, series, piece, missing))
    if not teller.source:
        return [Made(piece.start_us, piece.end_us, "", NO_SOURCE)]
    return [
        Made(max(one.start_us, piece.start_us), min(one.end_us, piece.end_us), one.label, one.reason)
        for one in teller.plan if one.start_us < piece.end_us and one.end_us > piece.start_us
    ]


def _told(
    teller: Teller, signal: Signal, register: Workshop, item: Equipment, series: Mapping[str, Series], piece: Window, missing: Missing
) -> list[Made]:
    inputs = cut_inputs(register, item, series, piece, [signal], [piece], missing)
    texts, number, good = inputs.said(signal.role)
    pieces = cut([piece], [held_codes(inputs, signal.role, np.where(good, number, UNKNOWN))])
    found = []
    for start_us, length_us, code in zip(pieces.start_us.tolist(), pieces.length_us.tolist(), pieces.values[0].tolist(), strict=True):
        text = "" if code == UNKNOWN else texts[code]
        label = text if teller.names is None else teller.names.get(text, "")
        label = "" if label == NOT_ATTRIBUTED else label
        found.append(Made(start_us, start_us + length_us, label, "" if label else NO_RECORD if text else UNTOLD))
    return found


def _planned(orders: Sequence[Order], window: Window, by: str) -> list[Made]:
    """The window cut by the orders' planned times; where two name different things, neither holds."""
    edges = {window.start_us, window.end_us}
    for order in orders:
        edges |= {max(order.planned_start_us, window.start_us), min(order.planned_end_us, window.end_us)}
    ordered = sorted(edges)
    found = []
    for start_us, end_us in pairwise(ordered):
        names = {
            order.product if by == "product" else order.id for order in orders
            if order.planned_start_us <= start_us and order.planned_end_us >= end_us
        }
        label = names.pop() if len(names) == 1 else ""
        label = "" if label == NOT_ATTRIBUTED else label
        found.append(Made(start_us, end_us, label, "" if label else OVERLAP if names else UNPLANNED))
    return _joined(found)


def _joined(spans: Iterable[Made]) -> list[Made]:
    found: list[Made] = []
    for one in spans:
        if found and (found[-1].end_us, found[-1].label, found[-1].reason) == (one.start_us, one.label, one.reason):
            found[-1] = Made(found[-1].start_us, one.end_us, one.label, one.reason)
        elif one.end_us > one.start_us:
            found.append(one)
    return found
