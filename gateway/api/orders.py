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
from gateway.orders import MOST_ORDERS, OrderRow, csv_of, finished, parse_csv
from gateway.paging import NEXT_PAGE, Number, key_of, page_after
from gateway.readings import CSV_TYPE, FORMS, media_of
from gateway.shapes import OrdersAnswer
from workshop.canonical import sha256_hex
from workshop.errors import Rejected
from workshop.order import Order
from workshop.window import Window

SHAPES = (Order, OrderRow)
_BODY = {"requestBody": {"required": True, "content": {
    "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}, "text/csv": {"schema": {"type": "string"}},
}}}

_ANSWERS = answers("OrderRow", many=True)
_ANSWERS[200]["content"] |= {CSV_TYPE: {"schema": {"type": "string"}}}


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

    @router.get("/v1/orders", summary="Orders whose planned times meet the window, with the good pieces counted, as JSON or CSV",
                responses=_ANSWERS)
    def orders(
        request: Request,
        _: reader,
        from_us: Time,
        to_us: Time,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most orders; the header x-next-page names the page with those that follow")] = 200,
        page: Annotated[str | None, Query(description="x-next-page of the answer before")] = None,
    ) -> Response:
        media, now_us = media_of(request.headers.get("accept", "*/*"), FORMS), house.clock()
        found = house.orders.find(Window(from_us, to_us), limit + 1, key_of(page, tuple[Number, str]))
        rows = [OrderRow(order, finished(order, house.register, house.engine, now_us)) for order in found[:limit]]
        answer = Response(csv_of(rows), media_type=f"{CSV_TYPE}; charset=utf-8; header=present") if media == CSV_TYPE else json_answer(rows)
        answer.headers["vary"] = "accept"
        if len(found) > limit:
            answer.headers[NEXT_PAGE] = page_after((rows[-1].order.planned_start_us, rows[-1].order.id))
        return answer

    return router


def _decode(data: bytes, kind: str) -> list[Order]:
    try:
        if kind.partition(";")[0].strip().lower() == "text/csv":
            return parse_csv(data.decode())
        return msgspec.json.decode(data, type=list[Order])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"body: {error}") from error
