"""Facts that no machine tells: figures that a person declared, with what they rest on, and production orders of the level above.

A figure holds from its beginning to its end; where two declarations of one name overlap, the later entry holds. Amounts (a bill, a purchase) are
shared out evenly over their time; everything else is a state that holds. A name of the catalogue with a unit
or value that it cannot have says nothing.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from analytics.declared_figures import CATALOGUE, FigureKind, fault_of
from workshop.order import Order
from workshop.window import Window

Stretch = tuple[int, int]


class Declared(msgspec.Struct, frozen=True):
    """A declaration as it stands in the control log."""

    name: str
    value: Decimal
    unit: str
    from_us: int
    to_us: int
    author: str
    time_us: int
    """When it was put on record."""
    attachment: str
    """SHA-256 of what it rests on, or empty."""
    note: str
    entry: int
    """Index in the control log."""

    @property
    def amount(self) -> Fraction:
        """The value in the base unit of its name in the catalogue; in its own unit without a place there."""
        known = CATALOGUE.get(self.name)
        return Fraction(self.value) * (known.units[self.unit] if known is not None else 1)


class DeclaredInput(msgspec.Struct, frozen=True):
    """One declaration that a result rests on."""

    name: str
    value: Decimal
    unit: str
    from_us: int
    to_us: int
    author: str
    time_us: int
    attachment: str
    entry: int


class Held(msgspec.Struct, frozen=True):
    """A declaration, and the part of a window in which it is the one that holds."""

    declared: Declared
    spans: tuple[Stretch, ...]

    @property
    def us(self) -> int:
        """Length of that part."""
        return sum(end - start for start, end in self.spans)


class Told(msgspec.Struct, frozen=True):
    """What is declared of one figure in a window."""

    value: Fraction | None
    """In the base unit: the mean over the time declared of what holds, the sum of what is an amount; None: nothing is declared."""
    covered_us: int
    """Time of the window that is declared."""
    inputs: tuple[DeclaredInput, ...]


class Placed(msgspec.Struct, frozen=True):
    """Who put the last word on an order on record, and when."""

    author: str
    time_us: int
    entry: int


class Facts(msgspec.Struct, frozen=True):
    """Everything on record that indicators may ask for."""

    figures: tuple[Declared, ...] = ()
    """In the log's order."""
    orders: tuple[Order, ...] = ()
    """The last word on every order, by id; cancelled ones too."""
    placed: dict[str, Placed] = {}
    """By order's id."""

    def held(self, name: str, window: Window) -> list[Held]:
        """The declarations of a name that hold somewhere in the window, by their entry."""
        free: list[Stretch] = [(window.start_us, window.end_us)] if window.length_us else []
        found = []
        for item in reversed(self.figures):
            if item.name == name and not fault_of(name, Fraction(item.value), item.unit):
                mine, free = _taken(free, item.from_us, item.to_us)
                found += [Held(item, tuple(mine))] if mine else []
        return found[::-1]

    def told(self, name: str, window: Window) -> Told:
        """The figure in the window, exact."""
        held = self.held(name, window)
        us = sum(item.us for item in held)
        known = CATALOGUE.get(name)
        if not us:
            return Told(None, 0, ())
        if known is not None and known.kind is FigureKind.AMOUNT:
            value = sum((item.declared.amount * item.us / (item.declared.to_us - item.declared.from_us) for item in held), Fraction(0))
        else:
            value = sum((item.declared.amount * item.us for item in held), Fraction(0)) / us
        return Told(value, us, tuple(input_of(item.declared) for item in held))

    def orders_in(self, window: Window) -> list[Order]:
        """The orders that are due in the window and not cancelled, by due time."""
        due = (item for item in self.orders if not item.cancelled and window.start_us <= item.due_us < window.end_us)
        return sorted(due, key=lambda item: (item.due_us, item.id))


NO_FACTS = Facts()


def input_of(item: Declared) -> DeclaredInput:
    """What a result says of a declaration that it rests on."""
    return DeclaredInput(item.name, item.value, item.unit, item.from_us, item.to_us, item.author, item.time_us, item.attachment, item.entry)


def _taken(free: Sequence[Stretch], start_us: int, end_us: int) -> tuple[list[Stretch], list[Stretch]]:
    """Of the free time what lies in [start, end), and what is left."""
    mine, left = [], []
    for start, end in free:
        low, high = max(start, start_us), min(end, end_us)
        if low >= high:
            left.append((start, end))
            continue
        mine.append((low, high))
        left += [piece for piece in ((start, low), (high, end)) if piece[0] < piece[1]]
    return mine, left
