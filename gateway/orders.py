"""Production orders that the gateway knows, and what was finished of them. On record they are in the control log; here they are found by time."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from store.engine import Engine
from store.sqlite import Database
from workshop.block import concat
from workshop.errors import Rejected
from workshop.order import Order
from workshop.reading import ValueKind
from workshop.register import Workshop
from workshop.window import Window

GOOD_ROLE = "good_count"
MOST_ORDERS = 10_000
COLUMNS = Order.__struct_fields__
_SCHEMA = (
    "CREATE TABLE orders (id TEXT PRIMARY KEY, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX orders_time ON orders (start_us, end_us)",
)


class OrderRow(msgspec.Struct, frozen=True):
    """An order and what the machine's own counter says of it."""

    order: Order
    finished: int | None
    """Good pieces counted between the planned times; None where the work unit counts none."""


class Orders:
    """The orders that are known; the same id again replaces the order."""

    def __init__(self, path: Path) -> None:
        self._database = Database.open(path, what="orders", version=1, schema=_SCHEMA)
        self._reader = self._database.reader()

    def put(self, orders: Sequence[Order]) -> None:
        """Stores orders in one transaction."""
        rows = [(order.id, order.planned_start_us, order.planned_end_us, msgspec.json.encode(order)) for order in orders]
        with self._database.transaction():
            self._database.execute_many("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", rows)

    def find(self, window: Window, limit: int = 1000, after: tuple[int, str] | None = None) -> list[Order]:
        """The orders whose planned times meet the window, by start and id; with `after`, those behind this start and id."""
        found = self._reader.execute(
            "SELECT body FROM orders WHERE start_us < ? AND end_us > ? AND (start_us, id) > (?, ?) ORDER BY start_us, id LIMIT ?",
            (window.end_us, window.start_us, *(after or (-(2**63), "")), limit),
        )
        return [msgspec.json.decode(body, type=Order) for (body,) in found]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()


def parse_csv(text: str) -> list[Order]:
    """Orders from a CSV with the columns of `Order`; ideal_cycle_us may be missing or empty.

    Raises:
        Rejected: a column or value that does not fit, with its line.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    found = []
    for record in reader:
        given = {key: value for key, value in record.items() if value not in (None, "")}
        try:
            found.append(msgspec.convert(given, Order, strict=False))
        except (msgspec.ValidationError, TypeError) as error:
            raise Rejected(f"orders, line {reader.line_num}: {error}; columns are {', '.join(COLUMNS)}") from error
    return found


def csv_of(rows: Sequence[OrderRow]) -> str:
    """What was ordered and what was finished, as CSV (RFC 4180); the columns of `parse_csv` and `finished`, empty where nothing is counted."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((*COLUMNS, "finished"))
    for row in rows:
        values = (getattr(row.order, name) for name in COLUMNS)
        said = ["true" if value is True else "false" if value is False else value for value in values]
        writer.writerow((*said, row.finished))
    return text.getvalue()


def finished(order: Order, register: Workshop, engine: Engine, now_us: int) -> int | None:
    """Good pieces between the planned times: the rises of the counter; a fall is a reset, after which it counts from nought."""
    names = [name for name, item, signal in register.signals() if item.id == order.work_unit and signal.role == GOOD_ROLE]
    end_us = min(order.planned_end_us, now_us)
    if not names or end_us <= order.planned_start_us:
        return None if not names else 0
    block = concat([engine.last_before(names[:1], order.planned_start_us), engine.read(names[:1], Window(order.planned_start_us, end_us))])
    good = block.kind != ValueKind.NONE
    counts = np.where(block.kind == ValueKind.I64, block.value_i64, block.value_f64.astype(np.int64))[good]
    steps = np.diff(counts)
    return int(np.where(steps >= 0, steps, counts[1:]).sum())
