"""Orders and genealogy: what is to be made until when, from which lot, and what became of every part.

The CSV is what a MES or ERP would export: `order,equipment,program,part,material,lot,quantity,released,due,completed,good,scrap`, times in ISO 8601.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from simulators.programs import PROGRAMS, Program

COLUMNS = ("order", "equipment", "program", "part", "material", "lot", "quantity", "released", "due", "completed", "good", "scrap")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_US = 3_600_000_000


class Order(msgspec.Struct):
    """A production order of one machine; `completed_us` is 0 while it runs."""

    number: str
    equipment: str
    program: str
    part: str
    material: str
    lot: str
    quantity: int
    released_us: int
    due_us: int
    completed_us: int = 0
    good: int = 0
    scrap: int = 0


class Step(msgspec.Struct, frozen=True):
    """One operation of one part."""

    tool: int
    start_us: int
    end_us: int


def new_order(equipment: str, index: int, program: Program, quantity: int, now_us: int, cycle_us: int) -> Order:
    """The order with this index of this machine. Due: twice the time that it needs, and then the next full hour."""
    due_us = -(-(now_us + 2 * quantity * cycle_us) // _HOUR_US) * _HOUR_US
    # One bar of material serves five orders: a bad lot shows in several.
    lot = f"LOT-{program.material.name}-{index // 5:06d}"
    return Order(f"WO-{equipment}-{index:06d}", equipment, program.name, program.part, program.material.name, lot, quantity, now_us, due_us)


def orders_of(events: Iterable[Mapping[str, Any]]) -> list[Order]:
    """The orders in the events of a live run's truth; the good and bad parts of those that still run are not counted yet."""
    programs = {program.name: program for kind in PROGRAMS.values() for program in kind}
    orders: dict[str, Order] = {}
    for event in events:
        if event.get("event") == "order_started":
            program = programs[event["program"]]
            orders[event["order"]] = Order(
                event["order"], event["e"], program.name, program.part, program.material.name, event["lot"], event["quantity"],
                event["t"], event["due_us"],
            )
        elif event.get("event") == "order_completed" and event["order"] in orders:
            order = orders[event["order"]]
            order.completed_us, order.good, order.scrap = event["t"], event["good"], event["scrap"]
    return list(orders.values())


def write_orders(path: Path, orders: Iterable[Order], utc_offset_min: int = 480) -> None:
    """Write the orders as a MES would export them."""
    offset = timedelta(minutes=utc_offset_min)

    def shown(time_us: int) -> str:
        local = _EPOCH + timedelta(microseconds=time_us) + offset
        return local.replace(tzinfo=None).isoformat(timespec="seconds") if time_us else ""

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for order in orders:
            writer.writerow((
                order.number, order.equipment, order.program, order.part, order.material, order.lot, order.quantity, shown(order.released_us),
                shown(order.due_us), shown(order.completed_us), order.good, order.scrap,
            ))
