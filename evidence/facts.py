"""Facts from the control log: what the entries of kind "declaration" and "orders" say, for the indicators; the gateway and the verifier share it."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from analytics.facts import Declared, Facts, Placed
from store.archive_records import ControlEntry
from store.control_kinds import KINDS, Body, Declaration, Orders
from workshop.errors import Rejected
from workshop.order import Order, check_order


class Recorded(msgspec.Struct):
    """The declarations and orders of the entries so far."""

    declared: list[Declared] = []
    orders: dict[str, Order] = {}
    placed: dict[str, Placed] = {}
    count: int = 0
    """Entries that told something."""

    @property
    def facts(self) -> Facts:
        """As a value that does not change any more."""
        orders = tuple(self.orders[name] for name in sorted(self.orders))
        return Facts(tuple(sorted(self.declared, key=lambda item: item.entry)), orders, dict(self.placed))

    def take_entry(self, entry: ControlEntry) -> None:
        """The next entry; of any kind.

        Raises:
            Rejected: a body that does not fit its kind.
        """
        if entry.kind in ("declaration", "orders"):
            try:
                self.take(entry.index, entry.time_us, entry.author, msgspec.convert(entry.body, KINDS[entry.kind]))
            except msgspec.ValidationError as error:
                raise Rejected(f"control entry {entry.index} ('{entry.kind}'): {error}") from error

    def take(self, index: int, time_us: int, author: str, body: Body) -> None:
        """The next body.

        Raises:
            Rejected: an order that cannot be.
        """
        match body:
            case Declaration():
                self.count += 1
                self.declared.append(Declared(
                    body.name, Decimal(body.value), body.unit, body.from_us, body.to_us, author, time_us, body.attachment, body.note, index,
                ))
            case Orders():
                self.count += 1
                for order in body.orders:
                    check_order(order)
                    self.orders[order.id] = order
                    self.placed[order.id] = Placed(author, time_us, index)
            case _:
                pass


def facts_of(entries: Iterable[ControlEntry]) -> Facts:
    """What these entries tell, in the log's order."""
    recorded = Recorded()
    for entry in entries:
        recorded.take_entry(entry)
    return recorded.facts
