"""Production orders from the level above, and finished quantities back to it."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.api.readings import Time
from gateway.auth import PEOPLE, Caller, Role, needs
from gateway.documents import JSON_BYTES, answers, json_answer
from gateway.house import House
from gateway.ingest import read_body
from gateway.orders import MOST_ORDERS, OrderRow, finished, parse_csv
from gateway.shapes import OrdersAnswer
from workshop.canonical import sha256_hex
from workshop.errors import Rejected
from workshop.order import Order
from workshop.window import Window

SHAPES = (Order, OrderRow)
_BODY = {"requestBody": {"required": True, "content": {
    "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}, "text/csv": {"schema": {"type": "string"}},
}}}


def routes(house: House) -> APIRouter:
    """`/v1/orders`."""
    router = APIRouter(tags=["orders"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]
    planner = Annotated[Caller, Depends(needs(house.access, Role.ENGINEER, Role.ADMIN))]

    @router.post("/v1/orders", summary="Orders as JSON or CSV; the same id again replaces the order", responses=answers("OrdersAnswer"),
                 openapi_extra=_BODY)
    async def post(request: Request, caller: planner) -> Response:
        data = await read_body(request, JSON_BYTES)
        orders = _decode(data, request.headers.get("content-type", ""))
        if not 0 < len(orders) <= MOST_ORDERS:
            raise Rejected(f"orders: {len(orders)} in one body, must be 1 to {MOST_ORDERS}")
        await run_in_threadpool(house.facts.put_orders, orders, house.register, house.orders, caller.author)
        await run_in_threadpool(house.access.audit, "orders", caller.author, orders=len(orders), sha256=sha256_hex(data))
        return json_answer(OrdersAnswer(len(orders)))

    @router.get("/v1/orders", summary="Orders whose planned times meet the window, with the good pieces counted",
                responses=answers("OrderRow", many=True))
    def orders(_: reader, from_us: Time, to_us: Time, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
        now_us = house.clock()
        found = house.orders.find(Window(from_us, to_us), limit)
        return json_answer([OrderRow(order, finished(order, house.register, house.engine, now_us)) for order in found])

    return router


def _decode(data: bytes, kind: str) -> list[Order]:
    try:
        if kind.partition(";")[0].strip().lower() == "text/csv":
            return parse_csv(data.decode())
        return msgspec.json.decode(data, type=list[Order])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"body: {error}") from error
