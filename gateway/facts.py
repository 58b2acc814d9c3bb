"""What people and the level above have put on record, as figures need it: declared values and production orders, from the control log alone."""

import threading
from collections.abc import Sequence

from analytics.facts import Facts
from evidence.facts import Recorded
from gateway.orders import Orders
from store.archive import Archive
from store.control_kinds import MOST_ORDERS_AT_ONCE
from store.control_kinds import Orders as OrdersEntry
from workshop.order import Order, check_order
from workshop.register import Workshop


class KnownFacts:
    """The facts of the control log so far; what has come into it since is read when somebody asks."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._recorded = Recorded()
        self._facts = self._recorded.facts
        self._size = 0
        self._reading, self._writing = threading.Lock(), threading.Lock()

    def now(self) -> tuple[Facts, int]:
        """The facts, and how many entries there are that tell some: it grows with every change of them."""
        with self._reading:
            size = self._archive.control_size
            if size > self._size:
                before = self._recorded.count
                for kind in ("declaration", "orders"):
                    for entry in self._archive.control_entries(self._size, kind, size):
                        self._recorded.take_entry(entry)
                self._size = size
                if self._recorded.count > before:
                    self._facts = self._recorded.facts
            return self._facts, self._recorded.count

    def put_orders(self, orders: Sequence[Order], register: Workshop, found: Orders, author: str) -> None:
        """On record first, where they are not there in these very words, then where they are found by time.

        After a crash in between the sender has no answer, and sends them again.

        Raises:
            Rejected: one of them names equipment that is not in the register, or times or quantities that cannot be.
        """
        for order in orders:
            check_order(order, register)
        last = {order.id: order for order in orders}
        with self._writing:
            known = {order.id: order for order in self.now()[0].orders}
            fresh = [order for order in last.values() if known.get(order.id) != order]
            for at in range(0, len(fresh), MOST_ORDERS_AT_ONCE):
                self._archive.add(OrdersEntry(tuple(fresh[at : at + MOST_ORDERS_AT_ONCE])), author=author)
            found.put(list(last.values()))
