"""Production orders as a MES or ERP sends them (ISA-95, part 2: operations requests)."""

import msgspec

from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.window import HOUR_US

LONGEST_US = 31 * 24 * HOUR_US
MOST_PIECES = 10**9


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One order for one work unit; times in µs UTC."""

    id: str
    product: str
    quantity: int
    work_unit: str
    """Equipment id."""
    due_us: int
    planned_start_us: int
    planned_end_us: int
    ideal_cycle_us: int | None = None
    """Planned time of one piece; None: as in the register."""
    cancelled: bool = False
    """Withdrawn: it stays on record and counts for nothing."""
    released_us: int | None = None
    """When the level above let it go to the workshop: its lead time begins there."""


def check_order(order: Order, register: Workshop | None = None) -> None:
    """That the order can be.

    Args:
        register: where its work unit must be, if given.
    Raises:
        Rejected: another work unit, or times or quantities that cannot be.
    """
    where = f"order '{order.id[:80]}'"
    if not 0 < len(order.id) <= 100 or not 0 < len(order.product) <= 200 or not 0 < len(order.work_unit) <= 200:
        raise Rejected(f"{where}: id, product and work_unit have 1 to 100, 200 and 200 characters")
    if register is not None and register.find(order.work_unit) is None:
        raise Rejected(f"{where}: work_unit '{order.work_unit[:80]}' is not in the register")
    if not 0 < order.planned_end_us - order.planned_start_us <= LONGEST_US or max(abs(order.planned_start_us), abs(order.due_us)) > 2**53 - 2**42:
        raise Rejected(f"{where}: planned_end_us must lie after planned_start_us, by at most {LONGEST_US // (24 * HOUR_US)} days")
    if order.released_us is not None and not 0 <= order.released_us <= order.planned_end_us:
        raise Rejected(f"{where}: released_us must lie before planned_end_us, or be left out")
    if not 0 < order.quantity <= MOST_PIECES or (order.ideal_cycle_us is not None and not 0 < order.ideal_cycle_us <= LONGEST_US):
        raise Rejected(f"{where}: quantity and ideal_cycle_us must be positive, at most {MOST_PIECES} and {LONGEST_US}")
